"""What a refusal or a failed job means: whether it closes the purchase, and what is bought instead.

The service may look at the API key, the scope, the pace, the balance and the request before it looks up
the idempotency key. So a refusal says nothing about an earlier request of the same purchase: what may
have been accepted is never closed by one, also where a person decided to send it again. A response
without the service's error envelope closes nothing: a gateway may have put it in the place of an acceptance.

`regenerate` counts for the request as written; each alternative is bought once, in order. Only a known
outcome moves an item on: the job failed, or the request itself was refused, which costs nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from rivya_client.catalogue.prices import price_of
from rivya_flows.language.workflow import Step
from rivya_flows.plans.names import short_label
from rivya_flows.queue.events import Event, JobEnded, PurchaseRefused
from rivya_flows.queue.items import ItemState, Phase, Purchase
from rivya_flows.queue.state import State
from rivya_flows.steps.request import ItemRequest

CONFLICT = "idempotency_conflict"
"""Code while another request under the same key is under way. Source: contract, section 2.2."""

_REFUSING = {"insufficient_credits", "chat_session_conflict"}
"""Codes that refuse a purchase whatever their status. Source: contract, section 2.2."""

_OF_ACCOUNT = {401, 402, 403}
"""Statuses about the account: the same request may be accepted later."""

_STILL_OPEN = {408, 409, 429}


def meaning_of_refusal(
    bought: Purchase, status: int, code: str
) -> Literal["open", "refused", "uncertain"]:
    """What an error response makes of a purchase; a gateway's `code` is ``http_<status>``."""
    if code not in _REFUSING and (status in _STILL_OPEN or not 400 <= status < 500):
        return "open"
    if code.startswith("http_"):  # a gateway, which does not know what the service did
        return "open"
    if bought.sent == "never":
        return "refused"
    if code == "insufficient_credits" or status in _OF_ACCOUNT:
        return "open"
    return "uncertain"


REFUSED = "validation_failed"
"""Code of the service for a request that it cannot take. Source: contract, section 2.2."""


def jobs_left(step: Step, item: ItemState) -> bool:
    """Whether a failed job of an item may be followed by another one of the same alternative."""
    return beyond_spec(step, item) <= item.granted


def beyond_spec(step: Step, item: ItemState) -> int:
    """Failed jobs of the alternative of an item beyond those that the spec allows to follow."""
    return _beyond(step, item, item.alternative)


def fallen_back(item: ItemState) -> ItemState | None:
    """The item with its next alternative; None if there is none left."""
    for number in range(item.alternative + 1, len(item.requests)):
        if not _failed(item, number):
            return replace(
                item, phase=Phase.READY, alternative=number, granted=0, asked_cache=False
            )
    return None


def after_failure(step: Step, item: ItemState) -> tuple[ItemRequest, ...]:
    """What is bought, one after the other, if the running job of an item and all after it fail."""
    if item.request is None or item.request.is_function or not item.request.media:  # no job
        return ()
    again = max(0, item.granted - beyond_spec(step, item))
    numbers = range(item.alternative + 1, len(item.requests))
    others = (item.requests[number] for number in numbers if not _failed(item, number))
    return (*[item.request] * again, *others)


def is_refusal_of_request(purchase: Purchase, code: str | None) -> bool:
    """Whether a refusal is certain, and about the request: another one may be taken."""
    return code == REFUSED and purchase.sent == "never"


def started_over(step: Step, item: ItemState) -> ItemState:
    """The item as a resume tries it again: from the first alternative, if the last was refused."""
    last = item.last
    if last is None or (last.status, last.alternative) != ("refused", item.alternative):
        return item
    if item.phase is not Phase.FAILED or not is_refusal_of_request(last, item.code):
        return item
    for number in range(item.alternative):
        if _beyond(step, item, number) <= 0:
            return replace(item, alternative=number, granted=0)
    return item


def reason_of(item: ItemState, why: str) -> str:
    """Why an item failed for good, of each model, and what became of its credits."""
    ended = {one.alternative: one for one in item.purchases if one.status in ("failed", "refused")}
    if len(item.requests) > 1 and any(ended):
        why = "; ".join(
            f"{item.requests[number].model}: {one.error or 'the job failed':.300}"
            for number, one in sorted(ended.items())
        )
    money = _given_back(item)
    return f"{why.rstrip('.')}; {money}" if money else why


def _given_back(item: ItemState) -> str:
    """``4 of 10 credits refunded``, of all failed jobs; "" if nothing was reserved for them."""
    failed = [one for one in item.purchases if one.status == "failed"]
    took = sum(one.reserve if one.reserved is None else one.reserved for one in failed)
    back = max(0, took - sum(one.final or 0 for one in failed))
    if not took:
        return ""
    part = f"{back} of " if 0 < back < took else ""
    return f"{part}{price_of(took, took)} {'' if back else 'not '}refunded"


def bought_instead(event: Event, state: State) -> str | None:
    """A sentence if an event made an item fall back, such as `stills: z-image failed; falling back to …`."""
    if not isinstance(event, JobEnded | PurchaseRefused):
        return None
    item = state.item(event.step, event.key)
    closed = next((one for one in item.purchases if one.n == event.n), None)
    if closed is None or closed.alternative == item.alternative:
        return None
    before, now = (item.requests[n].model for n in (closed.alternative, item.alternative))
    how = "refused the request" if isinstance(event, PurchaseRefused) else "failed"
    why = f" ({closed.error:.300})" if closed.error else ""
    again = " with other arguments" if now == before else ""
    return (
        f"{short_label(event.step, event.key)}: {before} {how}{why}; falling back to {now}{again}"
    )


def _beyond(step: Step, item: ItemState, number: int) -> int:
    return _failed(item, number) - (0 if number else step.regenerate)


def _failed(item: ItemState, number: int) -> int:
    """Number of its jobs of one alternative that failed."""
    return sum(one.status == "failed" and one.alternative == number for one in item.purchases)
