"""Before deployments are made: say what starts by itself and buys how much over time, and ask.

A budget caps one run. A schedule or an event starts runs without end, so a real wallet needs a cap
over time: a pool of the store, or a plain yes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Engine

from rivya_flows.app.live_guard import Confirm, credits_in, refuse_unknown_names, source_of
from rivya_flows.app.run_context import IMPATIENT, WAITING_SECONDS, ServiceConnection
from rivya_flows.client.client import RivyaClient
from rivya_flows.errors import APIError, AuthenticationError, NotConfirmedError
from rivya_flows.hosts import one_spelling
from rivya_flows.ledger.phrases import EACH_PERIOD
from rivya_flows.settings import Settings
from rivya_flows.store.deployments import (
    Capped,
    Most,
    agreed_at,
    capped_by_pools,
    record_agreements,
)
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Pool, Pools

_BY_ITSELF = (
    "cap it with `rivya-flows budgets set NAME --credits N --period month` (and `budget:` in the "
    "spec), switch its schedules and triggers off with `active: false`, or give --yes"
)
_BY_HAND = "write `budget: {credits: N}` into the spec, which caps each run, or give --yes"


@dataclass(frozen=True)
class Start:
    """What starts runs by itself: a schedule or a trigger.

    Attributes:
        when: ``next on Mon 2026-12-07 at 09:00 Asia/Kolkata``.
        a_day, a_month: Most runs; None where events decide.
    """

    when: str
    a_day: int | None = None
    a_month: int | None = None


@dataclass(frozen=True)
class DeployedSpending:
    """What a deployment may buy.

    Attributes:
        name: As ``flow/deployment``.
        labels: Of its runs, as far as they are known before.
        buys: Whether its runs can buy something.
        budget: Most credits of a run; None for no cap.
        starts: What starts it by itself.
    """

    name: str
    labels: dict[str, str]
    buys: bool
    budget: int | None
    starts: tuple[Start, ...] = ()

    @property
    def needs_cap(self) -> bool:
        """Whether a real wallet needs a pool or a yes for it."""
        return self.buys and (bool(self.starts) or self.budget is None)

    @property
    def most(self) -> Most:
        """The most that it buys without asking."""
        return Most(
            self.budget,
            sum(one.a_day or 0 for one in self.starts),
            sum(one.a_month or 0 for one in self.starts),
            tuple(one.when for one in self.starts if one.a_day is None),
        )

    def lines(self, pools: Sequence[Pool] | None) -> Iterator[str]:
        """What people are told: each start, and the most that it buys.

        Args:
            pools: Those that cover it; None where nothing is bought from a real wallet.
        """
        priced = self.buys and pools is not None
        caps = [
            f"pool {one.name}: {credits_in(one.credits)} {EACH_PERIOD[one.period]}"
            for one in pools or ()
        ]
        ending = f" ({', '.join(caps)})" if caps else ""
        for start in self.starts:
            price = f": {self._price(start)}{ending}" if priced else ""
            yield f"{self.name} starts by itself, {start.when}{price}"
        if priced and not self.starts and self.budget is None:
            yield f"{self.name}: no budget caps a run{ending}"

    def _price(self, start: Start) -> str:
        if self.budget is None:
            return "no budget caps a run"
        day, month = _times(self.budget, start.a_day), _times(self.budget, start.a_month)
        if day is None or month is None:
            return f"at most {credits_in(self.budget)} a run, and no bound over time"
        return f"at most {credits_in(self.budget)} a run, {credits_in(day)} a day, {credits_in(month)} a month"


async def agree_to_spending(
    found: Sequence[DeployedSpending],
    settings: Settings,
    tell: Callable[[str], object],
    confirm: Confirm | None,
    *,
    rehearses: bool,
    dry: bool = False,
    hint: str | None = None,
    names_service: bool = True,
) -> bool:
    """Says what starts by itself; of a real wallet also from whom, the most over time, and asks.

    It asks once: again only where a deployment gets dearer than what was agreed to.

    Args:
        found: The deployments.
        settings: Of the machine that deploys.
        tell: Is told line by line.
        confirm: Asks; None where there is nobody to ask.
        rehearses: Workers buy with pretend credits.
        dry: Nothing is deployed, so nothing is asked.
        hint: What to do where it is not confirmed; None: what helps the specs that are deployed.
        names_service: Nobody has said from whom it buys yet.

    Returns:
        Whether something buys from a real wallet, so that it is said from whom.

    Raises:
        UsageError: As `refuse_unknown_names`, unless `dry`.
        AuthenticationError: The service does not take the key.
        NotConfirmedError: Something without a cap over time was not confirmed.
        StoreError: The store cannot be read or written.
    """
    if rehearses or not any(one.buys for one in found):
        for one in found:
            for line in one.lines(None):
                tell(line)
        return False
    if not dry:
        refuse_unknown_names()
    service = _service(settings)
    if names_service:
        tell(f"Deployments buy {source_of(service, await _balance(service, tell))}.")
    with closing(Journal(settings.store_url)) as journal:
        pools = Pools(journal.engine).all()
        asked, capped = dict[str, Most](), list[Capped]()
        agreed = agreed_at(journal.engine, service.identity)
        for one in found:
            covering = [pool for pool in pools if pool.covers(one.labels)]
            for line in one.lines(covering):
                tell(line)
            if not one.needs_cap or not one.most.exceeds(agreed.get(one.name, Most())):
                continue
            if covering:
                capped.append(Capped(one.name, service.identity, one.labels, one.most))
            else:
                asked[one.name] = one.most
        if dry:
            return True
        if asked and (confirm is None or not await confirm(_question(asked.values()))):
            names = ", ".join(sorted(asked))
            starts = any(one.starts for one in found if one.name in asked)
            raise NotConfirmedError(
                f"not confirmed: {names} may buy without a cap over time; nothing was deployed",
                hint or (_BY_ITSELF if starts else _BY_HAND),
            )
        deployed = [one.name for one in found]
        record_agreements(journal.engine, service.identity, asked, capped, deployed)
    return True


async def agree_to_uncapped(
    engine: Engine, pools: Sequence[Pool], tell: Callable[[str], object], confirm: Confirm | None
) -> None:
    """Asks before a change of pools takes the last cap over time of a deployment.

    A yes is recorded as if it had been given to `deploy`.

    Args:
        engine: Of the store.
        pools: Those that will be left.
        tell: Is told which deployments lose their cap.
        confirm: Asks; None where there is nobody to ask.

    Raises:
        NotConfirmedError: It was not confirmed.
        StoreError: The store cannot be read or written.
    """
    capped = capped_by_pools(engine)
    lost = [one for one in capped if not any(pool.covers(one.labels) for pool in pools)]
    if not lost:
        return
    names = ", ".join(dict.fromkeys(one.deployment for one in lost))
    tell(f"When {names} was deployed, nobody was asked, because this pool caps what it buys.")
    if confirm is None or not await confirm(_question([one.most for one in lost])):
        raise NotConfirmedError(
            f"not confirmed: {names} may buy without a cap over time; the pool is as it was",
            "make another pool that covers them, switch their schedules and triggers off and deploy"
            " again, or give --yes",
        )
    for one in lost:
        record_agreements(engine, one.service, {one.deployment: one.most})


def _question(asked: Collection[Most]) -> str:
    months = [one.month for one in asked]
    known = [one for one in months if one is not None]
    words = "No pool of `rivya-flows budgets` caps what they buy without asking"
    if len(known) < len(months):
        return f"{words}, and it has no bound."
    return f"{words}: at most {credits_in(sum(known))} a month."


def _times(budget: int | None, runs: int | None) -> int | None:
    return None if budget is None or runs is None else budget * runs


def _service(settings: Settings) -> ServiceConnection:
    """The service of the settings; without a key, which the workers may have alone."""
    url = settings.rivya_base_url.rstrip("/")
    return ServiceConnection(url, settings.rivya_api_key, one_spelling(url), 1.0)


async def _balance(service: ServiceConnection, tell: Callable[[str], object]) -> int | None:
    """Credits in the wallet; None if it cannot be read now, of which `tell` is told.

    Raises:
        AuthenticationError: The service does not take the key, so every run would fail.
    """
    if service.api_key is None:
        return None
    try:
        async with RivyaClient(service.api_key.get_secret_value(), service.base_url) as client:
            impatient = client.with_options(timeout=WAITING_SECONDS, retry=IMPATIENT)
            return (await impatient.credits.retrieve()).current_credits
    except AuthenticationError:
        raise
    except APIError as error:
        tell(f"warning: the wallet cannot be read now: {error}")
        return None
