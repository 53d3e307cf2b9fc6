"""The least that a run has still to pay, whatever happens: what it buys certainly, at its lowest price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, references
from rivya_flows.planning.expansion.build_requests import alternatives_of, written_arguments
from rivya_flows.planning.expansion.item_arguments import evaluate_items, expand_step
from rivya_flows.planning.expansion.partial_evaluation import known_part
from rivya_flows.planning.expansion.run_scope import known_scope, known_variables
from rivya_flows.planning.plan import PlannedStep, candidates_step
from rivya_flows.planning.pricing.written_prices import written_prices
from rivya_flows.planning.queue.item_state import ItemState, Phase
from rivya_flows.planning.queue.state import State, step_status
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.upload import UploadWith

_UNBOUGHT = (Phase.WAITING, Phase.READY, Phase.LOOKING, Phase.UPLOADING)
_NEVER_NULL = ("asset", "assets", "key")
"""Output fields of a finished item of `generate` that are not null."""


def least_left(state: State) -> int:
    """Credits beyond those that are spent or held; of `steps` alone.

    Left out is what a condition, a null, an allowed failure or the cache may spare.
    """
    unsure: set[str] = set()
    total = 0
    for step_id in state.plan.parts["steps"]:
        planned = state.planned(step_id)
        # As far as it will be known once this event is over.
        state = evaluate_items(expand_step(state, step_id), step_id)
        current = state.steps[step_id]
        if current.settled:
            continue
        certain = _is_certain(state, planned, unsure)
        found = list(_least_of_items(state, step_id, certain=certain))
        if not certain or planned.step.allow_failures or None in found:
            unsure.add(step_id)
        prices = sorted(one or 0 for one in found)
        total += sum(prices[: max(0, len(prices) - planned.step.allow_failures)])
    return total


def _is_certain(state: State, planned: PlannedStep, unsure: set[str]) -> bool:
    """Whether the items of a step that are not evaluated yet will run if all before them succeed."""
    if planned.conditional or planned.round_of or planned.space or planned.upstream & unsure:
        return False
    if not all(_gives_media(state, name) for name in planned.upstream):
        return False
    if any(_is_lacking(state, name) for name in planned.whole - planned.tolerates):
        return False
    if planned.itemwise is None:
        return True
    written = [one.with_.model_dump() for one in alternatives_of(planned.step)]
    read = (one for one in references(written) if one.namespace == planned.step.as_)
    return all(one.path[:1] and one.path[0] in _NEVER_NULL for one in read)


def _gives_media(state: State, name: str) -> bool:
    """Whether a step has ended, or will give media alone, which are no null where it succeeds."""
    planned = state.planned(name)
    if state.steps[name].settled or _makes_media(planned):
        return True
    source = candidates_step(planned)
    return source is not None and isinstance(state.spec(source).with_, GenerateWith)


def _makes_media(planned: PlannedStep) -> bool:
    return isinstance(planned.step.with_, GenerateWith | UploadWith)


def _is_lacking(state: State, name: str) -> bool:
    """Whether a step has failed, or what it has not made may be a null for those that read it."""
    step = state.steps[name]
    if step.settled:
        return step_status(state.planned(name), step) == "failed"
    return step.tally.failed + step.tally.skipped > 0


def _least_of_items(state: State, step_id: str, *, certain: bool) -> Iterator[int | None]:
    """The least of each item; None for one that a null skips."""
    planned = state.planned(step_id)
    shared: int | None = None
    known = known_scope(state, planned) if certain else {}
    for item in state.steps[step_id].items or ():
        if item.phase not in _UNBOUGHT or (_may_be_cached(state, step_id) and not item.asked_cache):
            yield 0
        elif item.request is not None:
            requests = item.requests[item.alternative :]
            yield min(one.price.min for one in requests) if not item.request.chats else 0
        elif not certain:
            yield 0
        elif not _is_wanted(planned, {**known, **known_variables(state, planned, item)}):
            yield None
        elif item.variables:
            yield _least_written(state, planned, item)
        else:
            shared = _least_written(state, planned, item) if shared is None else shared
            yield shared


def _least_written(state: State, planned: PlannedStep, item: ItemState) -> int:
    return min(one.min for _, one in written_prices(state, planned, item.variables, item.round))


def _may_be_cached(state: State, step_id: str) -> bool:
    mode = state.spec(step_id).cache or state.cache or state.plan.workflow.cache
    return (state.fork is not None or mode == "spec") and step_id not in state.again


def _is_wanted(planned: PlannedStep, scope: Mapping[str, Any]) -> bool:
    """Whether no null among the values that are known skips an item."""
    try:
        known_part([written_arguments(one) for one in alternatives_of(planned.step)], scope)
    except (UsesNull, ExpressionError):
        return False
    return True
