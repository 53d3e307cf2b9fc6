"""What a run has just done, as lines for people: those of its log, and those of a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rivya_flows.plans.names import first_of, join_keys, short_label
from rivya_flows.queue import events
from rivya_flows.queue.items import TERMINAL, ItemState, Phase
from rivya_flows.queue.judging import is_judged
from rivya_flows.queue.outcomes import bought_instead
from rivya_flows.queue.state import State
from rivya_flows.receipt.phrases import budget_warning, credits_of
from rivya_flows.receipt.questions import answer_line

_MOST_NAMED = 12  # items of a step that were done before


class News(NamedTuple):
    """A line about a notable change; `stays`: also beside the live table."""

    text: str
    stays: bool = False


def describe_event(spent: int | None, event: events.Event, state: State) -> tuple[News, ...]:
    """One line for each notable change of an event; `spent`: before it, None if none was seen before."""
    if spent is None or isinstance(event, events.RunResumed):  # which begins an execution
        done, inside = list[str](), Counter[str]()
        for step_id, step in state.steps.items():
            keys = [key for key, item in step.items.items() if item.phase is Phase.COMPLETED]
            if owner := state.plan.owners.get(step_id):
                inside[owner] += len(keys)
            elif inside[step_id] and not step.settled:
                done.append(f"{inside[step_id]} inside {step_id}")
            elif len(keys) > _MOST_NAMED:
                done.append(f"{len(keys)} {step_id}")
            else:
                done += [short_label(step_id, key) for key in keys]
        rest = (one for one in state.each() if one[1].phase is not Phase.COMPLETED)
        return (
            *([News(f"done before: {', '.join(done)}")] if done else []),
            *_changes(state, ((step_id, None, item) for step_id, item in rest)),
        )
    line, mark, warning = _line(event, state), state.warns_at, budget_warning(state)
    changed = (
        (step_id, earlier, state.item(step_id, key))
        for (step_id, key), earlier in state.changed.items()
    )
    warns = warning is not None and mark is not None and spent < mark
    return (
        *([line] if line else []),
        *_changes(state, changed),
        *([News(f"warning: {warning}", stays=True)] if warns else []),
    )


def _line(event: events.Event, state: State) -> News | None:
    if isinstance(event, events.PurchaseAccepted):
        price = credits_of(event.reserved_credits)
        return News(f"{short_label(event.step, event.key)} bought ({price}, {event.task_id})")
    if isinstance(event, events.ChatAnswered):
        return _judged_or_asked_again(event, state)
    if instead := bought_instead(event, state):
        return News(instead, stays=True)
    if isinstance(event, events.JobEnded) and event.status == "failed":
        item = state.item(event.step, event.key)
        if item.phase is Phase.FAILED:
            return None
        name, reason = short_label(event.step, event.key), event.error or "no reason given"
        return News(f"{name}: the job failed ({reason}); buying another", stays=True)
    if isinstance(event, events.FileUploaded):
        return News(f"uploaded {event.media}" + (f" for {event.model}" if event.model else ""))
    if isinstance(event, events.AnswerGiven):
        return News(answer_line(event), stays=True)
    return None


def _judged_or_asked_again(event: events.ChatAnswered, state: State) -> News | None:
    item, name = state.item(event.step, event.key), short_label(event.step, event.key)
    if item.phase in TERMINAL:
        return None
    if is_judged(item) and not item.judge_turns:
        return News(f"{name}: the judge scored {len(item.scores)} candidates")
    if item.judge_error is not None:
        return News(f"{name}: {item.judge_error}", stays=True)
    if item.request is None:
        return News(f"{name}: the judge found too few good enough; buying them again", stays=True)
    return News(f"{name} answered in the wrong shape; asking again", stays=True)


def _changes(
    state: State, changed: Iterable[tuple[str, ItemState | None, ItemState]]
) -> Iterator[News]:
    """A line for each item that ended, and one for items that ended alike."""
    alike: dict[tuple[str, Phase, str | None, bool], list[tuple[str, str]]] = {}
    for step_id, earlier, item in changed:
        if item.phase not in TERMINAL or (earlier and earlier.phase is item.phase):
            continue
        if item.phase is Phase.SKIPPED and state.planned_step(step_id).round_of:
            continue  # a round that was not asked for
        if item.phase is not Phase.COMPLETED:
            owner = state.plan.owners.get(step_id, step_id)
            stays = item.phase is Phase.FAILED and item.code != "included"  # that was said before
            alike.setdefault((owner, item.phase, item.reason, stays), []).append(
                (step_id, item.key)
            )
        else:
            yield News(f"{short_label(step_id, item.key)} done{_cost(item)}")
    for (_, phase, reason, stays), items in alike.items():
        yield News(f"{first_of(items)} {phase.value}: {reason}", stays)


def _cost(item: ItemState) -> str:
    if item.cached:
        return f" (from {item.taken_from or 'the cache'}, saved {credits_of(item.saved)})"
    if item.answered_by and item.answered_by.channel == "fork":
        if item.reviews:
            return f" (as approved in {item.answered_by.name})"
        return f" ({join_keys(item.picked or ())}, as picked in {item.answered_by.name})"
    paid = item.purchases or item.inside
    return f" ({credits_of(item.credits + item.inside)})" if paid else ""
