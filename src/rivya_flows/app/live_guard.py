"""Before a real wallet is charged: say what is bought, and ask where nothing caps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from rivya_flows.app.run_context import RunContext, ServiceConnection
from rivya_flows.client.key_masking import PREFIX
from rivya_flows.errors import NotConfirmedError, UsageError
from rivya_flows.hosts import is_loopback
from rivya_flows.ledger.phrases import without_bound
from rivya_flows.ledger.provenance import is_sandbox
from rivya_flows.planning.pricing.estimate import Estimate
from rivya_flows.setting_names import end_of, unknown_names
from rivya_flows.settings import Settings

Confirm = Callable[[str], Awaitable[bool]]
"""Answers whether a command may buy what a sentence says."""

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
    """A pool of the store as a cap."""
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
    if service.wallet is not None:
        wallet = f" of the wallet {service.wallet}"
        wallet += "" if balance is None else f" ({credits_in(balance)})"
    else:
        wallet = "" if balance is None else f" (wallet: {credits_in(balance)})"
    return f"from {service.base_url} with the key {key}{wallet}"


def shown_key(key: str) -> str:
    """A key as people may see it: ``rvya_sk_…abcd``."""
    prefix = PREFIX if key.startswith(PREFIX) else ""
    return f"{prefix}{end_of(key)}"


def refuse_unknown_names() -> None:
    """Refuses to buy for real while a variable begins with ``RIVYA`` and is no setting: it may be the
    one that was to prevent that.

    Raises:
        UsageError: There is such a variable.
    """
    for one in unknown_names():
        if one.is_ours:
            words = "is no setting; nothing is bought from a real wallet while it is set"
            raise UsageError(f"{one.where}: {one.name} {words}", one.hint)


async def confirm_live(
    context: RunContext,
    found: Spending,
    notify: Callable[[str], object],
    confirm: Confirm | None,
) -> int | None:
    """Says what is bought from a real wallet, and asks unless a cap limits it.

    Args:
        context: Where it would be bought.
        found: What.
        notify: Is told of it where nobody is asked.
        confirm: Asks; None where there is nobody to ask.

    Returns:
        The credits that were agreed to, which nothing else caps; None where there is no such bound.

    Raises:
        UsageError: As `refuse_unknown_names`.
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
