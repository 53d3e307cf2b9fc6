"""Infer the shape of an expression from its syntax tree, before anything runs.

Only certain mistakes are reported: a value of unknown shape fits everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from rivya_cut.terms import FORMATS
from rivya_flows.language.diagnostic_report import meant
from rivya_flows.language.expressions.evaluation import written
from rivya_flows.language.expressions.operations import result_of
from rivya_flows.language.expressions.output_types import (
    ANY,
    BY_PLACE,
    BY_SIZE,
    TEXT,
    Scope,
    Shape,
    field_of,
    is_place,
    of_data,
)
from rivya_flows.language.expressions.templates import OPEN, bare_name, template
from rivya_flows.language.expressions.values import ExpressionError, InferenceError, as_text
from rivya_flows.language.wording import an, shown


def shape_of(tree: nodes.Node, scope: Scope) -> Shape:
    """The shape of an expression, as far as it is known.

    Raises:
        InferenceError: It uses an unknown name, or a value of the wrong type.
    """
    if isinstance(tree, nodes.Name):
        if tree.name == "steps":
            # Without a name, the order of the steps would be unknown.
            raise InferenceError(
                "unnamed-step", "'steps' needs the name of a step", "write steps.NAME"
            )
        return _named(tree, scope)
    if isinstance(tree, nodes.Getattr):
        return _field(tree, _holder(tree.node, scope), tree.attr)
    if isinstance(tree, nodes.Getitem):
        if isinstance(tree.arg, nodes.Const):
            held, place = _holder(tree.node, scope), tree.arg.value
            if held.kind == "list" and type(place) is not int:
                path = written(tree.node)
                hint = "indexes start at 0: [0] is the first; .by finds an item by its key"
                raise InferenceError(
                    "unknown-field", f"{path} is a list and has no {place!r}", hint, path
                )
            return _field(tree, held, as_text(place))
        holder = shape_of(tree.node, scope)
        for child in tree.arg.iter_child_nodes() if isinstance(tree.arg, nodes.Slice) else ():
            shape_of(child, scope)
        if isinstance(tree.arg, nodes.Slice):
            return holder
        key, what = shape_of(tree.arg, scope), written(tree.arg)
        if key.kind in ("asset", "list", "map") or (holder.kind, key.kind) == ("list", "text"):
            of = " of a list" if holder.kind == "list" else ""
            hint = "a list takes a number in [ ]; .by finds an item by its key"
            if key.kind != "text":
                hint = "name one of its fields, such as .key"
            message = f"{an(key.kind)} cannot be a key or a place{of}"
            raise InferenceError("wrong-type", message, hint, what)
        if key.values and not any(_may_have(holder, name) for name in key.values):
            message = f"{written(tree.node)} has no {shown(key.values[0])}"
            instead = _instead(holder, key.values[0])
            raise InferenceError("unknown-field", message, instead, written(tree.node))
        return holder.member or ANY
    return result_of(tree, [shape_of(child, scope) for child in _operands(tree)])


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
    return _named(tree, scope) if isinstance(tree, nodes.Name) else shape_of(tree, scope)


def _named(tree: nodes.Name, scope: Scope) -> Shape:
    if tree.name in scope:
        return scope[tree.name]
    hints = {
        "brand": "add `brand: brand.yaml` to the spec, or `brand: {name: …}`",
        "matrix": "only a step with `matrix:` has it, inside `with`, `if` and `key`",
        "zip": "only a step with `zip:` has it, inside `with`, `if` and `key`",
        "item": "only a step with `foreach:` and no `as:` has it, inside `with`, `if` and `key`",
    }
    if tree.name in hints:
        message = f"{tree.name!r} is not defined here"
        raise InferenceError("out-of-scope", message, hints[tree.name], tree.name)
    for namespace in ("inputs", "steps"):
        if tree.name in (scope[namespace].fields or {}):
            hint = f"write {namespace}.{tree.name}"
            raise InferenceError("unknown-name", f"unknown name {tree.name!r}", hint, tree.name)
    choices = meant(tree.name, scope)
    message = f"unknown name {tree.name!r}"
    raise InferenceError("unknown-name", message, choices, tree.name, among=scope)


def _may_have(holder: Shape, name: str) -> bool:
    return name in holder.lacks or field_of(holder, name) is not None


def _field(tree: nodes.Getattr | nodes.Getitem, holder: Shape, name: str) -> Shape:
    found = field_of(holder, name)
    if found is not None:
        return found
    path = written(tree.node)
    about = f"{path}.{name}" if isinstance(tree, nodes.Getattr) else path
    # What it lacks is not a misspelling: the `asset` of a fan-out.
    named = isinstance(tree, nodes.Getattr) and name not in holder.lacks
    among = holder.fields if named else None
    if path in ("inputs", "steps"):
        what = path.removesuffix("s")
        if name in holder.lacks:
            message = f"the step {name!r} runs later, so its result is not available here"
            raise InferenceError("out-of-scope", message, holder.lacks[name], about)

        def hint() -> str:
            return meant(name, holder.fields or ()) or f"the spec has no {path}"

        message = f"unknown {what} {name!r}"
        raise InferenceError(f"unknown-{what}", message, about=about, find_hint=hint, among=among)
    if path in ("matrix", "zip"):
        choices = meant(name, holder.fields or {}) or f"add it to `{path}`: {name}: [first, second]"
        message = f"{path} has no axis {name!r}"
        raise InferenceError("unknown-variable", message, choices, about, among=among)

    def instead() -> str | None:
        return holder.lacks.get(name) or _instead(holder, name)

    message = f"{path} has no {name!r}"
    raise InferenceError("unknown-field", message, about=about, find_hint=instead, among=among)


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
    return meant(name, holder.fields) or "it has no fields"
