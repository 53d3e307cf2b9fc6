"""Evaluates values that are only partly known before the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.evaluation import Evaluation, result
from rivya_flows.language.expressions.output_types import Unknown, has_unknown
from rivya_flows.language.expressions.resolve import (
    Reference,
    evaluate,
    is_computed,
    tree_references,
)
from rivya_flows.language.expressions.templates import template
from rivya_flows.language.expressions.values import ExpressionError, UsesNull, as_text

Scope = Mapping[str, Any]

_ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg)


class PartlyKnown(dict[str, Any]):
    """The fields of a map that are known; it has others too."""


def known_part(value: Any, scope: Scope) -> Any:
    """The value with known parts (inputs and loop variables) evaluated, and `Unknown` for the rest.

    Raises:
        UsesNull: A null is used where a value is needed.
        ExpressionError: A known part cannot be evaluated.
    """
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


def known_result(tree: nodes.Expr, scope: Scope) -> Any:
    """The value of an expression, or `Unknown` if a part of it is not known.

    Raises:
        UsesNull: A null is used where a value is needed.
        ExpressionError: It cannot be evaluated.
    """
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
    held = scope.get(reference.namespace, ())
    if reference.namespace in ("inputs", "steps") or isinstance(held, PartlyKnown):
        # As a whole they may hold a value that is not known yet.
        return bool(reference.path) and reference.path[0] in held
    return reference.namespace in scope


def members(value: Any) -> list[Any]:
    """The known members of a list or of a single value."""
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return [one for one in listed if not has_unknown(one)]
