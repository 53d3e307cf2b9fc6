"""Infer the results of operators and filters from the shapes of their operands.

The rules are those of `evaluation` and `filters`; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.evaluation import written
from rivya_flows.language.expressions.filters import FILTERS, usage
from rivya_flows.language.expressions.output_types import (
    ANY,
    BOOLEAN,
    NUMBER,
    TEXT,
    WORDS,
    Kind,
    Shape,
    joined,
    list_of,
    of_data,
    of_text,
)
from rivya_flows.language.expressions.values import ExpressionError, InferenceError, as_text
from rivya_flows.language.wording import an

TEXTS: tuple[Kind, ...] = ("text", "number", "boolean")
"""Kinds that can be used in text."""

_JOIN = "write `~` to join texts"
_JOIN_FIELDS = "list what it joins: [shots[0].text, shots[1].text] | join; or write `| json`"
_FILTERS: Mapping[str, tuple[tuple[Kind, ...], Shape]] = {
    "int": (TEXTS, NUMBER),
    "join": (("list",), TEXT),
    "json": ((), WORDS),
    "length": (("text", "list", "map", "asset"), NUMBER),
    "lower": (TEXTS, TEXT),
    "replace": (TEXTS, TEXT),
    "round": (("number",), NUMBER),
    "seed": ((), NUMBER),
    "slug": (TEXTS, WORDS),
    "string": (TEXTS, TEXT),
    "title": (TEXTS, TEXT),
    "trim": (TEXTS, TEXT),
    "truncate": (TEXTS, TEXT),
    "upper": (TEXTS, TEXT),
}
"""The input kinds of each filter (empty: any) and its result."""


def result_of(tree: nodes.Node, parts: Sequence[Shape]) -> Shape:
    """The shape of the result of any node but a name, a field or an item, from its children's.

    Raises:
        InferenceError: An operand cannot be what it is.
    """
    match tree:
        case nodes.Const():
            value = tree.value
            return of_text(value) if isinstance(value, str) else of_data(value)
        case nodes.List():
            return list_of(joined(list(parts))) if parts else Shape("list")
        case nodes.Pair():
            return parts[1]
        case nodes.Dict():
            keys = [one.key.value for one in tree.items if isinstance(one.key, nodes.Const)]
            known = len(keys) == len(parts)
            fields = dict(zip(map(as_text, keys), parts, strict=True)) if known else None
            return Shape("map", fields, joined(list(parts)))
        case nodes.CondExpr():
            return _either((tree.expr1, tree.expr2), parts[1:])
        case nodes.And() | nodes.Or():
            return _either((tree.left, tree.right), parts)
        case nodes.Not() | nodes.Test():
            return BOOLEAN
        case nodes.Compare():
            _check_compare(tree, parts)
            return BOOLEAN
        case nodes.Concat():
            for operand, shape in zip(tree.nodes, parts, strict=True):
                _need(TEXTS, shape, operand, "cannot be used in text")
            return TEXT
        case nodes.Neg() | nodes.Pos():
            _need(("number",), parts[0], tree.node, "has no sign")
            return NUMBER
        case nodes.BinExpr():
            return _arithmetic(tree, parts[0], parts[1])
        case nodes.Filter():
            return _filter(tree, parts)
        case _:
            return ANY


def _either(branches: Sequence[nodes.Node | None], shapes: Sequence[Shape]) -> Shape:
    """The shape of one of several branches; a literal null is ignored: it skips what uses it."""
    if None in branches:
        return ANY
    known = [
        shape
        for branch, shape in zip(branches, shapes, strict=True)
        if not (isinstance(branch, nodes.Const) and branch.value is None)
    ]
    return joined(known)


def repair(fits: tuple[Kind, ...], shape: Shape) -> str | None:
    """How to fix a value of the wrong kind."""
    if "text" in fits and shape.kind == "asset":
        return "name one of its fields, such as .url"
    if fits == ("text",) and shape.kind == "list":
        return "pick one item with [0], or fan out with `matrix` for each"
    if "text" in fits and shape.kind == "list" and "asset" not in fits:
        return "write `| join(', ')`, or pick one item with [0]"
    if "list" in fits and shape.kind == "map" and shape.fields and "items" in shape.fields:
        return f"write {'.assets' if 'asset' in fits else '.items'} after it"
    if "asset" in fits and shape.kind == "map" and shape.fields and "asset" in shape.fields:
        return "write .asset after it"
    if "text" in fits and shape.kind == "map":
        return "name one of its fields, or write `| json`"
    if shape.kind == "list" and "asset" in fits:
        return "pick one item with [0]"
    if shape.kind in ("asset", "text") and "list" in fits:
        return "write [ ] around it, or use .items or .assets of a step with several items"
    if "asset" in fits and "map" not in fits and shape.kind in ("number", "boolean"):
        return 'write "${{ steps.NAME.asset }}"'
    if fits == ("map",):
        return "write {name: value}"
    if fits == ("text",):
        return "put it in quotes"
    if shape.kind == "map" and "list" in fits:
        return "write [ ] around it, or use .items of a step with several items"
    if "list" in fits:
        return "write a list, such as ['a', 'b']"
    if fits == ("number",):
        found = {"text": "write `| int` after it", "list": "write `| length` after it"}
        return found.get(shape.kind, "name one of its fields, such as .width")
    return None


def _need(fits: tuple[Kind, ...], shape: Shape, operand: nodes.Node, what: str) -> None:
    if fits and shape.kind not in ("any", *fits):
        message = f"{written(operand)} is {an(shape.kind)}, which {what}"
        if not isinstance(operand, nodes.Name | nodes.Getattr | nodes.Getitem):
            message = f"{an(shape.kind)} {what}"
        raise InferenceError("wrong-type", message, repair(fits, shape), written(operand))


def _check_compare(tree: nodes.Compare, parts: Sequence[Shape]) -> None:
    left = parts[0]
    for operand, right in zip(tree.ops, parts[1:], strict=True):
        if operand.op in ("in", "notin"):
            holders: tuple[Kind, ...] = ("text", "list", "map", "asset")
            _need(holders, right, operand.expr, "cannot contain anything")
            if right.kind == "text":
                _need(("text",), left, tree.expr, "cannot be part of text")
        elif operand.op not in ("eq", "ne") and "any" not in (left.kind, right.kind):
            numbers = {"number", "boolean"}
            alike = left.kind == right.kind or {left.kind, right.kind} <= numbers
            if not alike or left.kind in ("map", "asset"):
                message = f"{an(left.kind)} and {an(right.kind)} cannot be compared"
                hint = "name one of its fields, such as .width"
                if "text" in (left.kind, right.kind):
                    hint = "write `| int` after the text"
                raise InferenceError("wrong-type", message, hint, written(operand.expr))
        left = right


def _arithmetic(tree: nodes.BinExpr, left: Shape, right: Shape) -> Shape:
    kinds = {left.kind, right.kind}
    if kinds == {"number"}:
        return NUMBER
    if isinstance(tree, nodes.Add):
        if kinds == {"text"}:
            return TEXT
        if kinds == {"list"}:
            members = [one.member or ANY for one in (left, right)]
            return list_of(joined(members))
        if "any" in kinds and kinds <= {"any", "number", "text", "list"}:
            return ANY
    elif "any" in kinds and kinds <= {"any", "number"}:
        return NUMBER
    hint = None
    if isinstance(tree, nodes.Add) and "text" in kinds:
        hint = _JOIN
    elif "text" in kinds:
        hint = "write `| int` after the text"
    elif "list" in kinds:
        hint = "write `| length` for how many there are, or pick one item with [0]"
    elif kinds & {"asset", "map"}:
        hint = "name one of its fields"
    found = " and ".join(an(shape.kind) for shape in (left, right) if shape.kind != "any")
    wrong = tree.right if left.kind in ("any", "number") else tree.left
    raise InferenceError(
        "wrong-type", f"{tree.operator!r} does not work with {found}", hint, written(wrong)
    )


def _filter(tree: nodes.Filter, parts: Sequence[Shape]) -> Shape:
    value = parts[0]
    assert tree.node is not None  # templates.py lets no filter block through
    if tree.name == "default" and tree.args:
        return _either((tree.node, tree.args[0]), parts[:2])
    if tree.name == "default":
        return joined(list(parts[:2]))
    if tree.name in ("first", "last"):
        _need(("list",), value, tree.node, f"has no {tree.name} member")
        return value.member or ANY
    fits, gives = _FILTERS[tree.name]
    _need(fits, value, tree.node, f"is not what `{tree.name}` takes")
    member = value.member or ANY
    if tree.name == "join" and member.kind not in ("any", *TEXTS):
        name = written(tree.node)
        what = "the list" if name == "the expression" else name
        message = f"each member of {what} is {an(member.kind)}, which cannot be joined"
        raise InferenceError("wrong-type", message, _JOIN_FIELDS, name)
    _check_arguments(tree, fits)
    return WORDS if value.words and gives == TEXT and tree.name != "replace" else gives


def _check_arguments(tree: nodes.Filter, fits: tuple[Kind, ...]) -> None:
    """Tries a filter with its literal arguments: `truncate(0)` fits no text."""
    try:
        positional = [_literal(one) for one in tree.args]
        named = {str(one.key): _literal(one.value) for one in tree.kwargs}
    except nodes.Impossible:
        return
    if not positional and not named:
        return
    value: Any = {"list": ["1"], "number": 1}.get((fits or ("text",))[0], "1")
    try:
        FILTERS[tree.name](value, *positional, **named)
    except ExpressionError as error:
        hint = error.hint or f"write other arguments of `{usage(tree.name)}`"
        raise InferenceError("bad-expression", error.message, hint) from error


def _literal(tree: nodes.Node) -> Any:
    """The value of a literal, perhaps with a sign; raises `Impossible` for anything else."""
    if isinstance(tree, nodes.Neg) and isinstance(tree.node, nodes.Const):
        return -tree.node.value
    if isinstance(tree, nodes.Const):
        return tree.value
    raise nodes.Impossible
