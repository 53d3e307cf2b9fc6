"""The request of an item, from the arguments of its step as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.evaluation import NotKnown, holds, look_ahead
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.resolve import evaluate, is_computed, template
from rivya_flows.language.expressions.values import (
    ExpressionError,
    UsesNull,
    as_text,
    check_length,
    checked_size,
    memory_of,
)
from rivya_flows.language.workflow import Step
from rivya_flows.steps.arguments import Arguments, Stage, World
from rivya_flows.steps.kind import Kind
from rivya_flows.steps.registry import kind_of_step
from rivya_flows.steps.request import (
    MAX_PLAN_BYTES,
    MAX_REQUEST_BYTES,
    ItemRequest,
    ItemRequestError,
    PlanTooLargeError,
)

Scope = Mapping[str, Any]


def known_part(value: Any, scope: Scope) -> Any:
    """The value with its known parts evaluated, and `Unknown` for the rest; raises as `evaluate`."""
    if isinstance(value, Mapping):
        return {key: known_part(part, scope) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [known_part(part, scope) for part in value]
    if not isinstance(value, str) or not is_computed(value):
        return value
    parts = template(value)
    if parts.whole:
        return checked_size(known_result(parts.expressions[0].tree, scope))
    texts, size, is_known = list[str](), 0, True
    for one in parts.parts:
        piece = one if isinstance(one, str) else known_result(one.tree, scope)
        if isinstance(piece, Unknown):
            is_known = False
        else:
            texts.append(as_text(piece))
            size += len(texts[-1])
            check_length(size)  # before all of them are in memory
    return checked_size("".join(texts)) if is_known else Unknown(least=size)


def known_condition(value: Any, scope: Scope) -> bool | None:
    """Whether an `if` is true; None if that is not known yet, as of an `and` without a side that is false."""
    if isinstance(value, str) and is_computed(value) and (parts := template(value)).whole:
        return holds(parts.expressions[0].tree, scope)
    return value is None or bool(value)


def known_arguments(
    step: Step, scope: Scope
) -> tuple[dict[str, Any], list[UsesNull | ExpressionError]]:
    """The arguments of an item as far as they are known, and what is wrong with others."""
    known, wrong = dict[str, Any](), list[UsesNull | ExpressionError]()
    for name, written in written_arguments(step).items():
        if written is not None:
            try:
                known[name] = known_part(written, scope)
            except (UsesNull, ExpressionError) as error:
                known[name] = Unknown()
                wrong.append(error)
    return known, wrong


def known_result(tree: nodes.Expr, scope: Scope) -> Any:
    """The value of an expression, or `Unknown` if that is not known yet; raises as `evaluate`."""
    try:
        return look_ahead(tree, scope)
    except NotKnown:
        return Unknown()


def known_value(value: Any, scope: Scope) -> Any:
    """The value, if all that it needs is in the scope; else None."""
    try:
        return evaluate(value, scope)
    except (ExpressionError, UsesNull):
        return None


def build_request(
    step: Step, scope: Scope, world: World, room: int = MAX_PLAN_BYTES
) -> ItemRequest:
    """The request of one item; `room` is what is left of `MAX_PLAN_BYTES`.

    Raises:
        UsesNull: An argument is null, from a skipped or failed step.
        ExpressionError: An argument cannot be evaluated.
        ItemRequestError: The evaluated arguments do not fit the model.
    """
    arguments: dict[str, Any] = {}
    size = 0
    for name, written in written_arguments(step).items():
        if written is not None:
            arguments[name] = evaluate(written, scope)
            size = _size_with(name, arguments[name], size, room)
    given = given_of(step, arguments, scope, "complete")
    kind = kind_of_step(step)
    request = examine(kind, given, world)
    given.refuse()
    if request is None:
        raise ItemRequestError("the request cannot be made")
    if kind.takes_brand:
        size = 0
        for name, value in request.arguments.items():
            size = _size_with(name, value, size, room)
    return replace(request, size=size)


def examine(kind: Kind, given: Arguments, world: World) -> ItemRequest | None:
    """The request of a kind of step; whatever is wrong is among the problems of `given`."""
    try:
        return kind.request(given, world)
    except ItemRequestError as error:
        given.problem("bad-arguments", str(error), None)
        return None


def given_of(
    step: Step, arguments: Mapping[str, Any], scope: Mapping[str, Any], stage: Stage
) -> Arguments:
    """The arguments of a step, with what its kind evaluates itself."""
    kind = kind_of_step(step)
    own = {name: getattr(step.with_, name) for name in kind.evaluates}
    return Arguments(kind.takes, arguments, stage=stage, written=own, scope=scope)


def alternatives_of(step: Step) -> tuple[Step, ...]:
    """The step as written, then with each `fallback` in place; what one leaves out stays."""
    found = [step]
    for fallback in step.fallback:
        given = {name: value for name, value in fallback if value is not None}
        changed = step.with_.model_copy(update=given)
        found.append(step.model_copy(update={"with_": changed, "fallback": ()}))
    return tuple(found)


def fallback_of(number: int) -> str:
    """How messages begin about an alternative, counted from 1; "" for the request as written."""
    return f"fallback {number}: " if number else ""


def check_kind(model: str | None, media: str, written: str | None) -> None:
    """Raises an `ItemRequestError` if an alternative makes other media than the request as written."""
    if written is not None and media != written:
        raise ItemRequestError(f"{model!r} makes {media}, and the step {written}")


def written_arguments(step: Step) -> dict[str, Any]:
    """The arguments of a step that its kind does not evaluate itself; without defaults where a brand gives them."""
    kind = kind_of_step(step)
    return step.with_.model_dump(
        by_alias=True, exclude_unset=kind.takes_brand, exclude=set(kind.evaluates)
    )


def _size_with(name: str, value: Any, size: int, room: int) -> int:
    """The size with an argument; an `ItemRequestError` if that is too much."""
    size += memory_of(value)
    if size > MAX_REQUEST_BYTES:
        raise ItemRequestError(
            f"{name!r} is too large: the values of one item take more than"
            f" {MAX_REQUEST_BYTES:,} bytes"
        )
    if size > room:
        raise PlanTooLargeError(
            f"{name!r} does not fit: the values of all items of a run may take"
            f" {MAX_PLAN_BYTES:,} bytes; write shorter texts, or fewer items"
        )
    return size
