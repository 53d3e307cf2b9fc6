"""Evaluate expression syntax trees.

Python is not reachable: a field is an item of a map and never an attribute, and every operation is
bounded while it runs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.filters import FILTERS, TESTS
from rivya_flows.language.expressions.values import (
    ExpressionError,
    MissingError,
    UsesNull,
    as_text,
    check_length,
    checked_number,
    is_number,
    type_name,
)
from rivya_flows.language.wording import an


def result(tree: nodes.Expr, scope: Mapping[str, Any]) -> Any:
    """The value of a whole expression; null only if the author wrote it.

    Raises:
        UsesNull: It refers to a null, or to a field of a null.
        ExpressionError: Anything else that does not fit.
    """
    value = _value(tree, scope)
    if value is None and (culprit := _null_source(tree, scope)):
        raise UsesNull(culprit)
    return value


def _null_source(tree: nodes.Expr, scope: Mapping[str, Any]) -> str | None:
    """The source of the null, or None if the author wrote it: ``… else none``."""
    if isinstance(tree, nodes.CondExpr):
        branch = tree.expr1 if _lenient(tree.test, scope) else tree.expr2
        return None if branch is None else _null_source(branch, scope)
    if isinstance(tree, nodes.And | nodes.Or):
        # A null is never the true side of an `or`; of an `and` it is whichever came first.
        first = isinstance(tree, nodes.And) and _value(tree.left, scope) is None
        return _null_source(tree.left if first else tree.right, scope)
    if isinstance(tree, nodes.Filter) and tree.name == "default":
        return _null_source(tree.args[0], scope) if tree.args else None
    return None if isinstance(tree, nodes.Const) else written(tree)


def written(tree: nodes.Node) -> str:
    """A name with its fields, as written."""
    if isinstance(tree, nodes.Name):
        return tree.name
    if isinstance(tree, nodes.Getattr):
        return f"{written(tree.node)}.{tree.attr}"
    if isinstance(tree, nodes.Getitem):
        inside = repr(tree.arg.value) if isinstance(tree.arg, nodes.Const) else "…"
        return f"{written(tree.node)}[{inside}]"
    if isinstance(tree, nodes.Filter) and tree.node is not None:
        return f"{written(tree.node)} | {tree.name}"
    return "the expression"


def _value(tree: nodes.Node, scope: Mapping[str, Any]) -> Any:
    evaluator = _EVALUATORS.get(type(tree))
    if evaluator is None:
        raise ExpressionError(f"{type(tree).__name__.lower()!r} is not part of the language")
    return evaluator(tree, scope)


def _needed(tree: nodes.Node, scope: Mapping[str, Any]) -> Any:
    """The value of a part that must not be null."""
    value = _value(tree, scope)
    if value is None:
        raise UsesNull(written(tree))
    return value


def _name(tree: nodes.Name, scope: Mapping[str, Any]) -> Any:
    if tree.name not in scope:
        raise ExpressionError(f"{tree.name!r} is not defined here", about=tree.name)
    return scope[tree.name]


def _field(tree: nodes.Getattr, scope: Mapping[str, Any]) -> Any:
    return _item(tree.node, _needed(tree.node, scope), tree.attr)


def _subscript(tree: nodes.Getitem, scope: Mapping[str, Any]) -> Any:
    holder = _needed(tree.node, scope)
    if isinstance(tree.arg, nodes.Slice):
        start, stop = (
            None if bound is None else _index(_needed(bound, scope))
            for bound in (tree.arg.start, tree.arg.stop)
        )
        if isinstance(holder, str | list):
            return holder[start:stop]
        raise ExpressionError(
            f"{written(tree.node)} is {an(type_name(holder))} and cannot be sliced"
        )
    return _item(tree.node, holder, _needed(tree.arg, scope))


def _item(tree: nodes.Node, holder: Any, key: Any) -> Any:
    if isinstance(holder, Mapping):
        # The keys of `by` are text, and a value of a matrix may be a number.
        if isinstance(key, str | int | float) and as_text(key) in holder:
            return holder[as_text(key)]
        known = ", ".join(map(str, list(holder)[:20])) or "nothing"
        raise MissingError(f"{written(tree)} has no {key!r:.60}", f"it has: {known:.1000}")
    if isinstance(holder, list | str) and isinstance(key, int):
        try:
            return holder[_index(key)]
        except IndexError:
            held = f"{len(holder)} item{'' if len(holder) == 1 else 's'}"
            raise MissingError(f"{written(tree)} has {held}, so there is no [{key}]") from None
    hint = "pick an item first: [0]" if isinstance(holder, list) else None
    raise ExpressionError(
        f"{written(tree)} is {an(type_name(holder))} and has no {key!r:.60}", hint
    )


def _index(key: Any) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    raise ExpressionError(f"{key!r:.60} is not a whole number")


def _list(tree: nodes.List, scope: Mapping[str, Any]) -> list[Any]:
    return [result(member, scope) for member in tree.items]


def _dict(tree: nodes.Dict, scope: Mapping[str, Any]) -> dict[str, Any]:
    made = {}
    for pair in tree.items:
        key = _needed(pair.key, scope)
        if not isinstance(key, str):
            raise ExpressionError(f"the key of a map must be text, not {key!r:.60}")
        made[key] = _value(pair.value, scope)
    return made


def _lenient(tree: nodes.Node, scope: Mapping[str, Any]) -> Any:
    """The value; null for a field of a null."""
    try:
        return _value(tree, scope)
    except UsesNull:
        return None


def _conditional(tree: nodes.CondExpr, scope: Mapping[str, Any]) -> Any:
    if _lenient(tree.test, scope):
        return _value(tree.expr1, scope)
    return None if tree.expr2 is None else _value(tree.expr2, scope)


def _compare(tree: nodes.Compare, scope: Mapping[str, Any]) -> bool:
    left = _value(tree.expr, scope)
    for operand in tree.ops:
        right = _value(operand.expr, scope)
        try:
            holds = _COMPARISONS[operand.op](left, right)
        except TypeError:
            for side, value in ((tree.expr, left), (operand.expr, right)):
                if value is None:
                    raise UsesNull(written(side)) from None
            raise ExpressionError(
                f"{an(type_name(left))} and {an(type_name(right))} cannot be compared"
            ) from None
        if not holds:
            return False
        left = right
    return True


def _arithmetic(tree: nodes.BinExpr, scope: Mapping[str, Any]) -> Any:
    left, right = _needed(tree.left, scope), _needed(tree.right, scope)
    if is_number(left) and is_number(right):
        try:
            return checked_number(_NUMBER_OPERATIONS[type(tree)](left, right))
        except (ZeroDivisionError, OverflowError):
            raise ExpressionError("division by zero, or a number that is too large") from None
    if isinstance(tree, nodes.Add):
        if isinstance(left, str) and isinstance(right, str):
            check_length(len(left) + len(right))
            return left + right
        if isinstance(left, list) and isinstance(right, list):
            check_length(len(left) + len(right))
            return left + right
    hint = "write `~` to join texts" if isinstance(tree, nodes.Add) else None
    raise ExpressionError(
        f"{tree.operator!r} does not work with {an(type_name(left))} and {an(type_name(right))}",
        hint,
    )


def _sign(tree: nodes.UnaryExpr, scope: Mapping[str, Any]) -> int | float:
    value = _needed(tree.node, scope)
    if not is_number(value):
        raise ExpressionError(f"{an(type_name(value))} has no sign")
    return checked_number(-value if isinstance(tree, nodes.Neg) else value)


def _concat(tree: nodes.Concat, scope: Mapping[str, Any]) -> str:
    pieces = [as_text(_needed(part, scope)) for part in tree.nodes]
    check_length(sum(map(len, pieces)))
    return "".join(pieces)


def _filter(tree: nodes.Filter, scope: Mapping[str, Any]) -> Any:
    assert tree.node is not None  # templates.py lets no filter block through
    if tree.name == "default":
        try:
            value = _value(tree.node, scope)
        except (UsesNull, MissingError):
            value = None
        # The fallback is evaluated only if it is needed: it may be null itself.
        fallback = tree.args[0] if tree.args else tree.kwargs[0].value
        return _value(fallback, scope) if value is None else value
    value = _needed(tree.node, scope)
    positional = [_needed(argument, scope) for argument in tree.args]
    named = {str(pair.key): _needed(pair.value, scope) for pair in tree.kwargs}
    result = FILTERS[tree.name](value, *positional, **named)
    if isinstance(result, str):
        check_length(len(result))
    return result


def _test(tree: nodes.Test, scope: Mapping[str, Any]) -> bool:
    try:
        value = _value(tree.node, scope)
    except (UsesNull, MissingError):
        value = None
    return TESTS[tree.name](value)


_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda member, holder: member in holder,
    "notin": lambda member, holder: member not in holder,
}
_NUMBER_OPERATIONS: Mapping[type[nodes.Node], Callable[[Any, Any], Any]] = {
    nodes.Add: operator.add,
    nodes.Sub: operator.sub,
    nodes.Mul: operator.mul,
    nodes.Div: operator.truediv,
    nodes.FloorDiv: operator.floordiv,
    nodes.Mod: operator.mod,
}
_EVALUATORS: dict[type[nodes.Node], Callable[[Any, Mapping[str, Any]], Any]] = {
    nodes.Name: _name,
    nodes.Const: lambda tree, _scope: tree.value,
    nodes.Getattr: _field,
    nodes.Getitem: _subscript,
    nodes.List: _list,
    nodes.Dict: _dict,
    nodes.CondExpr: _conditional,
    nodes.And: lambda tree, scope: _value(tree.left, scope) and _value(tree.right, scope),
    nodes.Or: lambda tree, scope: _lenient(tree.left, scope) or _value(tree.right, scope),
    nodes.Not: lambda tree, scope: not _value(tree.node, scope),
    nodes.Compare: _compare,
    nodes.Neg: _sign,
    nodes.Pos: _sign,
    nodes.Concat: _concat,
    nodes.Filter: _filter,
    nodes.Test: _test,
}
_EVALUATORS.update(dict.fromkeys(_NUMBER_OPERATIONS, _arithmetic))
