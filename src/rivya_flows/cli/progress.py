"""What a person reads about a run while it executes; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rivya_flows.ledger.phrases import credits_of
from rivya_flows.planning.names import label, listed
from rivya_flows.planning.questions.presentation import answer_line
from rivya_flows.planning.queue.events import (
    AnswerGiven,
    ChatAnswered,
    Event,
    FileUploaded,
    JobEnded,
    PurchaseAccepted,
)
from rivya_flows.planning.queue.fallbacks import bought_instead
from rivya_flows.planning.queue.item_state import TERMINAL, ItemState, Phase
from rivya_flows.planning.queue.judging import is_judged
from rivya_flows.planning.queue.state import State, changed_items, step_status

_NOTHING: Mapping[tuple[str, str], float] = {}
_MOST_NAMED = 12  # items of a step that were done before


def news(before: State | None, event: Event, after: State) -> tuple[str, ...]:
    """One line for each notable change of an event; a state of None precedes an execution's first."""
    if before is None:
        ended = ((step_id, None, item) for step_id, item in after.each())
        return (*_done_before(after), *_changes(after, ended, quiet=True))
    line = _line(event, after)
    changed = _changes(after, changed_items(before, after), quiet=False)
    return (*([line] if line else []), *changed, *_warnings(before, after))


def _done_before(state: State) -> Iterator[str]:
    """What earlier executions have completed."""
    done: list[str] = []
    for step_id, items in groupby(state.each(), key=lambda one: one[0]):
        keys = [item.key for _, item in items if item.phase is Phase.COMPLETED]
        many = len(keys) > _MOST_NAMED
        done += [f"{len(keys)} {step_id}"] if many else [label(step_id, key) for key in keys]
    if done:
        yield f"done before: {', '.join(done)}"


def _line(event: Event, state: State) -> str | None:
    if isinstance(event, PurchaseAccepted):
        price = credits_of(event.reserved_credits)
        return f"{label(event.step, event.key)} bought ({price}, {event.task_id})"
    if isinstance(event, ChatAnswered):
        item = state.item(event.step, event.key)
        if item.phase in TERMINAL:
            return None
        name = label(event.step, event.key)
        if is_judged(item) and not item.judge_turns:
            return f"{name}: the judge scored {len(item.scores)} candidates"
        if item.judge_error is not None:
            return f"{name}: {item.judge_error}"
        if item.request is None:
            return f"{name}: the judge found too few good enough; buying them again"
        return f"{name} answered in the wrong shape; asking again"
    if instead := bought_instead(event, state):
        return instead
    if isinstance(event, JobEnded) and event.status == "failed":
        item = state.item(event.step, event.key)
        if item.phase is Phase.FAILED:
            return None
        name = label(event.step, event.key)
        return f"{name}: the job failed ({event.error or 'no reason given'}); buying another"
    if isinstance(event, FileUploaded):
        return f"uploaded {event.media}" + (f" for {event.model}" if event.model else "")
    if isinstance(event, AnswerGiven):
        return answer_line(event)
    return None


def _changes(
    state: State, changed: Iterable[tuple[str, ItemState | None, ItemState]], *, quiet: bool
) -> Iterator[str]:
    """Items that ended; `quiet` leaves out those that completed."""
    for step_id, earlier, item in changed:
        if item.phase not in TERMINAL or (earlier and earlier.phase is item.phase):
            continue
        if item.phase is Phase.SKIPPED and state.planned(step_id).round_of:
            continue  # a round that nobody asked for
        if item.phase is not Phase.COMPLETED:
            yield f"{label(step_id, item.key)} {item.phase.value}: {item.reason}"
        elif not quiet:
            yield f"{label(step_id, item.key)} done{_cost(item)}"


def _cost(item: ItemState) -> str:
    if item.cached:
        return f" (from {item.taken_from or 'the cache'}, saved {credits_of(item.saved)})"
    if item.answered_by and item.answered_by.channel == "fork":
        return f" ({listed(item.picked or ())}, as picked in {item.answered_by.name})"
    return f" ({credits_of(item.credits)})" if item.purchases else ""


def _warnings(before: State, after: State) -> Iterator[str]:
    mark = after.warns_at
    if mark is not None and before.spent < mark <= after.spent:
        yield f"warning: {after.spent} of {after.cap} budget credits spent or held"


@dataclass(frozen=True)
class StepRow:
    """One step as the live view shows it.

    Attributes:
        status: Of the step, as the commands print it; `waiting` before it begins.
        words: Where its items are.
        credits: Spent or held.
    """

    step: str
    status: str
    words: str
    credits: int


_WORDS = {
    Phase.LOOKING: "looking in the cache",
    Phase.UPLOADING: "uploading",
    Phase.BUYING: "buying",
    Phase.RUNNING: "at work",
    Phase.FAILED: "failed",
    Phase.SKIPPED: "skipped",
}


def rendering(share: float) -> str:
    """How much is rendered, for people."""
    return f"rendering {100 * share:.0f} %"


def rows(state: State, shares: Mapping[tuple[str, str], float] = _NOTHING) -> tuple[StepRow, ...]:
    """All steps, in the order of the plan.

    Args:
        state: The run.
        shares: How much of an item is rendered, 0 to 1, by step and key.
    """
    at_work: dict[str, list[float]] = {}
    for (step_id, key), share in shares.items():
        if state.item(step_id, key).phase is Phase.RUNNING:
            at_work.setdefault(step_id, []).append(share)
    return tuple(_row(state, step_id, at_work.get(step_id, ())) for step_id in state.plan.order)


def _row(state: State, step_id: str, shares: Sequence[float]) -> StepRow:
    current = state.steps[step_id]
    tally, many = current.tally, len(current.items or ()) > 1
    status = step_status(state.planned(step_id), current)
    begun = tally.in_flight or tally.ended
    if status == "running" and not begun:
        status = "waiting"
    counted = [(tally.of(phase), words) for phase, words in _WORDS.items()]
    parts = [f"{tally.completed} of {len(current.items or ())}"] if many else []
    parts += [f"{number} {words}" if many else words for number, words in counted if number]
    if shares:  # together, since those of a step render at once
        said = rendering(sum(shares) / len(shares))
        parts = [*parts, said] if many else [said]
    return StepRow(step_id, status, ", ".join(parts), tally.spent)
