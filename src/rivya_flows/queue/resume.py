"""Resumes a run: open work is requested again, what was paid stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from rivya_flows.plans.names import label
from rivya_flows.questions.question import QuestionName
from rivya_flows.queue.events import RunResumed
from rivya_flows.queue.items import UNANSWERED, ItemState, Phase, Purchase, uncertain
from rivya_flows.queue.outcomes import beyond_spec, jobs_left, started_over
from rivya_flows.queue.state import Rest, State
from rivya_flows.steps.request import UploadName

_OUT_OF_REACH = {"download", "job_status_unknown", "not_found"}
"""Codes of jobs that were bought and whose end or results cannot be retrieved."""

_MAX_CLOCK_SKEW = timedelta(hours=1)
"""By which clocks of machines with one store may differ. Of an intent that is further in the future nobody
knows the age: the clock was wrong then, or is now."""


def apply_resume(state: State, event: RunResumed) -> None:
    """Makes everything that has not ended for good wait again."""
    missed = _missed(state)
    for name in _doubtful_uploads(state):
        state.uploads.pop(name, None)
    state.awaiting.clear()
    state.reading.clear()
    state.balances.pop("after", None)
    for step_id, step in [*state.steps.items()]:
        if step.expanded:
            items = [_revived(state, step_id, item, event) for item in step.items.values()]
            # A run-time fan-out that was skipped has one placeholder; expand it again.
            waits = any(item.phase is Phase.WAITING for item in items)
            bought = any(item.purchases for item in items)
            again = state.planned(step_id).items is None and waits and not bought
            state.expand(step_id, None if again else items)
        if not state.steps[step_id].settled:
            step.balances.pop("after", None)
    state.touched.update(state.steps)
    state.deadlines = {name: at for name, at in state.deadlines.items() if name not in missed}
    state.missed.update(missed)
    if event.budget is not None:
        state.cap, state.refused_cap = event.budget, None
    if event.budget is not None or not _is_declined(state):
        state.pool = None
    state.funds = None  # credits may have been added
    state.rest = state.rest and Rest()
    state.now, state.asking, state.left = event.at, (), False
    state.unpaid, state.ended = event.unpaid, None


def _is_declined(state: State) -> bool:
    """Whether a person said that the pool is not to be tried again, and the run has not ended so."""
    goes_on = state.ended in (None, "suspended")
    return goes_on and state.pool is not None and state.pool.declined


def _missed(state: State) -> dict[QuestionName, datetime | None]:
    """The picks that nobody answered before the run ended; after a crash nobody has seen that."""
    if state.ended not in ("failed", "cancelled"):
        return {}
    return {
        (name := (step_id, item.key, item.round)): state.deadlines.get(name)
        for step_id, item in state.each()
        if item.phase is Phase.FAILED and item.code == UNANSWERED
    }


def _doubtful_uploads(state: State) -> set[UploadName]:
    """Uploads of refused or uncertain requests, which may have expired; an upload is free."""
    return {
        name
        for _, item in state.each()
        if item.last is not None and item.last.status in ("refused", "uncertain")
        for request in item.requests
        for name in request.upload_names()
    }


def _revived(state: State, step_id: str, item: ItemState, event: RunResumed) -> ItemState:
    if step_id in state.plan.spaces:
        # It depends on the steps inside, which may run now.
        return replace(item, phase=Phase.WAITING, outputs=None, reason=None, code=None)
    if item.phase is Phase.COMPLETED:
        if state.ended == "failed" and _runs_again(state, step_id, item):
            return _waiting(state, step_id, item)
        return item
    named = _named(event.regenerate, step_id, item.key)
    if named and has_no_answer(item):
        item = replace(item, judge_error=None, judge_turns=0)
    name = label(step_id, item.key)
    given_up = name in event.regenerate and name not in event.resubmit and _may_be_given_up(item)
    item = _reopen(state, step_id, item, event)
    last = item.last
    if last is not None and last.status == "uncertain" and not given_up:
        return uncertain(item, last.error or "it is unknown whether the service took it")
    if last is not None and last.status == "failed" and not jobs_left(state.spec(step_id), item):
        return item
    if item.code == "unexpected_answer" and not named:
        return item
    if last is not None and last.status in ("intended", "accepted", "succeeded") and not given_up:
        phase = Phase.BUYING if last.status == "intended" else Phase.RUNNING
        return replace(item, phase=phase, reason=None, code=None)
    if event.unpaid == "completed" and item.phase is Phase.FAILED and _costs(item):
        return item  # the run was completed with that
    return _waiting(state, step_id, started_over(state.spec(step_id), item))


def _waiting(state: State, step_id: str, item: ItemState) -> ItemState:
    """The item before its arguments are evaluated; its source item may end differently now."""
    planned = state.planned(step_id)
    follows = planned.itemwise is not None and planned.step.key is None
    return replace(
        item,
        phase=Phase.WAITING,
        variables={} if follows else item.variables,
        requests=(),
        outputs=None,
        reason=None,
        code=None,
        pool=None,
        asked_cache=False,
        gated=False,
        unpaid=False,
    )


def _costs(item: ItemState) -> bool:
    return item.request is not None and bool(item.request.model)


def can_regenerate(item: ItemState, *, by_name: bool) -> bool:
    """Whether a resume could buy it again; what may be retrieved or count as spent, only `by_name`."""
    failed = item.last is not None and item.last.status == "failed"
    return failed or has_no_answer(item) or (by_name and _may_be_given_up(item))


def has_no_answer(item: ItemState) -> bool:
    """Whether a chat model was asked in vain: its answers did not match."""
    open_pick = item.judge_error is not None and item.phase is not Phase.COMPLETED
    return item.code == "unexpected_answer" or open_pick


def _may_be_given_up(item: ItemState) -> bool:
    """Whether it is unknown if a job was bought, or its end or its results could not be retrieved."""
    status = None if item.last is None else item.last.status
    taken = status in ("accepted", "succeeded")
    return status == "uncertain" or (taken and item.code in _OUT_OF_REACH)


def _runs_again(state: State, step_id: str, item: ItemState) -> bool:
    """A free step of `finally` runs at each end of a run; paid steps do not."""
    return state.planned(step_id).part == "finally" and not _costs(item)


def _reopen(state: State, step_id: str, item: ItemState, event: RunResumed) -> ItemState:
    """Apply what this resume allows; unanswered purchases become uncertain with age."""
    last = item.last
    if last is None:
        return item
    if last.status == "planned":
        return replace(item, purchases=item.purchases[:-1])
    if last.status in ("uncertain", "intended") and label(step_id, item.key) in event.resubmit:
        last = replace(last, status="intended", intended_at=event.at, sent="unknown", error=None)
    elif last.status == "intended" and (doubt := _doubt_of_age(last, event)):
        last = replace(last, status="uncertain", error=f"{doubt}; its key may be forgotten")
    elif last.status == "intended":
        last = replace(last, sent="unknown")
    elif last.status == "failed" and _named(event.regenerate, step_id, item.key):
        # One job beyond those that failed, however often it was allowed before.
        beyond = beyond_spec(state.spec(step_id), item)
        item = replace(item, granted=max(item.granted, beyond))
    return replace(item, purchases=(*item.purchases[:-1], last))


def _doubt_of_age(bought: Purchase, event: RunResumed) -> str | None:
    """Why the service may not know the key of an unanswered purchase any more; None if it does."""
    age = event.at - bought.intended_at
    if age > timedelta(hours=event.resend_hours):
        return f"unanswered for over {event.resend_hours:g} h"
    if age < -_MAX_CLOCK_SKEW:
        return f"unanswered since {bought.intended_at:%Y-%m-%d %H:%M} UTC, which is in the future"
    return None


def _named(targets: tuple[str, ...], step_id: str, key: str) -> bool:
    return bool({"*", step_id, label(step_id, key)} & set(targets))
