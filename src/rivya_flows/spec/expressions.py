"""Expressions: what they refer to, and what they are worth.

Syntax trees are walked here and nothing of Python is reachable: a field is an item of a
map and never an attribute, and every operation is bounded while it runs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from rivya_flows.spec.filters import FILTERS, TESTS
from rivya_flows.spec.templates import OPEN, template
from rivya_flows.spec.values import (
    ExpressionError,
    MissingError,
    UsesNull,
    as_text,
    check_length,
    checked_number,
    checked_size,
    is_number,
    type_name,
)

__all__ = [
    "ExpressionError",
    "Reference",
    "UsesNull",
    "condition",
    "evaluate",
    "references",
    "tree_references",
]


@dataclass(frozen=True, order=True)
class Reference:
    """A name that an expression reads.

    Attributes:
        namespace: ``inputs``, ``steps``, ``matrix``, ``zip``, or the loop variable.
        path: The fields after it, as far as they are written out; an index is its digits.
            A computed item ends the path.
    """

    namespace: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.namespace, *self.path))


def references(value: Any) -> frozenset[Reference]:
    """All names that the expressions in a value read, however deep they lie.

    Raises:
        ExpressionError: An expression is not of the language.
    """
    found: set[Reference] = set()
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if OPEN in part:
                for expression in template(part).expressions:
                    found.update(tree_references(expression.tree))
        elif isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
    return frozenset(found)


def tree_references(tree: nodes.Node) -> Iterator[Reference]:
    """The names that one syntax tree reads, with their paths as long as they go."""
    reference = as_reference(tree)
    if reference is not None:
        yield reference
    node: nodes.Node = tree
    if reference is not None:
        # The chain itself is told; what is computed inside its brackets is not.
        while isinstance(node, nodes.Getattr | nodes.Getitem):
            if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
                yield from tree_references(node.arg)
            node = node.node
        return
    for child in tree.iter_child_nodes():
        yield from tree_references(child)


def as_reference(tree: nodes.Node) -> Reference | None:
    """The reference, if the tree is nothing but a name with fields and items; else None."""
    steps: list[str | None] = []
    while isinstance(tree, nodes.Getattr | nodes.Getitem):
        if isinstance(tree, nodes.Getattr):
            steps.append(tree.attr)
        elif isinstance(tree.arg, nodes.Const):
            steps.append(str(tree.arg.value))
        else:
            steps.append(None)
        tree = tree.node
    if not isinstance(tree, nodes.Name):
        return None
    steps.reverse()
    known = steps[: steps.index(None)] if None in steps else steps
    return Reference(tree.name, tuple(step for step in known if step is not None))


def evaluate(value: Any, scope: Mapping[str, Any]) -> Any:
    """The value with every expression in it replaced by what it is worth.

    An expression alone keeps its type; one inside text becomes text. Maps and lists are
    evaluated member by member.

    Args:
        value: A JSON value that may hold expressions.
        scope: What the names stand for: plain maps, lists and scalars.

    Raises:
        UsesNull: A null is used alone, in text, or looked into.
        ExpressionError: Anything else that does not fit.
    """
    if isinstance(value, str):
        return _evaluate_text(value, scope) if OPEN in value else value
    if isinstance(value, Mapping):
        return {key: evaluate(part, scope) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [evaluate(part, scope) for part in value]
    return value


def condition(value: Any, scope: Mapping[str, Any]) -> bool:
    """Whether an `if` holds. None holds; a null that it uses does not.

    Raises:
        ExpressionError: The expression does not fit.
    """
    if value is None:
        return True
    try:
        return bool(evaluate(value, scope))
    except UsesNull:
        return False


def _evaluate_text(text: str, scope: Mapping[str, Any]) -> Any:
    parts = template(text)
    if parts.whole:
        return checked_size(_result(parts.expressions[0].tree, scope))
    pieces: list[str] = []
    size = 0
    for part in parts.parts:
        piece = part if isinstance(part, str) else as_text(_result(part.tree, scope))
        size += len(piece)
        check_length(size)
        pieces.append(piece)
    return checked_size("".join(pieces))


def _result(tree: nodes.Expr, scope: Mapping[str, Any]) -> Any:
    value = _value(tree, scope)
    if value is None and (culprit := _null_source(tree, scope)):
        raise UsesNull(culprit)
    return value


def _null_source(tree: nodes.Expr, scope: Mapping[str, Any]) -> str | None:
    """What gave the null, or None where the author wrote it: ``… else none``."""
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
    """A name with its fields as one would write it."""
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
        raise ExpressionError(f"{tree.name!r} is not known here", about=tree.name)
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
        raise ExpressionError(f"{written(tree.node)} is a {type_name(holder)} and has no slices")
    return _item(tree.node, holder, _needed(tree.arg, scope))


def _item(tree: nodes.Node, holder: Any, key: Any) -> Any:
    if isinstance(holder, Mapping):
        # The keys of `by` are text, and what a matrix gives may be a number.
        if isinstance(key, str | int | float) and as_text(key) in holder:
            return holder[as_text(key)]
        known = ", ".join(map(str, list(holder)[:20])) or "nothing"
        raise MissingError(f"{written(tree)} has no {key!r}", f"it has: {known}")
    if isinstance(holder, list | str) and isinstance(key, int):
        try:
            return holder[_index(key)]
        except IndexError:
            raise MissingError(
                f"{written(tree)} has {len(holder)} members, so there is no [{key}]"
            ) from None
    hint = "pick a member first: [0]" if isinstance(holder, list) else None
    raise ExpressionError(f"{written(tree)} is a {type_name(holder)} and has no {key!r}", hint)


def _index(key: Any) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    raise ExpressionError(f"{key!r:.60} is not a whole number")


def _list(tree: nodes.List, scope: Mapping[str, Any]) -> list[Any]:
    return [_result(member, scope) for member in tree.items]


def _dict(tree: nodes.Dict, scope: Mapping[str, Any]) -> dict[str, Any]:
    made = {}
    for pair in tree.items:
        key = _needed(pair.key, scope)
        if not isinstance(key, str):
            raise ExpressionError(f"the key of a map is text, not {key!r:.60}")
        made[key] = _value(pair.value, scope)
    return made


def _lenient(tree: nodes.Node, scope: Mapping[str, Any]) -> Any:
    """The value; null where it looks into a null."""
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
                f"a {type_name(left)} and a {type_name(right)} cannot be compared"
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
        f"{tree.operator!r} does not fit a {type_name(left)} and a {type_name(right)}", hint
    )


def _sign(tree: nodes.UnaryExpr, scope: Mapping[str, Any]) -> int | float:
    value = _needed(tree.node, scope)
    if not is_number(value):
        raise ExpressionError(f"a {type_name(value)} has no sign")
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
        # The fallback is only looked at where it is needed: it may be null itself.
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
