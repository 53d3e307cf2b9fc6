"""Infer the shape of an expression from its syntax tree, before anything runs.

Only certain mistakes are reported: a value of unknown shape fits everything. The rules are those of
`evaluation` and `filters`; a test compares them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from jinja2 import nodes

from rivya_cut.terms import FORMATS
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.language.expressions.evaluation import default_of, name_of
from rivya_flows.language.expressions.filters import (
    FILTERS,
    LIST_FILTERS,
    NAME_A_FIELD,
    TEST_AT,
    Members,
    attribute_path,
    usage,
)
from rivya_flows.language.expressions.output_types import (
    ANY,
    BOOLEAN,
    BY_PLACE,
    BY_SIZE,
    NUMBER,
    PROSE,
    TEXT,
    Kind,
    Scope,
    Shape,
    field_of,
    is_place,
    list_of,
    map_of,
    merge_shapes,
    of_data,
    of_text,
)
from rivya_flows.language.expressions.resolve import OPEN, as_reference, bare_name, template
from rivya_flows.language.expressions.values import (
    FORMAT_HINT,
    ExpressionError,
    InferenceError,
    as_text,
    check_format,
    format_letters,
)
from rivya_flows.language.wording import an, preview

TEXTS: tuple[Kind, ...] = ("text", "number", "boolean")
"""Kinds that can be used in text."""

_JOIN = "write `~` to join texts"
_NO_NUMBER: Mapping[Kind, str] = {
    "text": "write `| int` after the text",
    "list": "write `| length` for how many there are, or pick one item with [0]",
    "asset": "name one of its fields",
    "map": "name one of its fields",
}
_FILTERS: Mapping[str, tuple[tuple[Kind, ...], Shape]] = {
    "int": (TEXTS, NUMBER),
    "json": ((), PROSE),
    "length": (("text", "list", "map", "asset"), NUMBER),
    "lower": (TEXTS, TEXT),
    "replace": (TEXTS, TEXT),
    "round": (("number",), NUMBER),
    "seed": ((), NUMBER),
    "slug": (TEXTS, PROSE),
    "split": (TEXTS, list_of(TEXT)),
    "string": (TEXTS, TEXT),
    "title": (TEXTS, TEXT),
    "trim": (TEXTS, TEXT),
    "truncate": (TEXTS, TEXT),
    "upper": (TEXTS, TEXT),
}
"""The input kinds of each filter (empty: any) and its result."""

_COMPARING: Mapping[str, tuple[tuple[Kind, ...], str]] = {
    "groupby": (TEXTS, "compared"),
    "join": (TEXTS, "joined"),
    "max": (TEXTS, "compared"),
    "min": (TEXTS, "compared"),
    "sort": (TEXTS, "compared"),
    "sum": (("number",), "added"),
}
"""The kinds of members, or of their field, that a filter of lists takes, and what it does to them."""


def shape_of(tree: nodes.Node, scope: Scope) -> Shape:
    """The shape of an expression, as far as it is known.

    Raises:
        InferenceError: It uses an unknown name, or a value of the wrong type.
    """
    match tree:
        case nodes.Name(name="steps"):  # as a value, it would depend on the order of the steps
            message = "'steps' needs the name of a step"
            raise InferenceError("unnamed-step", message, "write steps.NAME")
        case nodes.Name():
            return _shape_of_name(tree, scope)
        case nodes.Getattr(node=nodes.Name(name=name)) if (
            own := scope.get(f"{name}.{tree.attr}")
        ) is not None:
            held = field_of(scope.get(name, own), tree.attr)
            return own if held is None else held
        case nodes.Getattr():
            try:
                holder = _holder(tree.node, scope)
            except InferenceError as error:
                if error.fields_of_each and as_reference(tree):
                    error.fields_of_each = (*error.fields_of_each, tree.attr)
                raise
            return _field(tree, holder, tree.attr)
        case nodes.Getitem(arg=nodes.Const(value=place)):
            held = _holder(tree.node, scope)
            if held.kind == "list" and type(place) is not int:
                path = name_of(tree.node)
                hint = "indexes start at 0: [0] is the first; .by finds an item by its key"
                message = f"{path} is a list and has no {place!r}"
                raise InferenceError("unknown-field", message, hint, path)
            return _field(tree, held, as_text(place))
        case nodes.Getitem(arg=nodes.Slice()):
            holder = shape_of(tree.node, scope)
            for child in tree.arg.iter_child_nodes():
                shape_of(child, scope)
            return holder
        case nodes.Getitem():
            return _computed_item(tree, shape_of(tree.node, scope), shape_of(tree.arg, scope))
        case _:
            return _result(tree, [shape_of(child, scope) for child in _operands(tree)])


def _computed_item(tree: nodes.Getitem, holder: Shape, key: Shape) -> Shape:
    if key.kind in ("asset", "list", "map") or (holder.kind, key.kind) == ("list", "text"):
        of = " of a list" if holder.kind == "list" else ""
        hint = "a list takes a number in [ ]; .by finds an item by its key"
        if key.kind != "text":
            hint = "name one of its fields, such as .key"
        message = f"{an(key.kind)} cannot be a key or a place{of}"
        raise InferenceError("wrong-type", message, hint, name_of(tree.arg))
    check_keys(tree, holder, key.values)
    return holder.member or ANY


def check_keys(tree: nodes.Getitem, holder: Shape, keys: Sequence[str]) -> None:
    """Raises an `InferenceError` if a holder has none of the keys that a computed one may be."""
    lost = [name for name in keys if name not in holder.lacks and not field_of(holder, name)]
    if lost and len(lost) == len(keys):
        path, name = name_of(tree.node), lost[0]
        message = f"{path} has no {preview(name)}"
        raise InferenceError("unknown-field", message, _instead(holder, name), path)


def known_shape(value: Any, scope: Scope) -> Shape:
    """The shape of a literal or computed value; ``any`` where it has mistakes, reported elsewhere."""
    if not isinstance(value, str) or OPEN not in value:
        return of_data(value)
    try:
        parts = template(value)
        return shape_of(parts.expressions[0].tree, scope) if parts.whole else TEXT
    except ExpressionError:
        return ANY


def is_bare(text: str, scope: Scope) -> bool:
    """Whether a text is just an existing name without braces."""
    found = bare_name(text)
    if found is None or found[0] not in scope:
        return False
    return found[1] in (scope[found[0]].fields or ())


def _operands(tree: nodes.Node) -> Iterator[nodes.Node]:
    for child in tree.iter_child_nodes():
        # Wrappers: the other side of a comparison, a named argument.
        held = isinstance(child, nodes.Operand | nodes.Keyword)
        yield from child.iter_child_nodes() if held else (child,)


def _holder(tree: nodes.Node, scope: Scope) -> Shape:
    """The shape of the holder of a literal field."""
    return _shape_of_name(tree, scope) if isinstance(tree, nodes.Name) else shape_of(tree, scope)


def _shape_of_name(tree: nodes.Name, scope: Scope) -> Shape:
    if tree.name in scope:
        return scope[tree.name]
    hints = {
        "brand": "add `brand: brand.yaml` to the spec, or `brand: {name: …}`",
        "matrix": "only a step with `matrix:` has it, inside `with`, `if` and `key`",
        "zip": "only a step with `zip:` has it, inside `with`, `if` and `key`",
        "previous": "only a step with `repeat:` has it, inside `with`",
        "item": "a step with `foreach:` and no `as:` has it, inside `with`, `if` and `key`; a step with"
        " any fan-out has item.index there, and item.key in `with` and `if`",
    }
    if tree.name in hints:
        message = f"{tree.name!r} is not defined here"
        raise InferenceError("out-of-scope", message, hints[tree.name], tree.name)
    for namespace in ("inputs", "steps"):
        if tree.name in (scope[namespace].fields or {}):
            hint = f"write {namespace}.{tree.name}"
            raise InferenceError("unknown-name", f"unknown name {tree.name!r}", hint, tree.name)
    choices = suggest(tree.name, scope)
    message = f"unknown name {tree.name!r}"
    raise InferenceError("unknown-name", message, choices, tree.name, among=scope)


def _field(tree: nodes.Getattr | nodes.Getitem, holder: Shape, name: str) -> Shape:
    found = field_of(holder, name)
    if found is not None:
        return found
    path = name_of(tree.node)
    about = f"{path}.{name}" if isinstance(tree, nodes.Getattr) else path
    if path == "steps" and name in holder.lacks:
        message = f"the step {name!r} runs later, so its result is not available here"
        raise InferenceError("out-of-scope", message, holder.lacks[name], about)
    code, message, otherwise = {
        "inputs": ("unknown-input", f"unknown input {name!r}", "the spec has no inputs"),
        "steps": ("unknown-step", f"unknown step {name!r}", "the spec has no steps"),
        **{loop: ("unknown-variable", f"{loop} has no axis {name!r}",
                  f"add it to `{loop}`: {name}: [first, second]") for loop in ("matrix", "zip")},
    }.get(path, ("unknown-field", f"{path} has no {name!r}", None))  # fmt: skip

    def find_hint() -> str | None:
        if name in holder.lacks:
            return holder.lacks[name]
        if error.fields_of_each:
            return _of_each(path, holder, error.fields_of_each)
        if otherwise is None:
            return _instead(holder, name)
        return suggest(name, holder.fields or ()) or otherwise

    # What it lacks is not a misspelling: the `asset` of a fan-out.
    named = isinstance(tree, nodes.Getattr) and name not in holder.lacks
    among = holder.fields if named else None
    error = InferenceError(code, message, about=about, find_hint=find_hint, among=among)
    if holder.kind == "list" and not is_place(name):
        error.fields_of_each = (name,)
    raise error


def _of_each(path: str, holder: Shape, fields: Sequence[str]) -> str:
    """What to write for fields of the members of a list."""
    dotted, found = ".".join(fields), holder.member or ANY
    for name in fields:
        found = field_of(found, name) or ANY
    hint = f"it is a list: write [0].{dotted} for one item, `| map(attribute={dotted!r})` for all"
    if found.kind == "list":
        hint += f""" with `| flatten`, or loops: `matrix: {{one: "${{{{ {path} }}}}", other: "${{{{ matrix.one.{dotted} }}}}"}}`"""
    return hint


def _instead(holder: Shape, name: str) -> str | None:
    if holder.kind == "list" and holder.length and is_place(name):
        return f"indexes start at 0: there are [0] to [{holder.length - 1}]"
    if holder.kind == "list":
        return f"it is a list: pick an item first, [0].{name}"
    if holder.title == BY_SIZE:
        return f"add `formats: [{name!r}]` to that step" if name in FORMATS else "use .asset"
    if holder.title == BY_PLACE:
        return (
            "its keys are the places '0', '1', …; over .items of a step they are that step's keys"
        )
    if holder.fields is None:
        return f"it is {an(holder.kind)} and has no fields"
    for field, inner in holder.fields.items():
        if inner.fields is not None and name in inner.fields:
            return f"write {f'.{field}' if field.isidentifier() else f'[{field!r}]'}.{name}"
    return suggest(name, holder.fields) or "it has no fields"


def _result(tree: nodes.Node, parts: Sequence[Shape]) -> Shape:
    """The shape of any node but a name, a field or an item, from its children's."""
    match tree:
        case nodes.Const():
            value = tree.value
            return of_text(value) if isinstance(value, str) else of_data(value)
        case nodes.List():
            return list_of(merge_shapes(list(parts))) if parts else Shape("list")
        case nodes.Pair():
            return parts[1]
        case nodes.Dict():
            keys = [one.key.value for one in tree.items if isinstance(one.key, nodes.Const)]
            known = len(keys) == len(parts)
            fields = dict(zip(map(as_text, keys), parts, strict=True)) if known else None
            return Shape("map", fields, merge_shapes(list(parts)))
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
    return merge_shapes(known)


def repair(fits: tuple[Kind, ...], shape: Shape) -> str | None:
    """How to fix a value of the wrong kind."""
    if "text" in fits and shape.kind == "asset":
        return "name one of its fields, such as .url"
    if fits in (("text",), ("number", "text")) and shape.kind == "list":
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
    if "list" in fits:
        if shape.kind == "map":
            return "write [ ] around it, or use .items of a step with several items"
        return "write a list, such as ['a', 'b']"
    if fits in (("text",), ("map",)):
        return "put it in quotes" if fits == ("text",) else "write {name: value}"
    if fits == ("number",):
        found = {"text": "write `| int` after it", "list": "write `| length` after it"}
        return found.get(shape.kind, "name one of its fields, such as .width")
    return None


def _need(fits: tuple[Kind, ...], shape: Shape, operand: nodes.Node, what: str) -> None:
    if fits and shape.kind not in ("any", *fits):
        message = f"{name_of(operand)} is {an(shape.kind)}, which {what}"
        if not isinstance(operand, nodes.Name | nodes.Getattr | nodes.Getitem):
            message = f"{an(shape.kind)} {what}"
        raise InferenceError("wrong-type", message, repair(fits, shape), name_of(operand))


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
                hint = _NO_NUMBER["text"] if "text" in (left.kind, right.kind) else hint
                raise InferenceError("wrong-type", message, hint, name_of(operand.expr))
        left = right


def _arithmetic(tree: nodes.BinExpr, left: Shape, right: Shape) -> Shape:
    kinds, adds = {left.kind, right.kind}, isinstance(tree, nodes.Add)
    known = kinds - {"any"}
    if len(known) < 2 and known <= ({"number", "text", "list"} if adds else {"number"}):
        if kinds == {"number"} or not adds:
            return NUMBER
        if kinds == {"list"}:
            return list_of(merge_shapes([left.member or ANY, right.member or ANY]))
        return TEXT if kinds == {"text"} else ANY
    hint = next((hint for kind, hint in _NO_NUMBER.items() if kind in kinds), None)
    hint = _JOIN if adds and "text" in kinds else hint
    found = " and ".join(an(shape.kind) for shape in (left, right) if shape.kind != "any")
    wrong = tree.right if left.kind in ("any", "number") else tree.left
    raise InferenceError(
        "wrong-type", f"{tree.operator!r} does not work with {found}", hint, name_of(wrong)
    )


def _filter(tree: nodes.Filter, parts: Sequence[Shape]) -> Shape:
    value = parts[0]
    assert tree.node is not None  # the parser lets no filter block through
    if tree.name == "default":
        return _either((tree.node, default_of(tree)), parts[:2])
    if tree.name in ("first", "last"):
        _need(("list",), value, tree.node, f"has no {tree.name} member")
        return value.member or ANY
    if tree.name in LIST_FILTERS:
        _need(("list",), value, tree.node, f"is not what `{tree.name}` takes")
        _check_arguments(tree, ("list",))
        return _of_list(tree, value, parts)
    if tree.name == "format":
        _check_format(tree, parts)
        return TEXT
    fits, gives = _FILTERS[tree.name]
    _need(fits, value, tree.node, f"is not what `{tree.name}` takes")
    _check_arguments(tree, fits)
    if value.is_prose and tree.name == "split":
        return list_of(PROSE)
    return PROSE if value.is_prose and gives == TEXT and tree.name != "replace" else gives


def _check_format(tree: nodes.Filter, parts: Sequence[Shape]) -> None:
    value, text = parts[0], tree.node.value if isinstance(tree.node, nodes.Const) else None
    if isinstance(text, str):
        try:
            check_format(text, len(tree.args))
        except ExpressionError as error:
            raise InferenceError("bad-expression", error.message, error.hint) from error
        for letter, operand, shape in zip(format_letters(text), tree.args, parts[1:], strict=True):
            takes = TEXTS if letter == "s" else ("number",)
            _need(takes, shape, operand, f"is not what %{letter} takes")
    elif value.kind not in ("any", "text") or any("%" in str(_constant(one)) for one in tree.args):
        # As people write it who do not know Jinja's.
        message = "`format` takes the text with the places first, and then the values"
        raise InferenceError("bad-expression", message, FORMAT_HINT, tree.name)


def _constant(tree: nodes.Node) -> Any:
    return tree.value if isinstance(tree, nodes.Const) else None


def _of_list(tree: nodes.Filter, value: Shape, parts: Sequence[Shape]) -> Shape:
    """The shape of a filter of the members of a list."""
    assert tree.node is not None
    name = name_of(tree.node)
    each = f"each member of {'the list' if name == 'the expression' else name}"
    member = value.member or ANY
    if tree.name == "map" and tree.args:
        inner = nodes.Filter(
            nodes.Name(each, "load"), _literal(tree.args[0]), tree.args[1:], tree.kwargs, None, None
        )
        made = _filter(inner, [member, *parts[2:]])
        return replace(list_of(made), length=value.length)
    key = member
    default = _argument(tree, "default") if tree.name == "map" else None
    if (attribute := _argument(tree, "attribute")) is not None:
        try:
            key = _field_of_each(each, member, attribute_path(_literal(attribute)))
        except nodes.Impossible:
            key = ANY  # it is computed
        except InferenceError:
            if default is None:
                raise
            key = ANY  # the default stands for the field
    if (place := TEST_AT.get(tree.name)) is not None:
        for test, other in zip(tree.args[place:], tree.args[place + 1 :], strict=False):
            if isinstance(test, nodes.Const):
                operator = "eq" if test.value == "equalto" else test.value
                compared = nodes.Name(each, "load"), [nodes.Operand(operator, other)]
                _check_compare(nodes.Compare(*compared), [key, parts[2 + place]])
    kinds, done = _COMPARING.get(tree.name, ((), ""))
    if kinds and key.kind not in ("any", *kinds):
        message = f"{each} is {an(key.kind)}, which cannot be {done}"
        raise InferenceError("wrong-type", message, _field_to_name(tree.name, key, kinds), name)
    match tree.name:
        case "map":
            if default is not None:
                given = parts[1 + [one.value for one in tree.kwargs].index(default)]
                key = _either((tree.node, default), (key, given))
            return replace(list_of(key), length=value.length)
        case "join":
            return TEXT
        case "sum":
            return NUMBER
        case "min" | "max":
            return member
        case "sort":
            return value
        case "groupby":
            return list_of(map_of({"grouper": key, "list": list_of(member)}))
        case "zip":
            _need(
                ("list",),
                parts[1],
                (*tree.args, *(one.value for one in tree.kwargs))[0],
                "is not what `zip` takes",
            )
            pair = member, parts[1].member or ANY
            both = Shape("list", {"0": pair[0], "1": pair[1]}, merge_shapes([*pair]), 2)
            return replace(list_of(both), length=value.length)
        case "flatten":
            while member.kind == "list" and _argument(tree, "levels") is None:
                member = member.member or ANY
            return list_of(ANY if _argument(tree, "levels") is not None else member)
        case _:
            return list_of(member)


def _field_of_each(each: str, member: Shape, path: Sequence[str | int]) -> Shape:
    """The shape of a field of the members of a list."""
    for place, name in enumerate(path):
        found = field_of(member, str(name))
        if found is None:
            before = ".".join(map(str, path[:place]))
            raise InferenceError(
                "unknown-field",
                f"{before or 'it'} of {each} has no {name!r}".removeprefix("it of "),
                about=".".join(map(str, path)),
                find_hint=partial(_instead_of, member, str(name)),
            )
        member = found
    return member


def _instead_of(holder: Shape, name: str) -> str | None:
    return holder.lacks.get(name) or _instead(holder, name)


def _argument(tree: nodes.Filter, name: str) -> nodes.Expr | None:
    """An argument of a filter by its name, also if it is given by its place."""
    named = {str(pair.key): pair.value for pair in tree.kwargs}
    places = [*inspect.signature(FILTERS[tree.name]).parameters][1:]
    given = dict(zip(places, tree.args, strict=False)) | named
    return given.get(name)


def _field_to_name(name: str, shape: Shape, kinds: tuple[Kind, ...]) -> str:
    if name == "sum" and shape.kind == "text":
        return "write `| map('int') | sum`"
    found = [one for one, inner in (shape.fields or {}).items() if inner.kind in kinds]
    if shape.kind == "list" or not found:
        return repair(TEXTS, shape) or NAME_A_FIELD
    return f"name a field of each member, such as attribute={found[0]!r}"


def _check_arguments(tree: nodes.Filter, fits: tuple[Kind, ...]) -> None:
    """Tries a filter with its literal arguments: `truncate(0)` fits no text."""
    try:
        positional = [_literal(one) for one in tree.args]
        named = {str(one.key): _literal(one.value) for one in tree.kwargs}
    except nodes.Impossible:
        return
    if not positional and not named:
        return
    value: Any = {"list": Members(), "number": 1}.get((fits or ("text",))[0], "1")
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
