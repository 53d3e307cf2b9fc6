"""Creates items and evaluates their arguments as soon as their upstream is settled.

The rounds of a pick and of a step with `repeat` are steps of the plan from the start, so they have a price.
What has them counts in its own item how many have ended; later ones are held back until it asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from pydantic import JsonValue

from rivya_flows.assets import Outputs, described_assets
from rivya_flows.language.expressions.evaluation import TooMuchWorkError, evaluated_together
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, condition, evaluate
from rivya_flows.plans.expand import extend_plan, items_from, limit_of, refuse_more
from rivya_flows.plans.names import label
from rivya_flows.plans.plan import PlannedStep, inputs_in, own_values, scope_of_include, steps_in
from rivya_flows.plans.requests import alternatives_of, build_request, check_kind, fallback_of
from rivya_flows.queue import forks, judging, reviewing
from rivya_flows.queue.items import OPEN, TERMINAL, ItemState, Phase, new_item, next_round
from rivya_flows.queue.scope import item_fields, item_scope, namespace_facts, outputs_of, scope_for
from rivya_flows.queue.state import State, StepState
from rivya_flows.spec.inlining import inlined_name
from rivya_flows.steps.candidates import Candidate, available, nothing_to_pick
from rivya_flows.steps.pick import PickWith
from rivya_flows.steps.request import (
    MAX_PLAN_BYTES,
    ItemRequest,
    ItemRequestError,
    PlanTooLargeError,
)
from rivya_flows.steps.review import ReviewWith, media_to_review

_TOO_LARGE = "plan_too_large"
_LATER = "its list is not known yet"


def expand_step(state: State, step_id: str) -> None:
    """Create the items of a run-time fan-out, once its list is known."""
    planned = state.planned_step(step_id)
    if state.steps[step_id].expanded:
        return
    owner = _unasking(state, planned)
    if owner is not None and owner.phase not in TERMINAL:
        return
    if planned.skipped or owner is not None:
        reason = planned.skipped or _not_asked(planned, owner)
        _placeholder(state, step_id, Phase.SKIPPED, reason)
        return
    if unlisted := _why_unlisted(state, planned):
        if unlisted != _LATER:
            _placeholder(state, step_id, Phase.SKIPPED, unlisted)
        return
    step, space = planned.step, state.plan.space_of(planned)
    follows = planned.itemwise is not None and step.key is None
    if planned.itemwise is not None and follows and not state.steps[planned.itemwise].expanded:
        return
    names = planned.whole if planned.includes else planned.upstream
    if follows:
        names = steps_in(space, step.limit)
    if not all(state.steps[name].settled for name in names):
        return
    if failed := _failed_upstream(state, planned, names):
        _placeholder(state, step_id, Phase.SKIPPED, failed)
        return
    try:
        if planned.itemwise is not None and follows:
            scope = scope_for(state, planned, (), inputs_in(space, step.limit))
            followed = [*state.steps[planned.itemwise].items.values()][: limit_of(step, scope)]
            if "max_items" in step.model_fields_set:
                refuse_more(step, len(followed))
            items = [ItemState(one.key, {}, repeats=one.repeats) for one in followed]
        else:
            listed = items_from(step, scope_for(state, planned, names))
            refuse_more(step, len(listed))
            items = [*map(new_item, listed)]
        if planned.includes:
            items = _still_listed(state, planned, state.steps[step_id].before, items)
            open_campaigns(state, step_id, [one.key for one in items])
    except UsesNull as null:
        _placeholder(state, step_id, Phase.SKIPPED, str(null))
    except ExpressionError as error:
        _placeholder(state, step_id, Phase.FAILED, str(error))
    else:
        state.expand(step_id, items)


def _still_listed(
    state: State, planned: PlannedStep, before: Mapping[str, ItemState], now: list[ItemState]
) -> list[ItemState]:
    """The items of an `include` by its list; as before, if that has other keys, or another value of a bought one."""
    known = [one for one in before.values() if one.key in planned.inside]
    bought = [
        one
        for one in known
        for name in state.plan.steps_inside(planned.inside[one.key])
        if any(item.purchases for item in state.steps[name].items.values())
    ]
    values = {one.key: _identity(planned, one) for one in now}
    if [one.key for one in known] == [*values]:
        bought = [one for one in bought if _identity(planned, one) != values[one.key]]
    return [one.reset() for one in known] if bought else now


def _identity(planned: PlannedStep, item: ItemState) -> list[Any]:
    """The values of an item's own loop; of one with a key, such as an item of a step, the key."""
    own = own_values(planned, item.variables).values()
    return [one.get("key", one) if isinstance(one, Mapping) else one for one in own]


def open_campaigns(state: State, step_id: str, keys: Sequence[str]) -> None:
    """Extend the plan by the steps of each item of an `include` step that it does not have."""
    plan = extend_plan(state.plan, step_id, keys)
    if plan is not state.plan:
        state.follow(plan)
        state.again = forks.made_again_by(state.fork, plan)


def evaluate_items(state: State, step_id: str) -> None:
    """Evaluate waiting items whose upstream is settled; skip those that cannot run."""
    planned = state.planned_step(step_id)
    if not state.steps[step_id].tally.phases[Phase.WAITING]:
        return
    unlisted = _why_unlisted(state, planned)
    if unlisted == _LATER:
        return
    owner = _unasking(state, planned)
    if owner is not None and owner.phase not in TERMINAL:
        return
    if planned.rounds:
        planned = planned.in_round(state.item(step_id, "").round)
    names = planned.whole
    if not all(state.steps[name].settled for name in names):
        return
    items = _evaluable(state, planned, state.steps[step_id])
    if not items:
        return
    failed = unlisted or _failed_upstream(state, planned, names)
    if owner is not None:
        failed = _not_asked(planned, owner)
    surroundings = _Surroundings(state, planned, step_id)
    with evaluated_together():
        for item in items:
            room = MAX_PLAN_BYTES - state.tally.size
            evaluated = _evaluate_item(surroundings, item, failed, room)
            if evaluated.code == _TOO_LARGE:
                failed = evaluated.reason  # do not evaluate the rest
            state.change(step_id, evaluated)
            claim(state, step_id, evaluated)


def _why_unlisted(state: State, planned: PlannedStep) -> str | None:
    """Why a step inside an item of an `include` is not made, as its list says now; None if it is."""
    for space, _, _ in state.plan.spaces[planned.space].inclusions():
        include = state.steps[space.include]
        if not include.expanded:
            return _LATER
        if space.key not in include.items:
            return f"{space.include} has no such item any more"
    return None


def _evaluable(state: State, planned: PlannedStep, step: StepState) -> list[ItemState]:
    """Waiting items whose own source has ended or is missing; after a first look, of what changed now."""
    found = [*step.items.values()]
    if planned.includes:
        inside = planned.inside
        spaces = map(state.plan.spaces.__getitem__, state.ended_inside)
        ended = [one for one in spaces if inside.get(one.key) == one.id]
        if step.examined:
            keys = {one.key for one in ended} & step.items.keys()
            found = [step.items[key] for key in sorted(keys, key=step.places.__getitem__)]
        step.examined = True
        state.ended_inside.difference_update(one.id for one in ended)
        found = [one for one in found if not state.unsettled_inside[inside[one.key]]]
    elif planned.itemwise is not None:
        source = state.steps[planned.itemwise]
        if step.examined:
            keys = {key for name, key in state.changed if name == planned.itemwise}
            known = sorted(keys & step.items.keys(), key=step.places.__getitem__)
            found = [step.items[key] for key in known]
        step.examined = source.expanded
        found = [item for item in found if item.variables or _has_ended(source, item.key)]
    return [item for item in found if item.phase is Phase.WAITING]


def _has_ended(source: StepState, key: str) -> bool:
    return source.expanded and (key not in source.items or source.items[key].phase in TERMINAL)


def skip_unstarted(state: State, step_id: str, reason: str) -> None:
    step = state.steps[step_id]
    if not step.expanded:
        _placeholder(state, step_id, Phase.SKIPPED, reason)
    elif step.tally.ended + step.tally.open < len(step.items):
        for item in [*step.items.values()]:
            if item.phase not in TERMINAL | OPEN:
                state.change(step_id, item.skip(reason))


class _Surroundings:
    """What all items of a step see, read once for all that are evaluated together.

    Attributes:
        world: What requests are made in, with the notes of who rejected the first results.
    """

    def __init__(self, state: State, planned: PlannedStep, step_id: str) -> None:
        self.state, self.planned, self.step_id = state, planned, step_id
        self.alternatives = alternatives_of(planned.step)
        notes, asked = tuple[str, ...](), planned.round_of
        while asked is not None:
            owner, number = asked
            notes = (
                *_notes_before(state, planned, owner),
                *state.item(owner, "").notes[:number],
                *notes,
            )
            asked = state.planned_step(owner).round_of
        self.world = state.plan.world_of(planned, state.seller, notes)

    @cached_property
    def shut(self) -> str | None:
        """An enclosing `include` whose condition does not hold; None if all hold."""
        for space, _, include in self.state.plan.spaces[self.planned.space].inclusions():
            if include.if_ is not None:
                scope = scope_of_include(space, include.if_, namespace_facts(self.state))
                if not condition(include.if_, scope):
                    return label(space.include, space.key)
        return None

    @cached_property
    def scope(self) -> dict[str, Any]:
        """The scope without loop variables."""
        return scope_for(self.state, self.planned, self.planned.whole)


def _evaluate_item(
    around: _Surroundings, item: ItemState, failed: str | None, room: int
) -> ItemState:
    state, planned = around.state, around.planned
    if planned.includes:
        return _finish_include(state, planned.inside[item.key], item)
    if planned.step.repeat is not None:
        return _end_round(state, planned, item)
    if planned.skipped or failed:
        return item.skip(planned.skipped or failed or "")
    if planned.itemwise is not None and not item.variables:
        followed = state.steps[planned.itemwise].items.get(item.key)
        if followed is None:
            return item.skip(f"{planned.itemwise} has no such item any more")
        if not followed.key and not followed.variables:  # it stands for a list that never was
            return item.skip(followed.reason or "")
        fields = item_fields(state.planned_step(planned.itemwise), followed)
        item = item._replace(variables={planned.step.as_: fields})
    step, requests = planned.step, list[ItemRequest]()
    try:
        if around.shut:
            return item.skip(f"the `if` of {around.shut} is false")
        scope = item_scope(state, planned, item, around.scope)
        if step.if_ is not None and not condition(step.if_, scope):
            return item.skip("its `if` is false")
        # With all that it may fall back to: nothing is bought if one of them is wrong.
        for one in around.alternatives:
            request = build_request(one, scope, around.world, room)
            check_kind(request.model, request.media, requests[0].media if requests else None)
            requests.append(request)
            room -= request.size
        if reason := nothing_to_pick(requests[0]):
            return item.fail("nothing_to_pick", reason)
    except UsesNull as null:
        return item.skip(_not_made(around, item) or f"{fallback_of(len(requests))}{null}")
    except (PlanTooLargeError, TooMuchWorkError, ExpressionError, ItemRequestError) as error:
        is_large = isinstance(error, PlanTooLargeError | TooMuchWorkError)
        code = _TOO_LARGE if is_large else "bad_arguments"
        return item.fail(code, f"{fallback_of(len(requests))}{error}")
    item = item._replace(phase=Phase.READY, requests=tuple(requests), reason=None, code=None)
    if reviewing.is_reviewed(item):
        item = reviewing.forget_if_changed(item)
        if item.picked is None:
            state.answers.pop(label(around.step_id, item.key), None)
    item = forks.decide(state, around.step_id, item)
    return judging.start(state, around.step_id, item) if judging.is_judged(item) else item


def _not_made(around: _Surroundings, item: ItemState) -> str | None:
    """Why the item that one follows has nothing to read; None if it follows none, or that was made."""
    source = around.planned.itemwise
    followed = around.state.steps[source].items.get(item.key) if source else None
    if followed is None or followed.phase is Phase.COMPLETED:
        return None
    return f"{source} {'failed' if followed.phase is Phase.FAILED else 'was skipped'}"


def _finish_include(state: State, space: str, item: ItemState) -> ItemState:
    """The item of an `include`: its outputs, once all steps inside have ended."""
    plan = state.plan
    spent = sum(state.steps[one].tally.spent for one in plan.steps_inside(space))
    item = item._replace(inside=spent)
    repeating = (one for one in plan.steps_of[space] if plan.steps[one].step.repeat is not None)
    # What repeats says itself how its rounds ended.
    rounds = {again for one in repeating for again in plan.steps[one].round_steps}
    found = {one: state.steps[one].status for one in plan.steps_of[space] if one not in rounds}
    if failed := sorted(one for one, status in found.items() if status == "failed"):
        unpaid = any(state.steps[one].tally.unpaid for one in failed)
        reason = f"{', '.join(failed)} failed"
        return item.fail("included", reason)._replace(unpaid=unpaid)
    if set(found.values()) == {"skipped"}:
        reasons = [
            one.reason
            for name in map(partial(inlined_name, space), plan.spaces[space].workflow.steps)
            for one in state.steps[name].items.values()
            if one.reason
        ]
        return item.skip((reasons or ["all of it was skipped"])[0])
    outputs = outputs_of(state, space)
    if outputs.failed:
        reason = "; ".join(f"its output {one!r}: {why}" for one, why in outputs.failed.items())
        return item.fail("bad_output", reason)
    media: list[JsonValue] = [
        {**one.as_json(), **more} for one, more in described_assets(outputs.values)
    ]
    made: Outputs = {"outputs": outputs.values, "assets": media}
    return item._replace(phase=Phase.COMPLETED, outputs=made, reason=None)


def _unasking(state: State, planned: PlannedStep) -> ItemState | None:
    """The item that has the round of a step, if it has not asked for that round; else None."""
    if planned.round_of is None:
        return None
    name, number = planned.round_of
    owner = state.item(name, "")
    return owner if owner.round < number else None


def _notes_before(state: State, planned: PlannedStep, owner: str) -> Iterator[str]:
    """The notes of what a round makes again and that had rounds of the same step itself: they hold on."""
    first = state.plan.first_round(inlined_name(planned.space, planned.step.id))
    for name in state.planned_step(owner).rounds[0].values():
        inner = state.planned_step(name)
        if inner.rounds and inner.step.repeat is None:
            repeated = map(state.plan.first_round, inner.rounds[0].values())
            yield from state.item(name, "").notes if first in repeated else ()


def candidates_before(state: State, step_id: str, number: int) -> Sequence[Candidate]:
    """What a pick or a review asked about in a round that has ended, counted from 0; empty if that is not known any more."""
    planned = state.planned_step(step_id).in_round(number)
    with_ = planned.step.with_
    with suppress(UsesNull, ExpressionError, ItemRequestError):
        scope = scope_for(state, planned, planned.whole)
        if isinstance(with_, ReviewWith):
            return media_to_review(evaluate(with_.media, scope))
        if isinstance(with_, PickWith):
            return available(evaluate(with_.from_, scope))
    return ()


def _not_asked(planned: PlannedStep, owner: ItemState | None) -> str:
    """Why a round does not run, though all before it has ended."""
    ended = "was decided" if owner and owner.phase is Phase.COMPLETED else "ended"
    return f"{planned.round_of and planned.round_of[0]} {ended} without another round"


def _end_round(state: State, planned: PlannedStep, item: ItemState) -> ItemState:
    """A step with `repeat` after a round: done, before the next round, or failed."""
    assert planned.step.repeat is not None
    [ended] = planned.rounds[item.round].values()
    current = state.steps[ended]
    if current.status == "failed":
        return item.fail("included", f"{ended} failed")
    if current.status == "skipped":
        reasons = [one.reason for one in current.items.values() if one.reason]
        return item.skip((reasons or [f"{ended} was skipped"])[0])
    try:
        met = bool(evaluate(planned.step.repeat.until, scope_for(state, planned, planned.whole)))
    except (UsesNull, ExpressionError) as error:
        return item.fail("bad_arguments", f"`until` after round {item.round + 1}: {error}")
    rounds = len(planned.rounds)
    if not met and item.round + 1 < rounds:
        return next_round(item, "")
    given = state.item(ended, "").outputs or {}
    return item._replace(
        phase=Phase.COMPLETED,
        outputs={**given, "rounds": item.round + 1, "met": met},
        reason=None
        if met
        else f"`until` was not true after {rounds} rounds; the last one is taken",
    )


def _failed_upstream(state: State, planned: PlannedStep, names: frozenset[str]) -> str | None:
    """Why a step cannot run: what failed in its part before it, also behind skipped steps."""
    failed, seen, waiting = set[str](), set[str](), names - planned.tolerates
    while waiting:
        seen |= waiting
        later = set[str]()
        for name in waiting:
            one = state.planned_step(name)
            status = state.steps[name].status if one.part == planned.part else ""
            if status == "failed":
                failed.add(name)
            elif status == "skipped" and not one.skipped:
                # Its own condition is read only where nothing failed, but for the item that it follows.
                later |= (one.upstream if one.step.if_ is None else one.whole) - one.tolerates
        waiting = frozenset(later - seen)
    return f"{', '.join(sorted(failed))} failed" if failed else None


def _placeholder(state: State, step_id: str, phase: Phase, reason: str) -> None:
    """One unnamed item that shows the end of a run-time fan-out without items."""
    code = "bad_arguments" if phase is Phase.FAILED else None
    state.expand(step_id, [ItemState("", {}, phase=phase, reason=reason, code=code)])


def claim(state: State, step_id: str, item: ItemState) -> None:
    """Give an item its ordinal among equal requests: four equal prompts are four pictures."""
    equal = "" if item.request is None else item.request.request_hash
    if equal and (equal, step_id, item.key) not in state.claims:
        state.claims[equal, step_id, item.key] = state.claimed[equal]
        state.claimed[equal] += 1


def claimed_hash(state: State, step_id: str, item: ItemState) -> str:
    """The cache key of an item: the hash of its request and its ordinal among equal ones."""
    assert item.request is not None
    equal = item.request.request_hash
    return f"{equal}-{state.claims[equal, step_id, item.key]}"
