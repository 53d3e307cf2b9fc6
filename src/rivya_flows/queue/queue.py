"""The queue: `step(state, event) -> actions` decides what a run does next.

It reads no clock, no file and no network. Replaying a journal through it gives the state of the
run; the actions of the last event are what to do now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Literal, NamedTuple

from rivya_flows.language.workflow import PARTS, Part
from rivya_flows.plans.names import label
from rivya_flows.questions.open_questions import decide_at_deadline, open_questions
from rivya_flows.queue.actions import Action, Ask, Buy, Collect, EndRun, Expire, ReadBalance
from rivya_flows.queue.evaluation import evaluate_items, expand_step, skip_unstarted
from rivya_flows.queue.events import Event, PurchaseAccepted, RunFrozen, RunResumed
from rivya_flows.queue.items import OPEN, UNCLOSED, ItemState
from rivya_flows.queue.reducer import apply_event, initial_state
from rivya_flows.queue.scheduler import start_items
from rivya_flows.queue.scope import outputs_of
from rivya_flows.queue.state import Rest, State


def step(state: State, event: Event) -> tuple[Action, ...]:
    """Changes the state by an event; gives the actions that follow, each once."""
    state.changed.clear()
    apply_event(state, event)
    if state.ended is not None:
        return ()
    actions: list[Action] = []
    if isinstance(event, RunResumed):
        actions += _resumed(state)
        if "before" not in state.balances:
            state.reading.add(None)
            actions.append(ReadBalance(None, "before"))
    elif isinstance(event, PurchaseAccepted):
        actions.append(_collect(state, event.step, state.item(event.step, event.key)))
    for part in PARTS:
        turn = turn_of(state, part)
        if turn == "later":
            break
        actions += _advance_part(state, part, turn)
    return (*actions, *_finish(state))


def _advance_part(state: State, part: Part, turn: Turn) -> list[Action]:
    """Advance the steps that something changed for, and those that these change, in plan order."""
    plan, actions = state.plan, list[Action]()
    names = {name for name in state.touched | state.gated if plan.steps[name].part == part}
    for name in tuple(names & state.touched):
        names.update(plan.downstream[part, name])
    order = [plan.places[name] for name in names]
    heapify(order)
    queued = set(names)
    while order:
        name = plan.order[heappop(order)]
        queued.remove(name)
        state.touched.discard(name)
        actions += _advance(state, name, turn)
        if name in state.touched:
            # A pick and the steps that buy its candidates again look at each other.
            for later in plan.downstream[part, name]:
                names.add(later)
                if later not in queued:
                    queued.add(later)
                    heappush(order, plan.places[later])
    state.touched -= names
    return actions


def _advance(state: State, step_id: str, turn: Turn) -> list[Action]:
    if isinstance(turn, Never):
        skip_unstarted(state, step_id, turn.reason)
    was_open = not state.steps[step_id].expanded
    expand_step(state, step_id)
    if was_open and state.steps[step_id].expanded:
        # A purchase may just ask for all that is left without this list.
        asked = state.rest
        if asked is None or not asked.is_over:
            state.rest = Rest(asking=asked.asking if asked else None)
    evaluate_items(state, step_id)
    return [*start_items(state, step_id), *_close(state, step_id)]


def replay(events: Iterable[Event]) -> State:
    """The state of a run by its journal; `ValueError` if that does not start with a frozen run."""
    entries = iter(events)
    first = next(entries, None)
    if not isinstance(first, RunFrozen):
        raise ValueError("the journal does not start with a frozen run")
    state = initial_state(first)
    for event in entries:
        step(state, event)
    return state


def _resumed(state: State) -> Iterator[Action]:
    """Actions for the purchases that were open when the last execution stopped."""
    for step_id, item in state.each():
        if item.phase in OPEN and item.last is not None:
            # A function gives its outputs when it is called again under its key.
            if item.last.status == "intended" or item.last.is_function:
                yield Buy(step_id, item.key, item.last)
            else:
                yield _collect(state, step_id, item)


def _collect(state: State, step_id: str, item: ItemState) -> Collect:
    bought, request = item.last, item.request
    assert bought is not None
    return Collect(
        step_id,
        item.key,
        bought.n,
        bought.task_id or "",
        # Early versions bought for a placeholder.
        "image" if request is None else request.media,
        settled=bought.status == "succeeded",
        timeout_seconds=state.spec(step_id).timeout,
        files=tuple(file for file in item.files if file.task_id == bought.task_id),
    )


def _close(state: State, step_id: str) -> list[Action]:
    """Read the balance after the last purchase of a step."""
    step = state.steps[step_id]
    if not step.settled or "before" not in step.balances:
        return []
    if "after" in step.balances or step_id in state.reading:
        return []
    state.reading.add(step_id)
    return [ReadBalance(step_id, "after")]


def _finish(state: State) -> list[Action]:
    """Ask questions once nothing else runs; end the run once all steps are settled."""
    if state.busy or state.asking:
        return []
    if questions := open_questions(state):
        # Deadlines first: more items may run then, and ask in the same form.
        if due := tuple(one for one in questions if one.is_due(state.now)):
            state.asking = due
            return [Expire(tuple(map(decide_at_deadline, due)))]
        if state.left:
            return [EndRun("suspended")]
        state.asking = questions
        return [Ask(questions)]
    if any(state.unsettled.values()):
        return []
    if "after" not in state.balances:
        state.reading.add(None)
        return [ReadBalance(None, "after")]
    return [EndRun("failed" if is_failing(state) else "completed")]


class Never(NamedTuple):
    """A part that does not run in this execution."""

    reason: str


Turn = Literal["now", "later"] | Never


def turn_of(state: State, part: Part) -> Turn:
    """Whether a part may run; `on_failure` waits until no purchase is open that may still succeed."""
    if part == "steps":
        return "now"
    if state.unsettled["steps"]:
        return "later"
    if part == "finally":
        return "later" if state.unsettled["on_failure"] else "now"
    if not state.unsettled["on_failure"]:
        return "now"
    if not has_failed(state, "steps") and not outputs_of(state).failed:
        return Never("nothing failed")
    if still_open := _open_purchase(state):
        return Never(f"{still_open} has not ended; resume the run")
    return "now"


def has_failed(state: State, part: Part) -> bool:
    return any(state.steps[name].status == "failed" for name in state.plan.parts[part])


def is_failing(state: State) -> bool:
    """Whether the run ends as failed; `on_failure` runs where it has failed already."""
    steps = has_failed(state, "steps") or has_failed(state, "finally")
    return steps or bool(outputs_of(state).failed)


def _open_purchase(state: State) -> str | None:
    for name, item in state.each():
        if state.planned(name).part == "steps" and item.last_status in UNCLOSED:
            return label(name, item.key)
    return None
