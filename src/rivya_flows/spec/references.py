"""Checks of what expressions refer to, read from their syntax trees before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import nodes

from rivya_flows.spec.evaluation import written
from rivya_flows.spec.functions import with_model
from rivya_flows.spec.matrix import LOOPS
from rivya_flows.spec.outputs import ANY, Kind, Shape, list_of, of_input
from rivya_flows.spec.parts import written_steps
from rivya_flows.spec.report import Report, meant
from rivya_flows.spec.scope import Names, Scope, field_of
from rivya_flows.spec.templates import Template, template
from rivya_flows.spec.tree import Path
from rivya_flows.spec.values import ExpressionError
from rivya_flows.spec.workflow import Input

_TEXTS: tuple[Kind, ...] = ("text", "number", "boolean")
FITS: Mapping[tuple[str, str], tuple[Kind, ...]] = {
    ("generate", "prompt"): _TEXTS,
    ("chat", "message"): _TEXTS,
    ("pick", "question"): _TEXTS,
    ("pick", "from"): ("list",),
    ("pick", "mode"): ("text",),
    ("upload", "file"): ("asset", "text"),
    ("compose", "video"): ("asset", "text"),
    ("compose", "images"): ("list", "asset", "text"),
    ("compose", "audio"): ("list", "asset", "text"),
    ("generate", "references"): ("list", "asset", "text"),
    ("generate", "model"): ("text",),
    ("chat", "model"): ("text",),
    ("generate", "params"): ("map",),
    ("notify", "url"): ("text",),
    ("notify", "secret"): ("text",),
}
"""What a value may be where an expression alone gives it."""

FILE_LISTS = ("references", "images", "audio", "attachments")
"""Arguments that take a list of files."""


def check_references(
    data: Mapping[str, Any],
    names: Names,
    report: Report,
    wanted: Mapping[str, Mapping[str, Input]],
) -> None:
    """Tells of every expression that cannot be read or that uses a name it may not use.

    Args:
        data: The plain tidied values.
        names: The names of the spec.
        report: Takes the problems.
        wanted: The inputs of what each `include` step includes.
    """
    for part, step_id, step in written_steps(data):
        path: Path = (part, step_id)
        outside, inside = names.everywhere(part), names.inside(step_id)
        for loop in LOOPS:
            _check(step.get(loop), (*path, loop), outside, report)
        for key in ("if", "key"):
            _check(step.get(key), (*path, key), inside, report)
        arguments = step.get("with")
        model = with_model(step.get("uses"))
        if not isinstance(arguments, dict) or model is None:
            continue
        for name, field in model.model_fields.items():
            key = field.alias or name
            if field.annotation is Any and key in arguments:
                shape = _check(arguments[key], (*path, "with", key), inside, report)
                _check_fit(str(step["uses"]), key, shape, (*path, "with", key), report)
        if step["uses"] == "include":
            _check_given(
                arguments.get("inputs"),
                wanted.get(step_id, {}),
                (*path, "with", "inputs"),
                inside,
                report,
            )
    for name, value in _maps_values(data.get("outputs")):
        _check(value, ("outputs", name), names.everywhere(), report)


def _check_given(
    given: Any, wanted: Mapping[str, Input], path: Path, scope: Scope, report: Report
) -> None:
    """Values for the inputs of an included spec, as far as they are computed."""
    for name, value in _maps_values(given):
        shape = _check(value, (*path, name), scope, report)
        declared = wanted.get(name)
        whole = isinstance(value, str) and "${{" in value
        if declared is None or not whole or shape.kind == "any":
            continue
        expected = of_input(declared.model_dump())
        fits: tuple[Kind, ...] = (expected.kind,)
        if declared.type == "file":
            fits = ("asset", "text")
        if expected.kind != "any" and shape.kind not in fits:
            message = f"the input {name!r} takes {_any_of(fits) or expected.kind}"
            message += f", and this is {_a(shape.kind)}"
            report.add((*path, name), "wrong-type", message, _repair(fits, shape))
        elif shape.media and expected.media and shape.media != expected.media:
            message = (
                f"the input {name!r} takes {_a(expected.media)}, and this is {_a(shape.media)}"
            )
            hint = f"give {_a(expected.media)}, or take it out"
            report.add((*path, name), "wrong-type", message, hint)


def _check_fit(uses: str, key: str, shape: Shape, path: Path, report: Report) -> None:
    fits = FITS.get((uses, key))
    if fits and shape.kind not in ("any", *fits):
        message = f"{key!r} takes {_any_of(fits)}, and this is {_a(shape.kind)}"
        report.add(path, "wrong-type", message, _repair(fits, shape))
    elif key in FILE_LISTS and shape.kind == "list" and shape.member is not None:
        member = shape.member
        if member.kind not in ("any", "asset", "text"):
            message = f"{key!r} takes a list of assets, and this is a list with {_a(member.kind)}"
            hint = "use .assets, or .asset of each"
            if member.kind == "list":
                hint = "take the outer [ ] away; `+` joins lists inside one expression"
            report.add(path, "wrong-type", message, hint)


def _check(value: Any, path: Path, scope: Scope, report: Report) -> Shape:
    """Checks a value and all in it; gives its shape where an expression alone gives it."""
    if isinstance(value, dict):
        for key, part in value.items():
            _check(part, (*path, key), scope, report)
    elif isinstance(value, list):
        members = [_check(part, (*path, n), scope, report) for n, part in enumerate(value)]
        return list_of(members[0]) if members else ANY
    elif isinstance(value, str):
        _lint(value, path, report)
        if "${{" not in value:
            return ANY
        try:
            parts = template(value)
        except ExpressionError as error:
            report.expression(path, "bad-expression", error)
            return ANY
        return _check_template(parts, path, scope, report)
    return ANY


def _check_template(parts: Template, path: Path, scope: Scope, report: Report) -> Shape:
    shape = ANY
    for expression in parts.expressions:
        try:
            shape = _shape(expression.tree, scope)
            if not parts.whole and shape.kind in ("asset", "list", "map"):
                raise _Wrong(
                    "not-text",
                    f"{_a(shape.kind)} cannot stand in text",
                    _repair(_TEXTS, shape),
                )
        except _Wrong as wrong:
            about = wrong.about if wrong.about and wrong.about in expression.text else None
            hint = wrong.hint
            if callable(hint):
                # Among many names it takes long to find the one that was meant.
                hint = None if report.full else hint()
            error = ExpressionError(wrong.message, hint, expression.offset, about)
            report.expression(path, wrong.code, error)
    return shape if parts.whole else ANY


_Hint = str | Callable[[], str | None] | None


class _Wrong(Exception):
    def __init__(self, code: str, message: str, hint: _Hint, about: str | None = None) -> None:
        super().__init__(code, message, hint, about)
        self.code, self.message, self.hint, self.about = code, message, hint, about


def _shape(tree: nodes.Node, scope: Scope) -> Shape:
    """The shape of an expression, as far as it is known; raises at a name that is not."""
    if isinstance(tree, nodes.Name):
        if tree.name == "steps":
            # Without a name it could not be told which steps have to run before.
            raise _Wrong("unnamed-step", "a step is referred to by its name", "write steps.NAME")
        return _named(tree, scope)
    if isinstance(tree, nodes.Getattr):
        return _field(tree, _holder(tree.node, scope), tree.attr)
    if isinstance(tree, nodes.Getitem):
        if isinstance(tree.arg, nodes.Const):
            return _field(tree, _holder(tree.node, scope), str(tree.arg.value))
        holder = _shape(tree.node, scope)
        for child in tree.arg.iter_child_nodes() if isinstance(tree.arg, nodes.Slice) else ():
            _shape(child, scope)
        if isinstance(tree.arg, nodes.Slice):
            return holder
        _shape(tree.arg, scope)
        return holder.member or ANY
    children = [_shape(child, scope) for child in tree.iter_child_nodes()]
    if isinstance(tree, nodes.Filter) and tree.name in ("first", "last"):
        return children[0].member or ANY
    return ANY


def _holder(tree: nodes.Node, scope: Scope) -> Shape:
    """The shape of what a written-out field belongs to."""
    return _named(tree, scope) if isinstance(tree, nodes.Name) else _shape(tree, scope)


def _named(tree: nodes.Name, scope: Scope) -> Shape:
    if tree.name in scope:
        return scope[tree.name]
    hints = {
        "matrix": "only a step with `matrix:` has it, inside `with`, `if` and `key`",
        "zip": "only a step with `zip:` has it, inside `with`, `if` and `key`",
        "item": "only a step with `foreach:` and no `as:` has it, inside `with`, `if` and `key`",
    }
    if tree.name in hints:
        message = f"{tree.name!r} is not known here"
        raise _Wrong("out-of-scope", message, hints[tree.name], tree.name)
    for namespace in ("inputs", "steps"):
        if tree.name in (scope[namespace].fields or {}):
            hint = f"write {namespace}.{tree.name}"
            raise _Wrong("unknown-name", f"unknown name {tree.name!r}", hint, tree.name)
    choices = meant(tree.name, scope)
    raise _Wrong("unknown-name", f"unknown name {tree.name!r}", choices, tree.name)


def _field(tree: nodes.Getattr | nodes.Getitem, holder: Shape, name: str) -> Shape:
    found = field_of(holder, name)
    if found is not None:
        return found
    path = written(tree.node)
    about = f"{path}.{name}" if isinstance(tree, nodes.Getattr) else path
    if path in ("inputs", "steps"):
        what = path.removesuffix("s")
        if name in holder.lacks:
            message = f"the step {name!r} runs later, and nothing of it is known here"
            raise _Wrong("out-of-scope", message, holder.lacks[name], about)

        def hint() -> str:
            return meant(name, holder.fields or ()) or f"the spec has no {path}"

        raise _Wrong(f"unknown-{what}", f"unknown {what} {name!r}", hint, about)
    if path in ("matrix", "zip"):
        choices = meant(name, holder.fields or {})
        raise _Wrong("unknown-variable", f"{path} has no axis {name!r}", choices, about)
    instead = holder.lacks.get(name) or _instead(holder, name)
    raise _Wrong("unknown-field", f"{path} has no {name!r}", instead, about)


def _instead(holder: Shape, name: str) -> str | None:
    if holder.kind == "list":
        return f"it is a list: pick a member first, [0].{name}"
    if holder.fields is None:
        return f"it is {_a(holder.kind)} and has no fields"
    return meant(name, holder.fields)


def _repair(fits: tuple[Kind, ...], shape: Shape) -> str | None:
    if "text" in fits and shape.kind == "asset":
        return "name one of its fields, such as .url"
    if "text" in fits and shape.kind == "list":
        return "write `| join(', ')`, or pick one member with [0]"
    if "asset" in fits and shape.kind == "map" and shape.fields and "asset" in shape.fields:
        return "write .asset after it"
    if shape.kind == "list" and "asset" in fits:
        return "pick one member with [0]"
    if shape.kind == "text" and fits == ("list",):
        return "write [ ] round it, or use .items or .assets of a step with several items"
    if shape.kind == "asset" and "list" in fits:
        return "write [ ] round it, or use .items or .assets of a step with several items"
    return None


def _lint(text: str, path: Path, report: Report) -> None:
    """Tells of braces that were probably meant as an expression."""
    at = text.find("{{")
    while at >= 0:
        word = text[at + 2 : at + 40].lstrip()
        known = word.startswith(("inputs.", "steps.", "matrix.", "zip.", "item."))
        if known and text[at - 1 : at] != "$":
            message = "{{ }} without a dollar sign is plain text and would be sent as it stands"
            report.add(path, "missing-dollar", message, "write ${{ … }}")
            return
        at = text.find("{{", at + 2)


def _any_of(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(_a(kind) for kind in kinds if kind != "number" and kind != "boolean")


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _maps_values(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else ()
