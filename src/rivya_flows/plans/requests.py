"""The request of an item, from the arguments of its step as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.evaluation import Evaluation, result
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.resolve import (
    Reference,
    evaluate,
    is_computed,
    template,
    tree_references,
)
from rivya_flows.language.expressions.values import ExpressionError, UsesNull, as_text, memory_of
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

_ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg)


class PartlyKnown(dict[str, Any]):
    """The fields of a map that are known; it has others too."""


def known_part(value: Any, scope: Scope) -> Any:
    """The value with its known parts evaluated, and `Unknown` for the rest; raises as `evaluate`."""
    if isinstance(value, Mapping):
        return {key: known_part(part, scope) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [known_part(part, scope) for part in value]
    if not isinstance(value, str) or not is_computed(value):
        return value
    parts = template(value)
    known = [_is_all_known(one.tree, scope) for one in parts.expressions]
    if all(known):
        return evaluate(value, scope)
    certain, here = iter(known), Evaluation(scope)
    least = 0
    for part in parts.parts:
        if isinstance(part, str):
            least += len(part)
        elif next(certain):
            least += len(as_text(result(part.tree, here)))
        else:
            _check_operands(part.tree, scope, here)
    return Unknown(least=least)


def _check_operands(tree: nodes.Node, scope: Scope, here: Evaluation) -> None:
    """Evaluates what is known of a sum that is partly known: a null in it makes all of it null."""
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, _ARITHMETIC):
            waiting += one.iter_child_nodes()
        elif isinstance(one, nodes.Expr) and _is_all_known(one, scope):
            result(one, here)


def known_condition(value: Any, scope: Scope) -> bool | None:
    """Whether an `if` is true; None if that is not known yet, as of an `and` without a side that is false."""
    if value is None:
        return True
    parts = template(value) if isinstance(value, str) and is_computed(value) else None
    try:
        if parts is not None and parts.whole:
            return _holds(parts.expressions[0].tree, scope)
        known = known_part(value, scope)
    except UsesNull:
        return False
    return None if isinstance(known, Unknown) else bool(known)


def _holds(tree: nodes.Expr, scope: Scope) -> bool | None:
    if isinstance(tree, nodes.And | nodes.Or) and not _is_all_known(tree, scope):
        decides = isinstance(tree, nodes.Or)  # the side that is enough
        sides = {_holds_for_certain(one, scope) for one in (tree.left, tree.right)}
        return decides if decides in sides else None if None in sides else not decides
    try:
        known = known_result(tree, scope)
    except UsesNull:
        return False  # of this side alone: the other one may be true
    return None if isinstance(known, Unknown) else bool(known)


def _holds_for_certain(tree: nodes.Expr, scope: Scope) -> bool | None:
    """As `_holds`, of a side that may not be evaluated, and so may not fail."""
    with suppress(ExpressionError):
        return _holds(tree, scope)
    return None


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
    """The value of an expression, or `Unknown` if a part of it is not known; raises as `known_part`."""
    if _is_all_known(tree, scope):
        return result(tree, Evaluation(scope))
    return Unknown()


def known_value(value: Any, scope: Scope) -> Any:
    """The value, if all that it needs is in the scope; else None."""
    try:
        return evaluate(value, scope)
    except (ExpressionError, UsesNull):
        return None


def _is_all_known(tree: nodes.Expr, scope: Scope) -> bool:
    """Whether all that an evaluation reads is known; of a choice that is known, one side."""
    if all(_is_known(one, scope) for one in tree_references(tree)):
        return True
    match tree:
        case nodes.CondExpr():
            test, yes, no = tree.test, tree.expr1, tree.expr2 or nodes.Const(None)
        case nodes.Or():
            test, yes, no = tree.left, tree.left, tree.right
        case nodes.And():
            test, yes, no = tree.left, tree.right, tree.left
        case _:
            return False
    if not _is_all_known(test, scope):
        return False
    choice = nodes.CondExpr(test, nodes.Const(True), nodes.Const(False))
    return _is_all_known(yes if result(choice, Evaluation(scope)) else no, scope)


def _is_known(reference: Reference, scope: Scope) -> bool:
    fields = scope.get(reference.namespace, ())
    if reference.path and f"{reference.namespace}.{reference.path[0]}" in scope:
        return True
    if reference.namespace not in scope:
        return False
    if reference.namespace in ("inputs", "steps"):
        fields = PartlyKnown(fields)
    for name in reference.path:
        if isinstance(fields, PartlyKnown) and name not in fields:
            return False
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    # As a whole it may hold a value that is not known yet.
    return not isinstance(fields, PartlyKnown)


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
