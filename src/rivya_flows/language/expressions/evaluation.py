"""Evaluate expression syntax trees, also in a scope of which only a part is known.

Python is not reachable: a field is an item of a map and never an attribute. Every operation is bounded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from jinja2 import nodes

from rivya_flows.language.expressions.filters import COMPARISONS, FILTERS, LIST_FILTERS, Members
from rivya_flows.language.expressions.values import (
    MAX_BYTES,
    TESTS,
    ExpressionError,
    MissingError,
    UsesNull,
    as_text,
    check_length,
    checked_number,
    is_number,
    memory_of,
    type_name,
)
from rivya_flows.language.wording import an, cut, preview

MAX_WORK = 16 * MAX_BYTES
"""Of one text with expressions: their parts, and the characters that these read or copy."""

MAX_WORK_TOGETHER = 32 * MAX_WORK
"""Of all texts that are evaluated at once: those of the items of a step, or those of a plan."""

_SLOW = {"slug": 16, "split": 4, "title": 4}
"""How much longer than others a filter takes for a character."""

_LESS = "use fewer filters and operators on long texts and large lists"

_AT_ONCE = ("first", "last", "length")
"""Filters that do not read the whole value."""


class NotKnown(Exception):
    """What is read is known later."""


class PartlyKnown(dict[str, Any]):
    """The fields of a map that are known; it has others too."""


class KnownKeys(PartlyKnown):
    """A map with all its keys."""


class KnownPlaces(list[Any]):
    """A list with all its places; its members are known later, as those of `KnownKeys`."""


class TooMuchWorkError(ExpressionError):
    """Several evaluations take more than `MAX_WORK_TOGETHER`."""


@dataclass
class SharedWork:
    """The work that several evaluations may still do together."""

    left: int = MAX_WORK_TOGETHER

    def check(self) -> None:
        """Raises `TooMuchWorkError` if they did more."""
        if self.left < 0:
            most = f"{MAX_WORK_TOGETHER:,} characters"
            raise TooMuchWorkError(f"the expressions of all items handle more than {most}", _LESS)


_TOGETHER: ContextVar[tuple[SharedWork, ...]] = ContextVar("_TOGETHER", default=())


@contextmanager
def evaluated_together() -> Iterator[SharedWork]:
    """Bounds the work of all evaluations inside, beside that of each."""
    work = SharedWork()
    token = _TOGETHER.set((*_TOGETHER.get(), work))
    try:
        yield work
    finally:
        _TOGETHER.reset(token)


@dataclass
class Evaluation:
    """One evaluation of a text with expressions, and the work that it may do, alone and with others.

    One that `looks_ahead` raises `NotKnown` for a name that the scope lacks, and for more of a value than is known.
    """

    scope: Mapping[str, Any]
    left: int = MAX_WORK
    looks_ahead: bool = False
    together: tuple[SharedWork, ...] = field(default_factory=_TOGETHER.get)

    def take(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            message = f"the expression handles more than {MAX_WORK:,} characters"
            raise ExpressionError(message, _LESS)
        for one in self.together:
            one.left -= work
            one.check()

    def make(self, length: int) -> None:
        """Takes the work to make a text or list of this length, which is bounded too."""
        self.take(length)
        check_length(length)

    def read(self, value: Any, weight: int = 1) -> None:
        """Takes the work to read all of a value."""
        if isinstance(value, str):
            self.take(len(value) * weight)
        elif isinstance(value, list | dict):
            self.take(memory_of(value, self.left) * weight)


def result(tree: nodes.Expr, here: Evaluation) -> Any:
    """The value of a whole expression; null only if the author wrote it.

    Raises:
        UsesNull: It refers to a null, or to a field of a null.
        ExpressionError: Anything else does not fit.
    """
    value, source = _evaluate_sourced(tree, here)
    if value is None and source is not None:
        raise UsesNull(source)
    return value


def look_ahead(tree: nodes.Expr, scope: Mapping[str, Any]) -> Any:
    """As `result`, of what is known: inputs and steps that the scope lacks come later; raises `NotKnown`."""
    partly = {name: PartlyKnown(scope[name]) for name in ("inputs", "steps") if name in scope}
    return result(tree, Evaluation({**scope, **partly}, looks_ahead=True))


def holds(tree: nodes.Expr, scope: Mapping[str, Any]) -> bool | None:
    """Whether a condition is true, as far as is known; None if that is not.

    Of a side that is not known the other one may decide; a null makes the side false that it is in.
    """
    try:
        return bool(look_ahead(tree, scope))
    except UsesNull:
        return False
    except NotKnown:
        if isinstance(tree, nodes.Not):
            # What is false may be so for a null, which makes this false too.
            return False if holds(tree.node, scope) else None
        if not isinstance(tree, nodes.And | nodes.Or):
            return None
    sides = {holds(tree.left, scope)}
    with suppress(ExpressionError):  # what is left of it may make it needless
        sides.add(holds(tree.right, scope))
    decides = isinstance(tree, nodes.Or)  # the side that is enough
    return decides if decides in sides else None if None in sides else not decides


_Tree = TypeVar("_Tree", bound=nodes.Node)


def _each(
    trees: Iterable[_Tree], here: Evaluation, read: Callable[[_Tree, Evaluation], Any]
) -> list[Any]:
    """The values of several parts; a null in one makes all null, also where another is not known."""
    found, later = list[Any](), None
    for tree in trees:
        try:
            found.append(read(tree, here))
        except NotKnown as error:
            later = error
        except ExpressionError:
            if later is None:  # else it may not be read
                raise
    if later is not None:
        raise later
    return found


def _evaluate_sourced(tree: nodes.Node, here: Evaluation) -> tuple[Any, str | None]:
    """The value, and of a null its source; None if the author wrote it: ``… else none``.

    Each part is evaluated at most once, so the work grows with the expression and no faster.
    """
    here.take(1)
    match tree:
        case nodes.CondExpr():
            branch = tree.expr1 if _lenient(tree.test, here) else tree.expr2
            return (None, None) if branch is None else _evaluate_sourced(branch, here)
        case nodes.And():
            left, source = _evaluate_sourced(tree.left, here)
            return _evaluate_sourced(tree.right, here) if left else (left, source)
        case nodes.Or():
            left = _present(tree.left, here)
            return (left, None) if left else _evaluate_sourced(tree.right, here)
        case nodes.Filter(name="default"):
            value = _present(tree.node, here)
            # The fallback is evaluated only if it is needed: it may be null itself.
            return _evaluate_sourced(default_of(tree), here) if value is None else (value, None)
    value = _compute(tree, here)
    if here.looks_ahead and isinstance(value, PartlyKnown | KnownPlaces):
        raise NotKnown
    found = value is not None or isinstance(tree, nodes.Const)
    return value, None if found else name_of(tree)


def default_of(tree: nodes.Filter) -> nodes.Expr:
    """What the filter `default` gives instead of null; the parser has checked that it is there."""
    return tree.args[0] if tree.args else tree.kwargs[0].value


def name_of(tree: nodes.Node) -> str:
    """A name with its fields, as written."""
    match tree:
        case nodes.Name():
            return tree.name
        case nodes.Getattr():
            return f"{name_of(tree.node)}.{tree.attr}"
        case nodes.Getitem():
            inside = repr(tree.arg.value) if isinstance(tree.arg, nodes.Const) else "…"
            return f"{name_of(tree.node)}[{inside}]"
        case nodes.Filter(node=nodes.Node() as value):
            return f"{name_of(value)} | {tree.name}"
        case _:
            return "the expression"


def _value(tree: nodes.Node, here: Evaluation) -> Any:
    return _evaluate_sourced(tree, here)[0]


def _require(tree: nodes.Node, here: Evaluation) -> Any:
    """The value of a part that must not be null."""
    value = _value(tree, here)
    if value is None:
        raise UsesNull(name_of(tree))
    return value


def _holder(tree: nodes.Node, here: Evaluation) -> Any:
    """As `_require`, of what a field or an item is read: it may be known in part."""
    if not isinstance(tree, nodes.Name | nodes.Getattr | nodes.Getitem):
        return _require(tree, here)
    here.take(1)
    value = _compute(tree, here)
    if value is None:
        raise UsesNull(name_of(tree))
    return value


def _compute(tree: nodes.Node, here: Evaluation) -> Any:
    match tree:
        case nodes.Name():
            if tree.name not in here.scope:
                if here.looks_ahead:
                    raise NotKnown
                raise ExpressionError(f"{tree.name!r} is not defined here", about=tree.name)
            return here.scope[tree.name]
        case nodes.Const():
            return tree.value
        case nodes.Getattr(node=nodes.Name(name=name)) if own_name(name, tree.attr, here.scope):
            return here.scope[f"{name}.{tree.attr}"]
        case nodes.Getattr():
            return _item(tree.node, _holder(tree.node, here), tree.attr, here)
        case nodes.Getitem():
            return _subscript(tree, here)
        case nodes.List():
            return _each(tree.items, here, result)
        case nodes.Dict():
            return dict(_pair(pair, here) for pair in tree.items)
        case nodes.Not():
            return not _value(tree.node, here)
        case nodes.Test():
            return TESTS[tree.name](_present(tree.node, here))
        case nodes.Filter():
            return _filter(tree, here)
        case nodes.Concat():
            pieces = [*map(as_text, _each(tree.nodes, here, _require))]
            here.make(sum(map(len, pieces)))
            return "".join(pieces)
        case nodes.Compare():
            return _compare(tree, here)
        case nodes.Neg() | nodes.Pos():
            value = _require(tree.node, here)
            if not is_number(value):
                raise ExpressionError(f"{an(type_name(value))} has no sign")
            return checked_number(-value if isinstance(tree, nodes.Neg) else value)
        case nodes.BinExpr():
            return _arithmetic(tree, here)
        case _:
            raise ExpressionError(f"{type(tree).__name__.lower()!r} is not part of the language")


def own_name(name: str, field: str, scope: Mapping[str, Any]) -> bool:
    """Whether a field is a name of the scope itself, such as ``item.key``, and no field of what `name` is."""
    held = scope.get(name)
    return f"{name}.{field}" in scope and not (isinstance(held, Mapping) and field in held)


def _pair(pair: nodes.Pair, here: Evaluation) -> tuple[str, Any]:
    key = _require(pair.key, here)
    if not isinstance(key, str):
        raise ExpressionError(f"the key of a map must be text, not {preview(key)}")
    return key, _value(pair.value, here)


def _subscript(tree: nodes.Getitem, here: Evaluation) -> Any:
    if not isinstance(tree.arg, nodes.Slice):
        return _item(tree.node, _holder(tree.node, here), _require(tree.arg, here), here)
    holder = _require(tree.node, here)
    start, stop = (
        None if bound is None else _index(_require(bound, here))
        for bound in (tree.arg.start, tree.arg.stop)
    )
    if not isinstance(holder, str | list):
        kind = an(type_name(holder))
        raise ExpressionError(f"{name_of(tree.node)} is {kind} and cannot be sliced")
    here.take(len(holder))
    return holder[start:stop]


def _item(tree: nodes.Node, holder: Any, key: Any, here: Evaluation) -> Any:
    if isinstance(holder, Mapping):
        # The keys of `by` are text, and a value of a matrix may be a number.
        if isinstance(key, str | int | float) and as_text(key) in holder:
            return holder[as_text(key)]
        if here.looks_ahead and type(holder) is PartlyKnown:
            raise NotKnown
        known = ", ".join(map(str, islice(holder, 20))) or "nothing"
        raise MissingError(f"{name_of(tree)} has no {preview(key)}; it has: {cut(known, 300)}")
    if isinstance(holder, list | str) and isinstance(key, int):
        try:
            return holder[_index(key)]
        except IndexError:
            held = f"{len(holder)} item{'' if len(holder) == 1 else 's'}"
            raise MissingError(f"{name_of(tree)} has {held}, so there is no [{key}]") from None
    hint = "pick an item first: [0]" if isinstance(holder, list) else None
    message = f"{name_of(tree)} is {an(type_name(holder))} and has no {preview(key)}"
    raise ExpressionError(message, hint)


def _index(key: Any) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    raise ExpressionError(f"{preview(key)} is not a whole number")


def _lenient(tree: nodes.Node, here: Evaluation) -> Any:
    """The value; null for a field of a null."""
    try:
        return _value(tree, here)
    except UsesNull:
        return None


def _present(tree: nodes.Node | None, here: Evaluation) -> Any:
    """The value; null for a field of a null, or one that is missing."""
    assert tree is not None  # the parser lets no filter block through
    try:
        return _value(tree, here)
    except (UsesNull, MissingError):
        return None


def _compare(tree: nodes.Compare, here: Evaluation) -> bool:
    left = _value(tree.expr, here)
    for operand in tree.ops:
        right = _value(operand.expr, here)
        here.read(left)
        here.read(right)
        try:
            holds = _COMPARISONS[operand.op](left, right)
        except TypeError:
            for side, value in ((tree.expr, left), (operand.expr, right)):
                if value is None:
                    raise UsesNull(name_of(side)) from None
            raise ExpressionError(
                f"{an(type_name(left))} and {an(type_name(right))} cannot be compared"
            ) from None
        if not holds:
            return False
        left = right
    return True


def _arithmetic(tree: nodes.BinExpr, here: Evaluation) -> Any:
    left, right = _each((tree.left, tree.right), here, _require)
    if is_number(left) and is_number(right):
        try:
            return checked_number(_NUMBER_OPERATIONS[type(tree)](left, right))
        except (ZeroDivisionError, OverflowError):
            raise ExpressionError("division by zero, or a number that is too large") from None
    kinds = type_name(left), type_name(right)
    if isinstance(tree, nodes.Add) and kinds in (("text", "text"), ("list", "list")):
        here.make(len(left) + len(right))
        return left + right
    hint = "write `~` to join texts" if isinstance(tree, nodes.Add) else None
    found = " and ".join(map(an, kinds))
    raise ExpressionError(f"{tree.operator!r} does not work with {found}", hint)


def _filter(tree: nodes.Filter, here: Evaluation) -> Any:
    assert tree.node is not None
    value = _require(tree.node, here)
    positional = [result(argument, here) for argument in tree.args]
    named = {str(pair.key): result(pair.value, here) for pair in tree.kwargs}
    return _apply(here, tree.name, value, positional, named)


def _apply(
    here: Evaluation, name: str, value: Any, positional: Sequence[Any], named: Mapping[str, Any]
) -> Any:
    if name in LIST_FILTERS:
        if not isinstance(value, list):
            raise ExpressionError(f"expected a list, not {an(type_name(value))}")
        member = partial(_item, nodes.Name("a member of the list", "load"), here=here)
        value = Members(value, here.take, here.read, member, partial(_apply, here))
    elif name not in _AT_ONCE:
        here.read(value, _SLOW.get(name, 1))
    made = FILTERS[name](value, *positional, **named)
    if isinstance(made, str | list):
        here.make(len(made))
    return made


_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    **COMPARISONS,
    "eq": operator.eq,
    "lteq": operator.le,
    "gteq": operator.ge,
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
