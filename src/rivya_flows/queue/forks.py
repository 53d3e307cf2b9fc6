"""A fork: what it takes from the run that it repeats, instead of buying or asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set as AbstractSet
from contextlib import suppress
from itertools import dropwhile
from typing import Any, NamedTuple

from rivya_flows.assets import Outputs, assets_in
from rivya_flows.language.canonical import digest
from rivya_flows.language.expressions.output_types import has_unknown
from rivya_flows.language.expressions.values import ExpressionError, UsesNull
from rivya_flows.language.workflow import PARTS
from rivya_flows.plans.names import label
from rivya_flows.plans.plan import PlannedStep, RunPlan
from rivya_flows.plans.requests import given_of, known_part, written_arguments
from rivya_flows.queue.events import AnsweredBy, DecidedPick, Fork
from rivya_flows.queue.items import ItemState, Phase, next_round
from rivya_flows.queue.scope import item_scope, known_item, known_scope
from rivya_flows.queue.state import State
from rivya_flows.steps.candidates import question_hash, question_of
from rivya_flows.steps.kind import Kind


class Finished(NamedTuple):
    """Finished work of a run; `request_hash` is that of the alternative that gave it."""

    run_id: str
    item: str
    outputs: Outputs
    credits: int
    request_hash: str


def find_finished(state: State) -> dict[str, Finished]:
    """What a run has bought, by the cache key of the request as written."""
    found = {}
    for step_id, item in _bought_items(state):
        given, alternative = given_by(item)
        written, made = item.requests[0], item.requests[alternative]
        name = f"{written.request_hash}-{state.claims[written.request_hash, step_id, item.key]}"
        credits, outputs = item.credits + item.saved, given or {}
        found[name] = Finished(
            state.run_id, label(step_id, item.key), outputs, credits, made.request_hash
        )
    return found


def _bought_items(state: State) -> Iterator[tuple[str, ItemState]]:
    """The items that gave something for a request that buys, and has a name."""
    for step_id, item in state.each():
        if given_by(item)[0] is not None and item.requests:
            written = item.requests[0]
            if written.buys and (written.request_hash, step_id, item.key) in state.claims:
                yield step_id, item


def given_by(item: ItemState) -> tuple[Outputs | None, int]:
    """What an item gave, or its newest job whose media were refused, and by which alternative."""
    if item.phase is Phase.COMPLETED:
        return item.outputs, item.alternative
    return (item.lost[-1].outputs, item.lost[-1].alternative) if item.lost else (None, 0)


def fork_of(state: State, step: str | None) -> Fork:
    """The fork of a run as it is now, with the picks of its own fork that it has not reached."""
    known = state.fork.picks if state.fork else {}
    picks = {name: one for name, one in known.items() if not is_made_again(name, state.again)}
    asked = set(state.fork.asked if state.fork else ())
    for step_id, item in _bought_items(state):
        kind = state.planned_step(step_id).kind
        asked.update(_each_hash(kind, item.requests[0].arguments))
    for step_id, item in state.each():
        if item.request is not None and item.picked and _is_decided(item):
            asked.update(
                _each_hash(state.planned_step(step_id).kind, question_of(item.request.arguments))
            )
            seen = (*item.seen, question_hash(item.request))
            pick = DecidedPick(
                picked=item.picked, notes=item.notes, seen=seen, reviews=item.reviews
            )
            picks[label(step_id, item.key)] = pick
    return Fork(run_id=state.run_id, step=step, picks=picks, asked=tuple(sorted(asked)))


def asks_anew(state: State, step_id: str, items: Iterable[ItemState]) -> frozenset[str]:
    """The keys of items for which a fork takes nothing, whatever they wait for turns out to be."""
    assert state.fork is not None
    found, asked, planned = set[str](), frozenset(state.fork.asked), state.planned_step(step_id)
    kind = planned.kind
    if planned.includes or not kind.buys:
        return frozenset()
    try:
        sent = sent_by(state, planned)
    except (UsesNull, ExpressionError):
        return frozenset()
    for item in items:
        with suppress(UsesNull, ExpressionError):
            if not asked.issuperset(_each_hash(kind, sent(item))):
                found.add(item.key)
        if is_made_again(label(step_id, item.key), state.again):
            found.add(item.key)
    return frozenset(found)


def sent_by(state: State, planned: PlannedStep) -> Callable[[ItemState], Mapping[str, Any]]:
    """Gives what is known of the arguments that an item of a step will send; both raise as `evaluate`."""
    scope, world = known_scope(state, planned), state.plan.world_of(planned)
    written = written_arguments(planned.step)

    def evaluate(item: ItemState) -> Mapping[str, Any]:
        here = item_scope(state, planned, known_item(state, planned, item), scope)
        given = given_of(planned.step, known_part(written, here), here, "planned")
        return planned.kind.sent_arguments(given, world)

    return evaluate


def _each_hash(kind: Kind, arguments: Mapping[str, Any]) -> Iterator[str]:
    """The hash of each argument that is known, with the model; not of media, which have several names."""
    media, model = {one.path[0] for one in kind.files(arguments)}, arguments.get("model")
    for name, value in arguments.items():
        is_known = not has_unknown([model, value]) and name not in media
        if is_known and not any(assets_in(value)):
            yield digest([kind.uses, model, name, value])


def made_again_by(fork: Fork | None, plan: RunPlan) -> frozenset[str]:
    """What a fork makes again though nothing changes, as far as the plan knows it."""
    return made_again(plan, fork.step) if fork and fork.step else frozenset()


def made_again(plan: RunPlan, step: str) -> frozenset[str]:
    """A step, those that it includes, and all that depends on them; of ``step[key]`` that alone.

    What uses the items of an `include` around them reads something new where one of them changed.
    """
    name, _, key = step.partition("[")
    spaces = plan.steps[name].inside if name in plan.steps else {}
    if step in plan.steps:
        waiting = [step]
        if plan.steps[step].step.repeat is not None:
            waiting += plan.steps[step].round_steps
        within = [space for one in waiting for space in plan.steps[one].inside.values()]
        waiting += [one for space in within for one in plan.steps_inside(space)]
    elif (space := spaces.get(key.removesuffix("]"))) is not None:
        waiting = [*plan.steps_inside(space)]
    else:
        return frozenset({step})
    found = set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            later = {one for part in PARTS for one in plan.downstream.get((part, name), ())}
            waiting += later.difference(_fanned_out_around(plan, name))
    return frozenset(found)


def _fanned_out_around(plan: RunPlan, name: str) -> Iterator[str]:
    """The `include` steps around a step, from the first that fans out."""
    around = (one.include for one, _, _ in plan.spaces[plan.steps[name].space].inclusions())
    return dropwhile(lambda one: not plan.steps[one].step.fans_out, around)


def is_made_again(item: str, again: AbstractSet[str]) -> bool:
    """Whether ``step`` or ``step[key]`` is among what is made again, or all of its step is."""
    return item in again or item.partition("[")[0] in again


def decide(state: State, step_id: str, item: ItemState) -> ItemState:
    """A pick as the forked run decided it, or rejected it with a note, if it asks the same there."""
    fork, name = state.fork, label(step_id, item.key)
    if fork is None or item.picked is not None or not _is_decided(item):
        return item
    known = None if is_made_again(name, state.again) else fork.picks.get(name)
    if known is None or item.round >= len(known.seen):
        return item
    if known.seen[item.round] != question_hash(item.evaluated):
        return item
    is_round = item.round < len(known.notes)
    if is_round and item.round + 1 >= len(state.planned_step(step_id).rounds):
        return item  # this spec has no such round: it asks
    by = AnsweredBy(name=fork.run_id, channel="fork")
    item = item._replace(reviews=tuple(one for one in known.reviews if one.round <= item.round))
    if is_round:
        return next_round(item, known.notes[item.round])._replace(answered_by=by)
    return item._replace(picked=known.picked, answered_by=by)


def _is_decided(item: ItemState) -> bool:
    """Whether a person or a judge decides it; a rule chooses again by itself."""
    return item.request is not None and item.request.decides in ("person", "judge")
