"""Before a real wallet is charged: say what is bought, and ask where nothing caps it.

A schedule or an event starts runs without end, which no budget caps: only a pool of the store, or a plain yes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine

from rivya_client.client import RivyaClient
from rivya_client.hosts import is_loopback, one_spelling
from rivya_client.key_masking import PREFIX
from rivya_flows.engine.run_context import IMPATIENT, WAITING_SECONDS, RunContext, ServiceConnection
from rivya_flows.errors import APIError, AuthenticationError, NotConfirmedError, UsageError
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.processes.registry import ManagedProcess
from rivya_flows.queue.events import PoolTotal
from rivya_flows.receipt.phrases import EACH_PERIOD, is_sandbox, without_bound
from rivya_flows.setting_mistakes import end_of, unknown_names
from rivya_flows.settings import Settings
from rivya_flows.store.deployments import DeploymentAgreement, Most, agreements, record_agreements
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Pool, Pools
from rivya_flows.store.shared_store_checks import mask_password
from rivya_flows.store.tables import stored_name

Confirm = Callable[[str], Awaitable[bool]]  # answers whether a command may buy what a sentence says


def agreement(tell: Callable[[str], object]) -> Confirm:
    """Agrees to all that it tells: for ``--yes``, and for a run that somebody deployed or called."""

    async def agree(question: str) -> bool:
        tell(question)
        return True

    return agree


_TO_GO_ON = (
    "give --budget N or a `budget:` in the spec, or --yes (in Python budget=N or yes=True);"
    " --sandbox rehearses it"
)


@dataclass(frozen=True)
class Spending:
    """What a command is about to buy, in credits, and what each cap leaves (None: as the plan), by the words for it."""

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
    caps |= map(pool_cap, found.pools)
    return Spending(found.min, found.max, found.balance, caps, without_bound(found))


def pool_cap(pool: PoolTotal) -> tuple[str, int | None]:
    return f"pool {pool.name}, {pool.left} left", pool.left


def is_rehearsal(base_url: str, settings: Settings) -> bool:
    """Whether a service of this address has pretend credits: it is on this machine, and not said to be live."""
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
    return f"from {mask_password(service.base_url)} with the key {key}{wallet}"


def shown_key(key: str) -> str:
    """A key as people may see it: ``rvya_sk_…abcd``."""
    prefix = PREFIX if key.startswith(PREFIX) else ""
    return f"{prefix}{end_of(key)}"


def fingerprint(*parts: str) -> str:
    """A hash of texts; the first differs in each process that `up` starts, so the hash does."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def account(settings: Settings, mark: str) -> str:
    """A hash of key and service that a worker with these settings buys with; "" for the local sandbox."""
    if settings.rivya_flows_sandbox or settings.rivya_api_key is None:
        return ""
    key, url = settings.rivya_api_key.get_secret_value(), settings.rivya_base_url.rstrip("/")
    return fingerprint(mark, key, url)


def source(settings: Settings) -> str:
    """From whom a worker with these settings buys, for people."""
    if settings.rivya_flows_sandbox or settings.rivya_api_key is None:
        return "from the local sandbox"
    return source_of(_service(settings), None)


def buys_elsewhere(worker: ManagedProcess, source: str, command: str) -> UsageError:
    """What is said where a worker of `up` buys from somebody else than a command names."""
    again = "`rivya-flows up`, then " if command != "up" else ""
    return UsageError(
        f"the worker that runs buys {worker.source}, and this `{command}` would buy {source};"
        " nothing was deployed",
        f"`rivya-flows down` first, then {again}this command again",
    )


def refuse_unknown_names() -> None:
    """Refuses to buy for real while a mistyped ``RIVYA…`` is set: it may be the one that was to prevent that."""
    for one in unknown_names():
        if one.is_ours:
            reason = "is no setting; nothing is bought from a real wallet while it is set"
            raise UsageError(f"{one.where}: {one.name} {reason}", one.hint)


async def confirm_live(
    context: RunContext, found: Spending, notify: Callable[[str], object], confirm: Confirm | None
) -> int | None:
    """Says what is bought from a real wallet, and asks unless a cap limits it; NotConfirmedError without a yes.

    Gives the credits that were agreed to, which nothing else caps; None if there is no such bound.
    """
    service = context.service
    pretend = is_sandbox(service.identity) or is_rehearsal(service.base_url, context.settings)
    # If a cap leaves nothing, it may still be raised during the run.
    if pretend or found.most == 0:
        return None
    refuse_unknown_names()
    question = sentence(service, found)
    if found.caps:
        notify(question)
        return None
    if confirm is None:
        message = f"not confirmed: {question[0].lower()}{question[1:]} Nothing was bought"
        raise NotConfirmedError(message, _TO_GO_ON)
    if not await confirm(question):
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
    """A schedule or a trigger: ``next on Mon 2026-12-07 at 09:00 Asia/Kolkata``; the most runs, None if events decide."""

    when: str
    a_day: int | None = None
    a_month: int | None = None


@dataclass(frozen=True)
class DeployedSpending:
    """What a deployment may buy; `budget` is of a run, and `labels` those that no input decides."""

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
        """What it buys without asking."""
        return Most(
            self.budget,
            sum(one.a_day or 0 for one in self.starts),
            sum(one.a_month or 0 for one in self.starts),
            tuple(one.when for one in self.starts if one.a_day is None),
        )

    def lines(self, pools: Sequence[Pool] | None) -> Iterator[str]:
        """The lines for people: each start, and the most that it buys; without pools (None) no price."""
        priced = self.buys and pools is not None
        caps = [
            f"pool {one.name}: {credits_in(one.credits)} {EACH_PERIOD[one.period]}"
            for one in pools or ()
        ]
        ending = f" ({', '.join(caps)})" if caps else ""
        for start in self.starts:
            price = "no budget caps a run"
            if self.budget is not None:
                price = f"at most {credits_in(self.budget)} a run"
                if start.a_day is None or start.a_month is None:
                    price += ", and no bound over time"
                else:
                    day, month = self.budget * start.a_day, self.budget * start.a_month
                    price += f", {credits_in(day)} a day, {credits_in(month)} a month"
            more = f": {price}{ending}" if priced else ""
            yield f"{self.name} starts by itself, {start.when}{more}"
        if priced and not self.starts and self.budget is None:
            yield f"{self.name}: no budget caps a run{ending}"


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
    """Says what starts by itself; of a real wallet also from whom and the most over time, and asks.

    It asks once: again only where a deployment gets dearer than what was agreed to. Gives whether something
    buys from a real wallet. AuthenticationError for a key that the service does not take.
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
        made: list[DeploymentAgreement] = []
        place = stored_name(service.identity)
        before = {
            one.deployment: one.most
            for one in agreements(journal.engine)
            if one.service == place and one.labels is None
        }
        for one in found:
            covering = [pool for pool in pools if pool.covers(one.labels)]
            for line in one.lines(covering):
                tell(line)
            if one.needs_cap and one.most.exceeds(before.get(one.name, Most())):
                labels = one.labels if covering else None
                made.append(DeploymentAgreement(one.name, place, one.most, labels))
        if dry:
            return True
        uncapped = [one for one in made if one.labels is None]
        names = {one.deployment for one in uncapped}
        by_itself = any(one.starts for one in found if one.name in names)
        otherwise = _BY_ITSELF if by_itself else _BY_HAND
        await _ask(uncapped, confirm, "nothing was deployed", hint or otherwise)
        record_agreements(journal.engine, place, made, [one.name for one in found])
    return True


async def agree_to_uncapped(
    engine: Engine, pools: Sequence[Pool], tell: Callable[[str], object], confirm: Confirm | None
) -> None:
    """Asks before a change of pools takes the last cap over time of a deployment; a yes counts as one to `deploy`."""
    lost = [
        replace(one, labels=None)
        for one in agreements(engine)
        if one.labels is not None and not any(pool.covers(one.labels) for pool in pools)
    ]
    if lost:
        names = ", ".join(dict.fromkeys(one.deployment for one in lost))
        tell(f"{names} was deployed without a question, because this pool caps what it buys.")
    hint = (
        "make another pool that covers them, switch their schedules and triggers off and deploy"
        " again, or give --yes"
    )
    await _ask(lost, confirm, "the pool is as it was", hint)
    for one in lost:
        record_agreements(engine, one.service, [one])


async def _ask(
    uncapped: Sequence[DeploymentAgreement], confirm: Confirm | None, otherwise: str, hint: str
) -> None:
    """Asks a person to agree to what no pool caps, if there is something."""
    if not uncapped:
        return
    known = [month for one in uncapped if (month := one.most.month) is not None]
    bound = f": at most {credits_in(sum(known))} a month"
    if len(known) < len(uncapped):
        bound = ", and it has no bound"
    question = f"No pool of `rivya-flows budgets` caps what they buy without asking{bound}."
    if confirm is None or not await confirm(question):
        names = ", ".join(sorted({one.deployment for one in uncapped}))
        message = f"not confirmed: {names} may buy without a cap over time; {otherwise}"
        raise NotConfirmedError(message, hint)


async def check_key(settings: Settings, tell: Callable[[str], object]) -> None:
    """AuthenticationError for a key that the service does not take; a worker may get one from elsewhere."""
    await _balance(_service(settings), tell)


def _service(settings: Settings) -> ServiceConnection:
    """The service of workers, which alone may have a key."""
    url = settings.rivya_base_url.rstrip("/")
    return ServiceConnection(url, settings.rivya_api_key, one_spelling(url), 1.0)


async def _balance(service: ServiceConnection, tell: Callable[[str], object]) -> int | None:
    """Credits in the wallet; None, and a warning, if it cannot be read now."""
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
