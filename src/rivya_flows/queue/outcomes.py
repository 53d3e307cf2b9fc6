"""What a refusal, a failed job or a resume means: whether a purchase is closed, and what is bought instead.

The service may look at the API key, the scope, the pace, the balance and the request before it looks up
the idempotency key. So a refusal says nothing about an earlier request of the same purchase: what may
have been accepted is never closed by one, also where a person decided to send it again. A response
without the service's error envelope closes nothing: a gateway may have put it in the place of an acceptance.

`regenerate` counts for the request as written; each alternative is bought once, in order. Only a known
outcome moves an item on: the job failed, or the request itself was refused, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Literal

from rivya_client.catalogue.prices import price_of
from rivya_flows.language.workflow import Step
from rivya_flows.plans.names import label, short_label
from rivya_flows.questions.question import QuestionName
from rivya_flows.queue.events import Event, JobEnded, MediaRefused, PurchaseRefused, RunResumed
from rivya_flows.queue.items import UNANSWERED, ItemState, Phase, Purchase
from rivya_flows.queue.reviewing import REJECTED
from rivya_flows.queue.state import Rest, State
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


QUALITY_FAILED = "quality_failed"
"""Code of an item whose media were paid and refused."""

REFUSED = "validation_failed"
"""Code of the service for a request that it cannot take. Source: contract, section 2.2."""


def jobs_left(step: Step, item: ItemState) -> bool:
    """Whether a failed job of an item may be followed by another one of the same alternative."""
    return _beyond_spec(step, item, item.alternative) <= item.granted


def fall_back(item: ItemState, code: str, why: str) -> ItemState:
    """The item with its next alternative; without one it has failed."""
    if (number := next(_alternatives_left(item), None)) is None:
        return item.fail(code, reason_of(item, why))
    return item._replace(phase=Phase.READY, alternative=number, granted=0, asked_cache=False)


def after_media_refused(step: Step, item: ItemState, why: str) -> ItemState:
    """The item whose newest purchase is lost: once more, with its next alternative, or failed."""
    if step.quality.then == "regenerate" and len(item.lost) == 1:
        return item._replace(phase=Phase.READY)
    if step.quality.then == "fallback":
        return fall_back(item, QUALITY_FAILED, f"refused: {why}")
    return item.fail(QUALITY_FAILED, reason_of(item, f"refused: {why}"))


def accept_media(item: ItemState, bought: Purchase) -> ItemState:
    """The item with the media of a lost purchase, which a person takes."""
    accepted = bought._replace(status="succeeded", error=None, outputs=None)
    return item.with_purchase(accepted)._replace(
        phase=Phase.COMPLETED,
        alternative=bought.alternative,
        outputs=bought.outputs,
        reason=None,
        code=None,
    )


def after_failure(step: Step, item: ItemState) -> tuple[ItemRequest, ...]:
    """What is bought, one after the other, if the running job of an item and all after it give nothing."""
    if item.request is None or item.request.is_function or not item.request.media:  # no job
        return ()
    again = max(0, item.granted - _beyond_spec(step, item, item.alternative))
    fallbacks = [item.requests[number] for number in _alternatives_left(item)]
    once_more = step.quality.then == "regenerate" and not item.lost
    dearest = max((item.request, *fallbacks), key=lambda one: one.price.max or 0)
    return (*[item.request] * again, *fallbacks, *[dearest] * once_more)


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
        if _beyond_spec(step, item, number) <= 0 and not _is_lost(item, number):
            return item._replace(alternative=number, granted=0)
    return item


def reason_of(item: ItemState, why: str) -> str:
    """Why an item failed for good, of each model, and what became of its credits."""
    statuses = ("failed", "refused", "lost")
    ended = {one.alternative: one for one in item.purchases if one.status in statuses}
    if len(item.requests) > 1 and any(ended):
        why = "; ".join(
            f"{item.requests[number].model}: {one.error or 'the job failed':.300}"
            for number, one in sorted(ended.items())
        )
    money = "; ".join(filter(None, [_given_back(item), _lost_credits(item)]))
    return f"{why.rstrip('.')}; {money}" if money else why


def _lost_credits(item: ItemState) -> str:
    """``12 credits lost``, of all refused media; "" for none."""
    lost = sum(one.held for one in item.lost)
    return f"{price_of(lost, lost)} lost" if lost else ""


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
    """A sentence if an event lets an item buy more, such as `stills: z-image failed; falling back to …`."""
    if not isinstance(event, JobEnded | PurchaseRefused | MediaRefused):
        return None
    item = state.item(event.step, event.key)
    closed = next((one for one in item.purchases if one.n == event.n), None)
    if closed is None:
        return None
    is_again = isinstance(event, MediaRefused) and item.phase is not Phase.FAILED
    if closed.alternative == item.alternative and not is_again:
        return None
    before, now = (item.requests[n].model for n in (closed.alternative, item.alternative))
    how = "refused the request" if isinstance(event, PurchaseRefused) else "failed"
    if isinstance(event, MediaRefused):
        how = "made media that are refused"
    why = f" ({closed.error:.300})" if closed.error else ""
    again = " with other arguments" if now == before else ""
    then = f"falling back to {now}{again}"
    if closed.alternative == item.alternative:
        then = "bought once more"
    return f"{short_label(event.step, event.key)}: {before} {how}{why}; {then}"


def _beyond_spec(step: Step, item: ItemState, number: int) -> int:
    """Failed jobs of an alternative beyond those that the spec allows to follow."""
    return _count_failed(item, number) - (0 if number else step.regenerate)


def _alternatives_left(item: ItemState) -> Iterator[int]:
    """The numbers of the alternatives after the present one that may still give something."""
    for number in range(item.alternative + 1, len(item.requests)):
        if not _count_failed(item, number) and not _is_lost(item, number):
            yield number


def _is_lost(item: ItemState, number: int) -> bool:
    """Whether the newest purchase of an alternative gave media that were refused."""
    statuses = [one.status for one in item.purchases if one.alternative == number]
    return statuses[-1:] == ["lost"]


def _count_failed(item: ItemState, number: int) -> int:
    return sum(one.status == "failed" and one.alternative == number for one in item.purchases)


_OUT_OF_REACH = {"download", "job_status_unknown", "not_found"}
"""Codes of jobs that were bought and whose end or results cannot be retrieved."""

_MAX_CLOCK_SKEW = timedelta(hours=1)
"""By which clocks of machines with one store may differ. The age of an intent that is further in the future
is unknown: the clock was wrong then, or is now."""


def apply_resume(state: State, event: RunResumed) -> None:
    """Makes everything that has not ended for good wait again."""
    missed = _missed_picks(state)
    for _, item in state.each():
        if item.last_status in ("refused", "uncertain"):
            # Its uploads may have expired; an upload is free.
            for name in chain.from_iterable(one.upload_names() for one in item.requests):
                state.uploads.pop(name, None)
    state.awaiting.clear()
    state.reading.clear()
    state.balances.pop("after", None)
    for step_id, step in [*state.steps.items()]:
        if step.expanded:
            items = [_revive(state, step_id, item, event) for item in step.items.values()]
            # A run-time fan-out that was skipped has one placeholder; expand it again.
            waits = any(item.phase is Phase.WAITING for item in items)
            bought = any(item.purchases for item in items)
            again = state.planned_step(step_id).items is None and waits and not bought
            state.expand(step_id, None if again else items)
        if not state.steps[step_id].settled:
            step.balances.pop("after", None)
    state.touched.update(state.steps)
    state.deadlines = {name: at for name, at in state.deadlines.items() if name not in missed}
    state.missed.update(missed)
    if event.budget is not None:
        state.refused_cap = None
    # Without a new budget a pool stays declined, unless the run has ended so.
    is_declined = state.ended in (None, "suspended") and state.pool and state.pool.declined
    if event.budget is not None or not is_declined:
        state.pool = None
    state.funds = None  # credits may have been added
    state.rest = state.rest and Rest()
    state.now, state.asking, state.left = event.at, (), False
    state.unpaid, state.ended = event.unpaid, None


def _missed_picks(state: State) -> dict[QuestionName, datetime | None]:
    """The picks without an answer at the end of the run; after a crash no person has seen that."""
    if state.ended not in ("failed", "cancelled"):
        return {}
    return {
        (name := (step_id, item.key, item.round)): state.deadlines.get(name)
        for step_id, item in state.each()
        if item.phase is Phase.FAILED and item.code == UNANSWERED
    }


def _revive(state: State, step_id: str, item: ItemState, event: RunResumed) -> ItemState:
    if state.planned_step(step_id).includes:
        # It depends on the steps inside, which may run now.
        return item.reset()
    if item.phase is Phase.COMPLETED:
        # A free step of `finally` runs at each end of a run; paid steps do not.
        is_free = state.planned_step(step_id).part == "finally" and not _costs(item)
        return _waiting(state, step_id, item) if state.ended == "failed" and is_free else item
    if item.code == REJECTED and item.picked is None:
        return item  # until one who asked for changes approves
    named = _is_named(event.regenerate, step_id, item.key)
    if named and has_no_answer(item):
        item = item._replace(judge_error=None, judge_turns=0)
    name = label(step_id, item.key)
    given_up = name in event.regenerate and name not in event.resubmit and _may_be_given_up(item)
    item = _reopen(state, step_id, item, event)
    status = item.last_status
    if item.last is not None and status == "uncertain" and not given_up:
        why = item.last.error or "it is unknown whether the service took it"
        return item.fail("uncertain", why)
    if status == "failed" and not jobs_left(state.spec(step_id), item):
        return item
    if item.code in ("unexpected_answer", QUALITY_FAILED) and not named:
        return item
    if status in ("intended", "accepted", "succeeded") and not given_up:
        phase = Phase.BUYING if status == "intended" else Phase.RUNNING
        return item._replace(phase=phase, reason=None, code=None)
    if event.unpaid == "completed" and item.phase is Phase.FAILED and _costs(item):
        return item  # the run was completed with that
    return _waiting(state, step_id, started_over(state.spec(step_id), item))


def _waiting(state: State, step_id: str, item: ItemState) -> ItemState:
    """The item before its arguments are evaluated; its source item may end differently now."""
    planned = state.planned_step(step_id)
    follows = planned.itemwise is not None and planned.step.key is None
    return item.reset()._replace(variables={} if follows else item.variables)


def _costs(item: ItemState) -> bool:
    return item.request is not None and bool(item.request.model)


def can_regenerate(item: ItemState, *, by_name: bool) -> bool:
    """Whether a resume could buy it again; what may be retrieved or count as spent, only `by_name`."""
    failed = item.last_status in ("failed", "lost")
    return failed or has_no_answer(item) or (by_name and _may_be_given_up(item))


def has_no_answer(item: ItemState) -> bool:
    """Whether a chat model was asked in vain: its answers did not match."""
    open_pick = item.judge_error is not None and item.phase is not Phase.COMPLETED
    return item.code == "unexpected_answer" or open_pick


def _may_be_given_up(item: ItemState) -> bool:
    """Whether it is unknown if a job was bought, or its end or its results could not be retrieved."""
    taken = item.last_status in ("accepted", "succeeded")
    return item.last_status == "uncertain" or (taken and item.code in _OUT_OF_REACH)


def _reopen(state: State, step_id: str, item: ItemState, event: RunResumed) -> ItemState:
    """Apply what this resume allows; unanswered purchases become uncertain with age."""
    last = item.last
    if last is None:
        return item
    if last.status == "planned":
        return item._replace(purchases=item.purchases[:-1])
    if last.status in ("uncertain", "intended") and label(step_id, item.key) in event.resubmit:
        last = last._replace(status="intended", intended_at=event.at, sent="unknown", error=None)
    elif last.status == "intended" and (doubt := _doubt_of_age(last, event)):
        last = last._replace(status="uncertain", error=f"{doubt}; its key may be forgotten")
    elif last.status == "intended":
        last = last._replace(sent="unknown")
    elif last.status == "failed" and _is_named(event.regenerate, step_id, item.key):
        # One job beyond those that failed, however often it was allowed before.
        beyond = _beyond_spec(state.spec(step_id), item, item.alternative)
        item = item._replace(granted=max(item.granted, beyond))
    return item.with_purchase(last)


def _doubt_of_age(bought: Purchase, event: RunResumed) -> str | None:
    """Why the service may not know the key of an unanswered purchase any more; None if it does."""
    age = event.at - bought.intended_at
    if age > timedelta(hours=event.resend_hours):
        return f"unanswered for over {event.resend_hours:g} h"
    if age < -_MAX_CLOCK_SKEW:
        return f"unanswered since {bought.intended_at:%Y-%m-%d %H:%M} UTC, which is in the future"
    return None


def _is_named(targets: tuple[str, ...], step_id: str, key: str) -> bool:
    return bool({"*", step_id, label(step_id, key)} & set(targets))
