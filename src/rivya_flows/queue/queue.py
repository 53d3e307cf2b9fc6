"""The queue: `step(state, event) -> actions` decides what a run does next.

It reads no clock, no file and no network. Replaying a journal through it gives the state of the
run; the actions of the last event are what to do now.

An item is gated while a limit, an unknown price or the budget blocks its purchase. Gated items are
grouped by price: if the first item of a group cannot be bought, the others are not tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Literal, NamedTuple

from rivya_flows.language.quality import Wanted
from rivya_flows.language.workflow import PARTS, Part
from rivya_flows.plans.names import idempotency_key, label, trace_name
from rivya_flows.questions.open_questions import decide_at_deadline, open_questions
from rivya_flows.questions.question import BUDGET
from rivya_flows.queue import judging, reviewing
from rivya_flows.queue.actions import (
    Action,
    Ask,
    AskCache,
    Buy,
    Collect,
    EndRun,
    Expire,
    ReadBalance,
    UploadMedium,
    Work,
)
from rivya_flows.queue.budget import leave_unbought, reserve_for
from rivya_flows.queue.evaluation import claimed_hash, evaluate_items, expand_step, skip_unstarted
from rivya_flows.queue.events import Event, PurchaseAccepted, RunFrozen, RunResumed
from rivya_flows.queue.forks import is_made_again
from rivya_flows.queue.items import OPEN, UNCLOSED, ItemState, Phase, Purchase
from rivya_flows.queue.reducer import apply_event, initial_state
from rivya_flows.queue.scope import outputs_of
from rivya_flows.queue.state import Rest, State
from rivya_flows.steps import structured_output
from rivya_flows.steps.chat import chat_body
from rivya_flows.steps.request import ItemRequest, PriceClass


def step(state: State, event: Event) -> tuple[Action, ...]:
    """Changes the state by an event; gives the actions that follow, each once."""
    state.changed.clear()
    apply_event(state, event)
    if state.ended is not None:
        return ()
    actions: list[Action] = []
    if isinstance(event, RunResumed):
        actions += _resume_purchases(state)
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
    looked_at = names & state.touched
    for name in tuple(looked_at):
        looked_at.update(plan.downstream[part, name])
    names |= looked_at
    blocked = set[PriceClass]()
    order = [plan.places[name] for name in names]
    heapify(order)
    queued = set(names)
    while order:
        name = plan.order[heappop(order)]
        queued.remove(name)
        shares, gates = _shares_prices(state, name), state.steps[name].gates
        if shares and name not in looked_at and gates.keys() <= blocked:
            continue  # nothing in it has changed, and no such price can be paid in this turn
        state.touched.discard(name)
        was_open, rest = not state.steps[name].expanded, state.rest
        actions += _advance(state, name, turn)
        if state.rest != rest:
            blocked.clear()
        elif shares:
            blocked.update(state.steps[name].gates)
        if state.plan is not plan:
            plan = state.plan
            order = [plan.places[one] for one in queued]
            heapify(order)
        for later in _looking_at(state, part, name, was_open=was_open):
            names.add(later)
            looked_at.add(later)
            if later not in queued:
                queued.add(later)
                heappush(order, plan.places[later])
    state.touched -= names
    return actions


def _shares_prices(state: State, name: str) -> bool:
    """Whether what blocks a price of a step blocks it in all such steps: limits of the run alone."""
    # Without a cap, an unknown price waits for an item of its own step.
    planned = state.planned_step(name)
    has_limit = planned.budget is not None or planned.step.max_parallel is not None
    return state.cap is not None and not has_limit


def _looking_at(state: State, part: Part, name: str, *, was_open: bool) -> Iterator[str]:
    """The steps that look at a step which has just changed; some come before it in the plan.

    A pick and the steps that buy its candidates again look at each other; so do an `include` step and
    the steps inside, which wait for its list.
    """
    if name in state.touched:
        yield from state.plan.downstream[part, name]
        if was_open and state.steps[name].expanded:
            for space in state.plan.steps[name].inside.values():
                yield from state.plan.steps_inside(space)


def _advance(state: State, step_id: str, turn: Turn) -> list[Action]:
    if isinstance(turn, Never):
        skip_unstarted(state, step_id, turn.reason)
    was_open = not state.steps[step_id].expanded
    expand_step(state, step_id)
    if was_open and state.steps[step_id].expanded and state.on_unfit != "go_on":
        # A purchase may just ask for all that is left without this list.
        asked = state.rest
        if asked is None or not asked.is_over:
            state.rest = Rest(probe=asked.probe if asked else None)
    evaluate_items(state, step_id)
    actions, step = _start_items(state, step_id), state.steps[step_id]
    if step.settled and {*step.balances} == {"before"} and step_id not in state.reading:
        state.reading.add(step_id)
        actions.append(ReadBalance(step_id, "after"))
    return actions


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


def _resume_purchases(state: State) -> Iterator[Action]:
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


def _finish(state: State) -> list[Action]:
    """Ask questions once nothing else runs; end the run once all steps are settled."""
    if state.busy:
        return []
    if state.asking:
        if not any(one.is_due(state.now) for one in state.asking):  # else they expire, unasked
            # What opens since is asked with the others, so that its deadline counts from now.
            asked = {one.name for one in state.asking}
            new = (one for one in open_questions(state) if one.step != BUDGET)
            state.asking = (*state.asking, *(one for one in new if one.name not in asked))
        return []
    if questions := open_questions(state):
        # Deadlines first: more items may run then, and ask in the same form.
        if due := tuple(one for one in questions if one.is_due(state.now)):
            state.asking = due
            return [Expire(tuple(map(decide_at_deadline, due)))]
        if state.left and all(one.name in state.deadlines for one in questions):
            return [EndRun("suspended")]
        state.asking = questions
        state.asks += 1
        return [Ask(questions, state.asks)]
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
    for name, item in state.each():
        if state.planned_step(name).part == "steps" and item.last_status in UNCLOSED:
            return Never(f"{label(name, item.key)} has not ended; resume the run")
    return "now"


def has_failed(state: State, part: Part) -> bool:
    """Whether a step of the run's own spec failed; one inside has failed its `include` if that counts."""
    own = (name for name in state.plan.parts[part] if not state.planned_step(name).space)
    return any(state.steps[name].status == "failed" for name in own)


def is_failing(state: State) -> bool:
    """Whether the run ends as failed; `on_failure` runs where it has failed already."""
    steps = has_failed(state, "steps") or has_failed(state, "finally")
    return steps or bool(outputs_of(state).failed)


def _start_items(state: State, step_id: str) -> list[Action]:
    """Start what may start of one step: free work first, then purchases in item order."""
    step, actions = state.steps[step_id], list[Action]()
    if step.due:
        if "before" not in step.balances:
            if step_id not in state.reading:
                state.reading.add(step_id)
                actions.append(ReadBalance(step_id, "before"))
            return actions
        for key in sorted(step.due, key=step.places.__getitem__):
            actions += _start(state, step_id, step.items[key])
    return [*actions, *_buy_in_order(state, step_id)] if step.gates else actions


def _start(state: State, step_id: str, item: ItemState) -> list[Action]:
    """It is gated if only its purchase is left to do."""
    request = item.evaluated
    asked = _query_cache(state, step_id, item, request)
    if asked is not None:
        state.change(step_id, item._replace(phase=Phase.LOOKING))
        return [asked]
    if not request.buys:
        arguments = {**request.arguments}
        if item.picked:
            arguments["picked"] = [*item.picked]
        if item.reviews:
            arguments["answers"] = reviewing.answers_for_outputs(item)
        state.change(step_id, item._replace(phase=Phase.RUNNING))
        return [Work(step_id, item.key, request.uses, arguments)]
    if state.unpaid is not None:
        state.change(step_id, leave_unbought(item, state.unpaid))
        return []
    if any(name not in state.uploads for name in request.upload_names()):
        return _upload(state, step_id, item, request)
    state.change(step_id, item._replace(gated=True))
    return []


def _buy_in_order(state: State, step_id: str) -> list[Action]:
    """Buy gated items as far as the limits allow; of a price whose first item must wait, none."""
    step, actions = state.steps[step_id], list[Action]()
    firsts = [(gate[0], n, price) for n, (price, gate) in enumerate(step.gates.items())]
    heapify(firsts)
    limit = state.spec(step_id).max_parallel
    while firsts and (limit is None or step.tally.open < limit):
        (_, key), n, price = heappop(firsts)
        item = step.items[key]
        if item.gate == price:  # not of one that was bought, or moved on, since
            actions += _buy(state, step_id, item, price)
            if step.items[key] is item:
                continue
        gate = step.gates[price]
        heappop(gate)
        if gate:
            heappush(firsts, (gate[0], n, price))
        else:
            del step.gates[price]
    if not step.gates:
        state.gated.discard(step_id)
    return actions


def _query_cache(
    state: State, step_id: str, item: ItemState, request: ItemRequest
) -> AskCache | None:
    """Where an equal request may have been finished; a forked run has only what costs credits."""
    bought = any(one.alternative == item.alternative for one in item.purchases)
    if item.asked_cache or bought or not request.request_hash:
        return None
    if is_made_again(label(step_id, item.key), state.again):
        return None
    run_id = state.fork.run_id if state.fork and request.buys else None
    index = state.cache_mode(step_id) == "spec" and not request.is_function
    if run_id is None and not index:
        return None
    hashes = tuple(one.request_hash for one in item.requests)
    name, wanted = claimed_hash(state, step_id, item), wanted_media(state, step_id, request)
    return AskCache(step_id, item.key, name, run_id, index, hashes, wanted)


def wanted_media(state: State, step_id: str, request: ItemRequest) -> Wanted:
    """What the media of a request must be for its step."""
    planned = state.planned_step(step_id)
    expected = planned.kind.expected_media(request, state.plan.catalogue)
    return Wanted(expected, planned.step.quality)


def _upload(state: State, step_id: str, item: ItemState, request: ItemRequest) -> list[Action]:
    actions: list[Action] = []
    for medium, name in zip(request.uploads, request.upload_names(), strict=True):
        if name in state.uploads:
            continue
        if name not in state.awaiting:
            source = (medium.source, medium.media, request.model, medium.asset)
            actions.append(UploadMedium(*source, step_id, item.key, medium.frame))
        state.awaiting.setdefault(name, []).append((step_id, item.key))
    state.change(step_id, item._replace(phase=Phase.UPLOADING))
    return actions


def _buy(state: State, step_id: str, item: ItemState, price: PriceClass) -> list[Action]:
    """Buy an item; it stays as it is if its purchase has to wait, and has failed if it never fits."""
    credits = reserve_for(state, step_id, item, price)
    if credits is None:
        return []
    reserve, rest = credits
    request, n = item.evaluated, len(item.purchases) + 1
    assert request.route is not None
    # Held from now on, so that the next item of this event sees less of the budget.
    bought = Purchase(
        n,
        request.route.name,
        idempotency_key(state.nonce, step_id, item.key, n),
        _body(state, step_id, item, request, n),
        reserve,
        state.now,
        request.priced_by,
        "planned",
        alternative=item.alternative,
    )
    state.change(step_id, item.with_purchase(bought)._replace(phase=Phase.BUYING, gated=False))
    return [Buy(step_id, item.key, bought, rest)]


def _body(state: State, step_id: str, item: ItemState, request: ItemRequest, n: int) -> str:
    files = [state.uploads[name] for name in request.upload_names()]
    trace = trace_name(state.run_id, step_id, item.key, n)
    if judging.is_judged(item):
        return judging.body(state, item, files, trace)
    asked = [purchase for purchase in item.purchases if purchase.status == "answered"]
    if not asked or judging.refused_in_session(item):
        return state.planned_step(step_id).kind.body(request, files, trace)
    content, expect = asked[-1].content or "", request.arguments["expect"]
    message = structured_output.repeat(lambda: structured_output.read(content, expect))
    return chat_body(request, files, trace, session=asked[-1].session_id, message=message)
