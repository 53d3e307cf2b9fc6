"""What is bound to fail, told before anything is bought.

The queue works out the arguments of an item when all that they use has ended, and has paid for
that by then. What inputs and loop variables alone decide is looked at here, ahead of the first
purchase: expressions, models, parameters, lengths, references, and members of fan-outs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rivya_flows.catalogue.models import Model
from rivya_flows.catalogue.requests import (
    Trouble,
    check_chat,
    check_prompt,
    coerce_params,
)
from rivya_flows.plan.answers import instruction
from rivya_flows.plan.fanout import fan_out_of, items_from
from rivya_flows.plan.members import absent_members, surely_given
from rivya_flows.plan.orders import (
    OrderError,
    attached,
    check_media,
    composed,
    media_of,
    model_of,
    refuse_other,
)
from rivya_flows.plan.planned import PlannedStep
from rivya_flows.plan.scope import known_of
from rivya_flows.plan.spaces import Space, inputs_for, steps_in
from rivya_flows.plan.state import ItemState, Phase, State
from rivya_flows.spec.arguments import EFFORTS, MODES
from rivya_flows.spec.evaluation import result
from rivya_flows.spec.expressions import (
    ExpressionError,
    Reference,
    UsesNull,
    condition,
    evaluate,
    is_computed,
    tree_references,
)
from rivya_flows.spec.functions import function_of
from rivya_flows.spec.outputs import COMPOSED
from rivya_flows.spec.templates import template
from rivya_flows.spec.values import as_text
from rivya_flows.spec.with_models import NotifyWith

Scope = Mapping[str, Any]


@dataclass(frozen=True)
class Later:
    """A value that only the run will tell.

    Attributes:
        least: Characters that it has at least, where it is a text.
    """

    least: int = 0


def foreseen(state: State) -> Iterator[tuple[str, str, str]]:
    """Step, item and reason of each failure that is certain, unless the item is skipped.

    Args:
        state: Of a run that is rehearsed and has bought nothing. Items that failed in the
            rehearsal are passed over.
    """
    # A step inside an included spec that has failed on a value of its inputs has told it.
    told = {item.reason for _, item in state.each() if item.phase is Phase.FAILED}
    for step_id, planned, space in _certain(state):
        if planned.step.uses == "include":
            for reason in _unfit(state, state.plan.spaces[step_id]):
                if reason not in told:
                    yield step_id, "", reason
            continue
        try:
            scope = {"inputs": _known_inputs(state, space, planned)}
        except (UsesNull, ExpressionError):
            continue  # the run skips the step, or its include tells
        try:
            items = _items(state, step_id, space, scope)
        except UsesNull:
            continue
        except ExpressionError as error:
            yield step_id, "", str(error)
            continue
        for reason in absent_members(state.plan, planned):
            yield step_id, "", reason
        for item in items:
            if item.phase is Phase.WAITING:
                for reason in _reasons(state, planned, {**scope, **item.variables}):
                    yield step_id, item.key, reason


def notices(state: State) -> Iterator[tuple[str, Any, Any]]:
    """Step, address and secret of each callback that is certain, as far as they are known.

    What only the run tells is null.
    """
    for step_id, planned, space in _certain(state):
        if not isinstance(with_ := planned.step.with_, NotifyWith):
            continue
        try:
            scope = {"inputs": _known_inputs(state, space, planned)}
            for item in _items(state, step_id, space, scope):
                known = known_part([with_.url, with_.secret], {**scope, **item.variables})
                url, secret = (None if _has_later(one) else one for one in known)
                yield step_id, url, secret
        except (UsesNull, ExpressionError):
            continue  # the run skips the step, or it is told already


def _certain(state: State) -> Iterator[tuple[str, PlannedStep, Space]]:
    """Steps that no condition on other steps decides on, with what their names stand for.

    What a step that may be skipped gives may be null, and who uses that is skipped too.
    """
    doubtful: set[str] = set()
    for step_id in state.plan.order:
        planned = state.planned(step_id)
        space = state.plan.spaces[planned.space]
        if planned.skipped or planned.upstream & doubtful or _may_be_shut(space, planned):
            doubtful.add(step_id)
        else:
            yield step_id, planned, space


def known_part(value: Any, scope: Scope) -> Any:
    """The value with what is known worked out, and `Later` for the rest.

    Args:
        value: As written.
        scope: Inputs and loop variables that are known; no steps.

    Raises:
        UsesNull: A null is used where a value is needed.
        ExpressionError: A part that is known cannot be worked out.
    """
    if isinstance(value, Mapping):
        return {key: known_part(part, scope) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [known_part(part, scope) for part in value]
    if not isinstance(value, str) or not is_computed(value):
        return value
    parts = template(value)
    known = [all(_is_known(r, scope) for r in tree_references(e.tree)) for e in parts.expressions]
    if all(known):
        return evaluate(value, scope)
    certain = iter(known)
    least = 0
    for part in parts.parts:
        if isinstance(part, str):
            least += len(part)
        elif next(certain):
            least += len(as_text(result(part.tree, scope)))
    return Later(least)


def _is_known(reference: Reference, scope: Scope) -> bool:
    if reference.namespace == "inputs":
        # All of them at once, in an included spec, may hold one that only the run tells.
        return bool(reference.path) and reference.path[0] in scope["inputs"]
    return reference.namespace in scope


def _may_be_shut(space: Space, planned: PlannedStep) -> bool:
    """Whether a condition on other steps decides if the step runs."""
    guards = ((space, planned.step), *space.enclosing())
    return any(steps_in(place, guard.if_) for place, guard in guards)


def _unfit(state: State, space: Space) -> Iterator[str]:
    """Why values that are given to an included spec do not fit its inputs."""
    assert space.outer is not None  # an `include` step opened it
    for name in space.workflow.inputs:
        if not steps_in(space.outer, space.given(name)):
            try:
                inputs_for(space, [name], known_of(state))
            except UsesNull:
                continue  # the run skips what reads it
            except ExpressionError as error:
                yield str(error)


def _known_inputs(state: State, space: Space, planned: PlannedStep) -> Mapping[str, Any]:
    if space.outer is None:
        return state.plan.inputs
    names = [one for one in planned.reads if not steps_in(space.outer, space.given(one))]
    return inputs_for(space, names, known_of(state))


def _items(state: State, step_id: str, space: Space, scope: Scope) -> tuple[ItemState, ...]:
    """The items as far as they are known; one without variables stands for unknown ones."""
    items = state.steps[step_id].items
    if items is not None:
        return items
    planned = state.planned(step_id)
    step = planned.step
    if planned.itemwise is None and not steps_in(space, [fan_out_of(step), step.key]):
        items_from(step, evaluate(fan_out_of(step), scope), scope)  # raises: it is why none are
    return (ItemState("", {}),)


def _reasons(state: State, planned: PlannedStep, scope: Scope) -> list[str]:
    """Why an item cannot do what it will be asked to; empty where it may, or is skipped."""
    step = planned.step
    reasons: list[str] = []
    arguments: dict[str, Any] = {}
    try:
        if not _is_wanted(step.if_, scope):
            return []
    except ExpressionError as error:
        return [str(error)]
    for name, written in step.with_.model_dump(by_alias=True).items():
        try:
            if written is not None:
                arguments[name] = known_part(written, scope)
        except UsesNull:
            return []
        except ExpressionError as error:
            reasons.append(str(error))
            arguments[name] = Later()
    try:
        reasons += _refusals(state, planned, arguments)
    except (OrderError, ExpressionError) as error:
        reasons.append(str(error))
    return list(dict.fromkeys(reasons))


def _is_wanted(written: Any, scope: Scope) -> bool:
    """Whether the condition of an item holds; one that is not known yet may not."""
    if written is None:
        return True
    try:
        known = known_part(written, scope)
    except UsesNull:
        return False
    return not isinstance(known, Later) and condition(known, scope)


def _refusals(state: State, planned: PlannedStep, arguments: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the arguments of an item.

    Raises:
        OrderError, ExpressionError: One of them is no such argument at all.
    """
    step, files = planned.step, state.plan.files_of(planned)
    told = {name: value for name, value in arguments.items() if not _has_later(value)}
    if step.uses == "generate" and "model" in told:
        model = model_of(told["model"], state.plan.catalogue, "generate")
        yield from (one.message for one in _generation(model, arguments, files))
        most = model.references.max_files if model.references else None
        count = surely_given(state.plan, planned, "references")
        if most is not None and count > most:
            yield f"{count} reference files; {model.id!r} takes {most}"
    elif step.uses == "chat" and "model" in told:
        model = model_of(told["model"], state.plan.catalogue, "chat")
        yield from (one.message for one in _chat(model, arguments, told, files))
    elif step.uses == "pick":
        refuse_other("mode", told.get("mode"), MODES)
    elif step.uses == "compose":
        for name in COMPOSED:
            for one in _members(arguments.get(name)):
                composed(name, one, files)
    elif function := function_of(step.uses):
        found = (function.trouble(name, value) for name, value in told.items())
        yield from (trouble for trouble in found if trouble)


def _generation(
    model: Model, arguments: Mapping[str, Any], files: Mapping[str, Any]
) -> Iterator[Trouble]:
    yield from _prompt(model, arguments.get("prompt"))
    params = arguments.get("params")
    if isinstance(params, Mapping):
        later = [key for key, value in params.items() if _has_later(value)]
        yield from coerce_params(model, params, unknown=later)[1]
    # Fewer files than there will be: what these do not fit, more of them do not fit either.
    yield from check_media(model, media_of(_members(arguments.get("references")), "image", files))


def _chat(
    model: Model, arguments: Mapping[str, Any], told: Mapping[str, Any], files: Mapping[str, Any]
) -> Iterator[Trouble]:
    refuse_other("reasoning_effort", told.get("reasoning_effort"), EFFORTS)
    message, expect = arguments.get("message"), arguments.get("expect")
    added = len(instruction(expect)) if expect and not _has_later(expect) else 0
    yield from _prompt(model, message, added)
    yield from check_chat(model, told)
    attached(_members(arguments.get("attachments")), files)


def _prompt(model: Model, written: Any, added: int = 0) -> Iterator[Trouble]:
    if not isinstance(written, Later):
        text = None if written is None else as_text(written) + " " * added
        yield from check_prompt(model, text)
        return
    least, limit = written.least + added, model.max_prompt_length
    if limit is not None and least > limit:
        name = "message" if model.category == "chat" else "prompt"
        message = f"the {name} has at least {least:,} characters; {model.id!r} takes {limit:,}"
        yield Trouble((name,), "prompt-too-long", message)


def _members(value: Any) -> list[Any]:
    """The members of a list that are known; a single value is one."""
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return [one for one in listed if not _has_later(one)]


def _has_later(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_later, value.values()))
    return any(map(_has_later, value)) if isinstance(value, list) else isinstance(value, Later)
