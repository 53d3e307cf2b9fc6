"""Before a real wallet is charged: say what is bought, and ask where nothing caps it.

A budget caps one run. A schedule or an event starts runs of a deployment without end, so a real wallet
needs a cap over time for it: a pool of the store, or a plain yes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from sqlalchemy import Engine

from rivya_client.client import RivyaClient
from rivya_client.hosts import is_loopback, one_spelling
from rivya_client.key_masking import PREFIX
from rivya_flows.engine.run_context import IMPATIENT, WAITING_SECONDS, RunContext, ServiceConnection
from rivya_flows.errors import APIError, AuthenticationError, NotConfirmedError, UsageError
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.processes.registry import ManagedProcess
from rivya_flows.receipt.phrases import EACH_PERIOD, is_sandbox, without_bound
from rivya_flows.setting_mistakes import end_of, unknown_names
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
from rivya_flows.store.shared_store_checks import shown_url

Confirm = Callable[[str], Awaitable[bool]]  # answers whether a command may buy what a sentence says


def agreement(tell: Callable[[str], object]) -> Confirm:
    """Agrees to all that it tells: for ``--yes``, and for a run that somebody deployed or called."""

    async def agree(words: str) -> bool:
        tell(words)
        return True

    return agree


_TO_GO_ON = (
    "give --budget N or a `budget:` in the spec, or --yes (in Python budget=N or yes=True);"
    " --sandbox rehearses it"
)


@dataclass(frozen=True)
class Spending:
    """What a command is about to buy.

    Attributes:
        least, most: Credits; `most` is None where only the service knows the price.
        balance: Credits in the wallet; None if it was not read.
        caps: What limits it: credits that it leaves, by the words for it; None where it has the
            bounds of the plan.
        unbounded: What to say of a price without a known most.
    """

    least: int
    most: int | None
    balance: int | None = None
    caps: Mapping[str, int | None] = field(default_factory=dict)
    unbounded: str = "no upper bound is known"

    @property
    def bound(self) -> int | None:
        """The most that can be spent, by price and caps; None for no bound."""
        known = [one for one in (self.most, *self.caps.values()) if one is not None]
        return max(0, min(known)) if known else None


def spending_of(found: Estimate, quote: str | None = None) -> Spending:
    """What a priced run still buys."""
    caps: dict[str, int | None] = {}
    if found.budget is not None:
        caps[f"budget {found.budget}"] = found.budget - found.spent
    if quote is not None:
        caps["its quote"] = None
    caps |= dict(pool_cap(one.name, one.left) for one in found.pools)
    return Spending(found.min, found.max, found.balance, caps, without_bound(found))


def pool_cap(name: str, left: int) -> tuple[str, int]:
    return f"pool {name}, {left} left", left


def is_rehearsal(base_url: str, settings: Settings) -> bool:
    """Whether a service of this address has pretend credits: it is on this machine.

    ``RIVYA_FLOWS_LIVE=true`` says of such an address that it leads to a real wallet.
    """
    return is_loopback(base_url) and not settings.rivya_flows_live


def sentence(service: ServiceConnection, found: Spending) -> str:
    """One line for people: the service, the key, the wallet and the most that is spent."""
    caps = f" ({', '.join(found.caps)})" if found.caps else ""
    if found.bound is None:
        price = f"At least {credits_in(found.least)}; {found.unbounded}"
    else:
        about = "about " if found.most is None else ""  # one purchase may pass its limit
        price = f"At most {about}{credits_in(found.bound)}"
    return f"This buys {source_of(service, found.balance)}. {price}{caps}."


def source_of(service: ServiceConnection, balance: int | None) -> str:
    """``from SERVICE with the key rvya_sk_…abcd (wallet: 1,000 credits)``."""
    key = "of the workers"
    if service.api_key is not None:
        key = shown_key(service.api_key.get_secret_value())
    wallet = "" if service.wallet is None else f" of the wallet {service.wallet}"
    if balance is not None:
        wallet += f" ({'' if service.wallet else 'wallet: '}{credits_in(balance)})"
    return f"from {service.base_url} with the key {key}{wallet}"


def shown_key(key: str) -> str:
    """A key as people may see it: ``rvya_sk_…abcd``."""
    prefix = PREFIX if key.startswith(PREFIX) else ""
    return f"{prefix}{end_of(key)}"


_FROM_SANDBOX = "from the local sandbox"


def fingerprint(*parts: str) -> str:
    """A hash of texts, of which the first makes it another one in each process that `up` starts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def account(settings: Settings, mark: str) -> str:
    """A hash of key and service that a worker with these settings buys with; "" for the local sandbox."""
    if settings.rivya_flows_sandbox or settings.rivya_api_key is None:
        return ""
    key, url = settings.rivya_api_key.get_secret_value(), settings.rivya_base_url.rstrip("/")
    return fingerprint(mark, key, url)


def source(settings: Settings) -> str:
    """From whom a worker with these settings buys, for people."""
    key = settings.rivya_api_key
    if settings.rivya_flows_sandbox or key is None:
        return _FROM_SANDBOX
    shown = shown_key(key.get_secret_value())
    return f"from {shown_url(settings.rivya_base_url)} with the key {shown}"


def buys_elsewhere(worker: ManagedProcess, source: str, command: str) -> UsageError:
    """What is said where a worker of `up` buys from somebody else than a command names."""
    again = "`rivya-flows up`, then " if command != "up" else ""
    return UsageError(
        f"the worker that runs buys {worker.source}, and this `{command}` would buy {source};"
        " nothing was deployed",
        f"`rivya-flows down` first, then {again}this command again",
    )


def refuse_unknown_names() -> None:
    """Refuses to buy for real while a variable begins with ``RIVYA`` and is no setting: it may be the
    one that was to prevent that.
    """
    for one in unknown_names():
        if one.is_ours:
            words = "is no setting; nothing is bought from a real wallet while it is set"
            raise UsageError(f"{one.where}: {one.name} {words}", one.hint)


async def confirm_live(
    context: RunContext, found: Spending, notify: Callable[[str], object], confirm: Confirm | None
) -> int | None:
    """Says what is bought from a real wallet, and asks unless a cap limits it.

    Args:
        confirm: Asks; None where there is nobody to ask.

    Returns:
        The credits that were agreed to, which nothing else caps; None where there is no such bound.

    Raises:
        NotConfirmedError: It was not confirmed; nothing was bought.
    """
    service = context.service
    if is_sandbox(service.identity) or is_rehearsal(service.base_url, context.settings):
        return None
    if found.most == 0:  # not where a cap leaves nothing: it may be raised during the run
        return None
    refuse_unknown_names()
    words = sentence(service, found)
    if found.caps:
        notify(words)
        return None
    if confirm is None:
        raise NotConfirmedError(
            f"not confirmed: {words[0].lower()}{words[1:]} Nothing was bought", _TO_GO_ON
        )
    if not await confirm(words):
        raise NotConfirmedError("not confirmed; nothing was bought", _TO_GO_ON)
    return found.bound


def credits_in(number: int) -> str:
    """``1 credit``, ``17,280 credits``."""
    return f"{number:,} credit{'' if number == 1 else 's'}"


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
    """What a deployment may buy; `budget` is the most credits of a run."""

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
        """What people are told: each start, and the most that it buys; without pools (None) no price."""
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
        most = f"at most {credits_in(self.budget)} a run"
        if start.a_day is None or start.a_month is None:
            return f"{most}, and no bound over time"
        day, month = self.budget * start.a_day, self.budget * start.a_month
        return f"{most}, {credits_in(day)} a day, {credits_in(month)} a month"


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
        confirm: Asks; None where there is nobody to ask.
        rehearses: Workers buy with pretend credits.
        hint: What to do where it is not confirmed; None: what helps the specs that are deployed.

    Returns:
        Whether something buys from a real wallet, so that it is said from whom.

    Raises:
        AuthenticationError: The service does not take the key.
        NotConfirmedError: Something without a cap over time was not confirmed.
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

    A yes is recorded as if it had been given to `deploy`; NotConfirmedError without one.
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


async def check_key(settings: Settings, tell: Callable[[str], object]) -> None:
    """Refuses a key that the service does not take; a worker may get one from elsewhere.

    Raises:
        AuthenticationError: The service does not take it.
    """
    await _balance(_service(settings), tell)


def _service(settings: Settings) -> ServiceConnection:
    """The service of workers; without a key, which they may have alone."""
    url = settings.rivya_base_url.rstrip("/")
    return ServiceConnection(url, settings.rivya_api_key, one_spelling(url), 1.0)


async def _balance(service: ServiceConnection, tell: Callable[[str], object]) -> int | None:
    """Credits in the wallet; None if it cannot be read now, of which `tell` is told, unless the key is refused."""
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
