"""Values from an event: ``${{ event.payload.NAME }}`` in the inputs of a trigger.

Only Prefect's server sees the event, so it evaluates these expressions with Jinja2: fields of the event,
with a default.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.evaluation import default_of
from rivya_flows.language.expressions.resolve import (
    OPEN,
    Expression,
    Reference,
    as_reference,
    expressions_in,
    template,
)
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import shown

NAME = "event"

_TEXTS = ("id", "event", "occurred")
_RESOURCE = ("id", "name")
_HINT = (
    "write ${{ event.payload.NAME }}, ${{ event.resource.id }}, ${{ event.event }}, "
    "${{ event.id }} or ${{ event.occurred }}; `| default(…)` may follow"
)


def check_value(value: Any) -> None:
    """Refuses the first expression that is not a field of an event."""
    for expression in expressions_in(value):
        _source(expression)


def for_prefect(value: Any) -> Any:
    """The value as a parameter of Prefect's action "run a deployment".

    Text with an expression, or with braces, becomes a template that renders to JSON. A missing field makes
    the rendering fail, so no run starts.
    """
    if not any("{" in text for _, text in texts_in(value)):
        return value
    rendered = {"__prefect_kind": "jinja", "template": _json(value)}
    return {"__prefect_kind": "json", "value": rendered}


def _json(value: Any) -> str:
    """A Jinja2 template that renders to the value as JSON."""
    if isinstance(value, str):
        return _text(value) if OPEN in value else _constant(value)
    if isinstance(value, Mapping):
        pairs = (f"{_constant(str(key))}: {_json(one)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value)


def _constant(text: str) -> str:
    # JSON can escape the braces that start a Jinja2 block.
    return json.dumps(text).replace("{", "\\u007b")


def _text(text: str) -> str:
    parts = template(text)
    if parts.whole:
        return f"{{{{ {_source(parts.expressions[0])} | tojson }}}}"
    pieces = (_literal(one) if isinstance(one, str) else _source(one) for one in parts.parts)
    return f"{{{{ ({' ~ '.join(pieces)}) | tojson }}}}"


def _source(expression: Expression) -> str:
    """The expression in Jinja2, which by itself would render a missing field as empty."""
    tree: nodes.Expr = expression.tree
    default: str | None = None
    if isinstance(tree, nodes.Filter) and tree.name == "default" and tree.node is not None:
        constant = default_of(tree)
        if not isinstance(constant, nodes.Const):
            raise _refused(expression, "the default of an event field must be a plain value")
        default, tree = _literal(constant.value), tree.node
    reference = as_reference(tree)
    if reference is None or reference.namespace != NAME:
        raise _refused(expression, "an input of a trigger must be a field of its event")
    found = _path(reference)
    if found is None:
        raise _refused(expression, f"an event has no {shown('.'.join(reference.path) or 'value')}")
    if default is not None:
        return f"({found} if {found} is defined and {found} is not none else {default})"
    # An undefined value has no JSON form, so the rendering fails.
    return f"({found} if {found} is defined else {found} | tojson)"


def _path(reference: Reference) -> str | None:
    """The field in Jinja2; None where an event has no such field."""
    field, *rest = reference.path or ("",)
    if field in _TEXTS and not rest:
        return f"(event.{field} | string)"
    if field == "payload":
        # Subscripts: a field may have the name of a method of a map.
        return "event.payload" + "".join(f"[{_subscript(step)}]" for step in rest)
    if field == "resource" and len(rest) == 1:
        label = rest[0]
        return f"event.resource.{label}" if label in _RESOURCE else f"event.resource[{label!r}]"
    return None


def _subscript(step: str) -> str:
    return step if step.isdecimal() else _literal(step)


def _literal(value: Any) -> str:
    """A plain value as a literal of Jinja2."""
    if isinstance(value, str):
        # Jinja2 takes Python's escapes; a quote or a brace could end the literal.
        safe = value.encode("unicode_escape").decode()
        for letter in "'\"{}":
            safe = safe.replace(letter, f"\\x{ord(letter):02x}")
        return f'"{safe}"'
    return "none" if value is None else json.dumps(value)


def _refused(expression: Expression, message: str) -> ExpressionError:
    return ExpressionError(message, _HINT, expression.offset)


def texts_in(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The texts of a value, names of fields too, each with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield (*path, key), str(key)
            yield from texts_in(one, (*path, key))
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from texts_in(one, (*path, number))
