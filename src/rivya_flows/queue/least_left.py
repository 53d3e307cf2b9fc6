"""The least that is left to pay: what a run certainly buys if nothing fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from math import prod
from typing import Any

from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    Reference,
    UsesNull,
    references,
)
from rivya_flows.plans.names import RUNTIME
from rivya_flows.plans.plan import PlannedStep, candidates_step
from rivya_flows.plans.requests import alternatives_of, known_arguments
from rivya_flows.queue.evaluation import evaluate_items, expand_step, open_campaigns
from rivya_flows.queue.foresight import Foresight, prices_by_spec
from rivya_flows.queue.forks import asks_anew
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.list_sizes import ListReader, item_range
from rivya_flows.queue.scope import item_scope, known_scope
from rivya_flows.queue.state import State
from rivya_flows.spec.inlining import inlined_name

_UNBOUGHT = (Phase.WAITING, Phase.READY, Phase.LOOKING, Phase.UPLOADING)


def least_left(state: State) -> int:
    """Credits still to be paid for `steps`, without what a condition, failure or cache may spare."""
    # A copy evaluates now what the event has made known; the state of the run stays.
    state = campaigns_opened(state)
    least = Counter[str]()
    for step_id, prices in least_by_step(state).items():
        planned = state.planned_step(step_id)
        around = state.plan.spaces[planned.space].inclusions()
        # All that an item of an `include` costs may be spared.
        if not any(include.allow_failures for _, _, include in around):
            least[planned.repeats or step_id] += least_sum(state, step_id, prices)
    total = 0
    for first, credits in least.items():
        left = state.step_credits_left(first)
        credits = credits if left is None else min(credits, left)  # it buys nothing beyond
        total += credits * _times(state, state.planned_step(first))
    return total


def campaigns_opened(state: State) -> State:
    """A copy of the state; each `include` whose list is not known yet has one further item there, if it has a least."""
    state = state.copy()
    waiting = [*state.plan.parts["steps"]]
    for step_id in waiting:
        planned = state.planned_step(step_id)
        around = [one for one, _, _ in state.plan.spaces[planned.space].inclusions()]
        # Those inside the items of others are many, and each may have its own list.
        is_alone = all(one.key in ("", RUNTIME) for one in around)
        if planned.includes and is_alone and _further_campaigns(state, planned, step_id) > 0:
            with suppress(ExpressionError):  # too many steps: it fails before it buys anything
                open_campaigns(state, step_id, [RUNTIME])
                waiting += state.plan.steps_inside(state.planned_step(step_id).inside[RUNTIME])
    return state


def _further_campaigns(state: State, include: PlannedStep, step_id: str) -> int:
    """The least items of an `include` without those that the plan has, whose own steps count."""
    if state.steps[step_id].expanded:
        return 0
    return item_range(state, step_id)[0] - len(include.inside.keys() - {RUNTIME})


def _times(state: State, planned: PlannedStep) -> int:
    """How many campaigns a step stands for that are not known yet, at least."""
    around = (one for one, _, _ in state.plan.spaces[planned.space].inclusions())
    names = (one.include for one in around if one.key == RUNTIME)
    return prod(_further_campaigns(state, state.planned_step(one), one) for one in names)


def least_by_step(state: State) -> dict[str, list[int | None]]:
    """The least credits of each item of each of `steps` that has not ended, as `least_of_items`."""
    least, may_not_run, may_not_begin = dict[str, list[int | None]](), set[str](), set[str]()
    foresight = Foresight(state)
    for step_id in state.plan.parts["steps"]:
        planned = state.planned_step(step_id)
        expand_step(state, step_id)
        evaluate_items(state, step_id)
        current = state.steps[step_id]
        if current.settled:
            continue
        # An item needs that which it follows, and no other.
        before = planned.upstream - {planned.itemwise} if current.expanded else planned.upstream
        certain = not (before & may_not_run or {planned.itemwise} & may_not_begin)
        certain = certain and _will_run(ListReader(state, made=True), step_id, may_not_run)
        if current.expanded:
            found = list(least_of_items(foresight, step_id, certain=certain))
        else:  # of a list that only later steps make known, as many as it has certainly
            sure = certain and not _may_reuse(state, step_id)
            count = item_range(state, step_id)[0] if sure else 0
            found = [_least_written(state, planned, ItemState("", {}))] * count
        if not certain:
            may_not_begin.add(step_id)
        if not certain or planned.step.allow_failures or None in found:
            may_not_run.add(step_id)
        least[step_id] = found
    return least


def least_sum(state: State, step_id: str, prices: Iterable[int | None]) -> int:
    """What the items of a step cost at least: the dearest of them may fail as `allow_failures` says."""
    known = sorted(one or 0 for one in prices)
    return sum(known[: max(0, len(known) - _may_lack(state, step_id))])


def _may_lack(state: State, step_id: str) -> int:
    """How many items of a step need not be made, as it says and the steps whose items it follows."""
    planned = state.planned_step(step_id)
    source = planned.itemwise
    is_open = source is not None and not state.steps[source].settled
    return planned.step.allow_failures + (_may_lack(state, source) if source and is_open else 0)


def _will_run(reader: ListReader, step_id: str, may_not_run: set[str]) -> bool:
    """Whether the items of a step that are not evaluated yet will run if all before them succeed, and their own
    conditions hold.
    """
    state, planned = reader.state, reader.state.planned_step(step_id)
    is_open = planned.conditional and not state.steps[step_id].expanded
    if is_open or planned.round_of:
        return False
    for space, _, include in state.plan.spaces[planned.space].inclusions():
        around = state.steps[space.include]
        if include.allow_failures:
            return False
        if around.expanded and space.key not in around.items:
            return False
        if not around.expanded and (
            space.key != RUNTIME
            or around.planned.whole & may_not_run
            or not _is_all_given(reader, around.planned, include.fan_out[1])
        ):
            return False
    for name in planned.whole - planned.tolerates:
        # A step that failed, or lacks items, may give a null to those that read it.
        step, phases = state.steps[name], state.steps[name].tally.phases
        lacks_items = phases[Phase.FAILED] + phases[Phase.SKIPPED] > 0
        may_give_null = step.status == "failed" if step.settled else lacks_items
        if may_give_null:
            return False
    alternatives = [one.with_.model_dump() for one in alternatives_of(planned.step)]
    listed = None if state.steps[step_id].expanded else planned.step.fan_out[1]
    return _is_all_given(reader, planned, [planned.step.key, *alternatives, listed])


def _is_all_given(reader: ListReader, planned: PlannedStep, written: Any) -> bool:
    return all(_is_given(reader, planned, one) for one in references(written))


def _is_given(reader: ListReader, planned: PlannedStep, read: Reference) -> bool:
    """Whether what a step reads is no null if all before it succeeds, or is known already."""
    state, step, path = reader.state, planned.step, read.path
    if read.namespace == (step.as_ if step.fan_out[0] == "foreach" else step.fan_out[0]):
        is_known = state.steps[inlined_name(planned.space, step.id)].expanded
        return (is_known and planned.itemwise is None) or reader.is_given(planned, read)
    if read.namespace == "inputs" and planned.space:
        space = state.plan.space_of(planned)
        given = [space.given_value(name) for name in path[:1] or space.workflow.inputs]
        return _is_all_given(reader, state.planned_step(space.include), given)
    if read.namespace != "steps":
        return True
    name = planned.name_of(path[0]) if path else ""
    if name not in state.steps:
        return False
    before = state.planned_step(name)
    if state.steps[name].settled or before.kind.gives_media:
        return True
    if (source := candidates_step(before)) is not None:
        return state.planned_step(source).kind.gives_media
    return reader.is_given(planned, read)


def least_of_items(foresight: Foresight, step_id: str, *, certain: bool) -> Iterator[int | None]:
    """The least credits of each item; None: its condition or a null skips the item, or may."""
    state = foresight.state
    planned = state.planned_step(step_id)
    shared: int | None = None
    reusable = _reusable_keys(state, step_id)
    known: dict[str, Any] | None = None  # None: a required input of an included spec is null
    try:
        known = known_scope(state, planned) if certain else {}
    except UsesNull:
        pass
    except ExpressionError:
        certain = False
    for item in state.steps[step_id].items.values():
        if item.phase not in _UNBOUGHT or item.key in reusable:
            yield 0
        elif item.request is not None:
            requests = item.requests[item.alternative :]
            yield min(one.price.min for one in requests) if not item.request.chats else 0
        elif not certain:
            yield 0
        else:
            seen = foresight.of(step_id, item)
            if known is None or not seen.runs or _is_skipped(planned, state, seen.item, known):
                foresight.give_up(step_id, item)
                yield None
            elif item.variables or _reads_known(planned, seen.item):
                yield _least_written(state, planned, seen.item)
            else:
                shared = _least_written(state, planned, item) if shared is None else shared
                yield shared


def _reads_known(planned: PlannedStep, item: ItemState) -> bool:
    """Whether the price of an item may depend on what is known of the one that it follows."""
    known = item.variables.get(planned.step.as_, {})
    written = [one.with_.model_dump() for one in alternatives_of(planned.step)]
    return any(
        one.namespace == planned.step.as_
        and one.path[:1] != ("key",)
        and {*one.path[:1]} & {*known}
        for one in references(written)
    )


def _least_written(state: State, planned: PlannedStep, item: ItemState) -> int:
    return min(one.min for _, one in prices_by_spec(state, planned, item))


def _reusable_keys(state: State, step_id: str) -> frozenset[str]:
    """The keys of items that the cache, or the forked run, may still give for nothing."""
    if not _may_reuse(state, step_id):
        return frozenset()
    unasked = [one for one in state.steps[step_id].items.values() if not one.asked_cache]
    keys = frozenset(one.key for one in unasked)
    return (
        keys if state.cache_mode(step_id) == "spec" else keys - asks_anew(state, step_id, unasked)
    )


def _may_reuse(state: State, step_id: str) -> bool:
    reads = state.fork is not None or state.cache_mode(step_id) == "spec"
    return reads and step_id not in state.again


def _is_skipped(
    planned: PlannedStep, state: State, item: ItemState, known: Mapping[str, Any]
) -> bool:
    """Whether a null among the known values skips an item."""
    scope = item_scope(state, planned, item, known)
    return any(known_arguments(one, scope)[1] for one in alternatives_of(planned.step))
