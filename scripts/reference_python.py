"""docs/reference/python.md and client.md: public names and calls, as their docstrings say them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import griffe
from reference_tables import in_one_line, package, table

_SHARED = ("WireModel", "TolerantModel")
"""Bases whose members docs/reference/client.md explains once, for all answers."""

_ELSEWHERE = {
    "Workflow": "the [keys of a spec](spec.md#in-the-whole-file); `finally_` is `finally`"
}
"""Classes whose attributes another page lists."""
_RESOURCES = {
    "models": "resources.Models",
    "credits": "resources.Wallet",
    "files": "resources.Files",
    "generations": "generations.Generations",
    "chat": "resources.Chat",
    "chat.sessions": "resources.Sessions",
    "webhooks": "resources.Webhooks",
    "webhook_events": "resources.WebhookEvents",
}
"""The attributes of a client with calls, and where their classes are."""


def names(of: str) -> str:
    """A section for each public name of a package: functions, then classes, then errors."""
    public = [n for n in importlib.import_module(of).__all__ if not n.startswith("__")]
    whole = package(of)
    functions = [name for name in public if name[0].islower() and f"a{name}" in public]
    functions += [
        name for name in public if name[0].islower() and name not in _find_pairs(functions)
    ]
    errors = [name for name in public if name.endswith("Error")]
    classes = [name for name in public if name[0].isupper() and name not in errors]
    sections = [_function(name, _object(whole, name)) for name in sorted(functions)]
    sections += [_class(name, _object(whole, name)) for name in classes]
    sections += ["### Errors\n"]
    found = {name: _attributes_of(_object(whole, name)) for name in errors}
    rows = [(f"`{name}`", attributes) for name, attributes in found.items() if attributes]
    rest = ", ".join(f"`{name}`" for name, attributes in found.items() if not attributes)
    last = f"[Errors](errors.md#exceptions-and-exit-codes) says what each means. Without attributes: {rest}.\n"
    return "\n".join([*sections, table(("error", "attributes"), rows), last])


def _find_pairs(names: Sequence[str]) -> set[str]:
    """Synchronous functions with their coroutine functions."""
    return {*names, *(f"a{name}" for name in names)}


def calls() -> str:
    """A table for each resource of a client, and one for the client itself."""
    whole = package("rivya_client")
    parts = []
    for attribute, place in _RESOURCES.items():
        found = whole[place]
        rows = list(_calls(found, f"client.{attribute}"))
        parts.append(f"**`client.{attribute}`**: {_summary(found)}\n\n{_table_of_calls(rows)}")
    own = list(_calls(whole["client.ApiCalls"], "client"))
    parts.append(f"**`client`**\n\n{_table_of_calls(own)}")
    return "\n".join(parts)


def _object(whole: griffe.Module, name: str) -> Any:
    """What a public name stands for; of a synchronous function, its asynchronous twin."""
    found: Any = whole[name]
    while found.is_alias:
        found = found.final_target
    if found.is_attribute and str(found.value).startswith("_synchronous("):
        return found.parent[str(found.value).removeprefix("_synchronous(").removesuffix(")")]
    return found


def _function(name: str, found: Any) -> str:
    twin = f"`await {found.name}(…)` is the same as a coroutine.\n" if found.name != name else ""
    text = f"{name}{_signature(found.parameters)} -> {found.returns}"
    documented = {
        one.name
        for section in found.docstring.parsed
        if section.kind is griffe.DocstringSectionKind.parameters
        for one in section.value
    }
    if documented != {one.name for one in found.parameters}:
        raise ValueError(f"{found.path}: its docstring does not name each argument")
    parts = [f"### `{name}`\n", f"```text\n{text}\n```\n", *_sections(found)]
    return "\n".join([*parts, twin] if twin else parts)


def _class(name: str, found: Any) -> str:
    parts = [f"### `{name}`\n"]
    made, twin = found.all_members.get("__init__"), name.removeprefix("Sync")
    if twin != name:
        parts += [_text(found), f"Its arguments and its calls are those of `{twin}`.\n"]
    elif made is not None and made.is_function and made.docstring is not None:
        parts.append(f"```text\n{name}{_signature(made.parameters)}\n```\n")
        parts += [_text(found), *(each for each in _sections(made, text=False))]
    elif name in _ELSEWHERE:
        parts += [_text(found), f"Its attributes are {_ELSEWHERE[name]}.\n"]
    else:
        parts += [_text(found), *_attributes(found)]
    members = found.members if twin != name else found.all_members
    members = {n: one for n, one in members.items() if _defined_in(one).name not in _SHARED}
    rows = [
        (f"`{one.name}`", _type(one.annotation), _summary(one))
        for one in members.values()
        if one.is_attribute and "property" in one.labels and _is_public(one)
    ]
    methods = [
        (f"`{one.name}{_signature(one.parameters)}`", _type(one.returns), _summary(one))
        for one in members.values()
        if one.is_function and _is_public(one) and not _is_decorated(one)
    ]
    if rows:
        parts.append(table(("property", "type", "meaning"), rows))
    if methods:
        parts.append(table(("method", "gives", "meaning"), methods))
    return "\n".join(parts)


def _defined_in(member: Any) -> Any:
    return (member.final_target if member.is_alias else member).parent


def _attributes(found: Any) -> Iterator[str]:
    """A table of the fields of a class, those of its bases first, but for a base that is public.

    Raises:
        ValueError: A field is not described, and the docstring says nothing of others.
    """
    bases = [base for base in found.mro() if base.package is found.package]
    if public := [base.name for base in bases if base.name in _public(found.package.name)]:
        yield f"It has all of `{public[0]}`.\n"
        bases = []
    line = [*reversed(bases), found]
    meaning = {name: text for one in line for name, text in _describe_attributes(one)}
    fields = {
        name: member
        for one in line
        for name, member in one.members.items()
        if member.is_attribute and member.annotation and "property" not in member.labels
        if not name.startswith(("_", "model_config")) and "instance-attribute" in member.labels
    }
    if lacking := sorted(fields.keys() - meaning.keys()):
        raise ValueError(f"{found.path}: its docstring does not describe {', '.join(lacking)}")
    if fields:
        rows = [(f"`{name}`", _type(one.annotation), meaning[name]) for name, one in fields.items()]
        yield table(("attribute", "type", "meaning"), rows)


@cache
def _public(name: str) -> frozenset[str]:
    return frozenset(importlib.import_module(name).__all__)


def _describe_attributes(found: Any) -> Iterator[tuple[str, str]]:
    """Attributes with what the docstring of a class says of them, or their own."""
    for section in found.docstring.parsed if found.docstring else ():
        if section.kind is griffe.DocstringSectionKind.attributes:
            for one in section.value:
                yield one.name, in_one_line(one.description)
    for name, member in found.members.items():
        if member.is_attribute and "property" not in member.labels and member.docstring:
            yield name, in_one_line(member.docstring.value)


def _attributes_of(error: Any) -> str:
    return "; ".join(
        f"`{name}`: {text.removesuffix('.')}" for name, text in _describe_attributes(error)
    )


def _is_decorated(found: Any) -> bool:
    """Whether pydantic calls it, or `calls` shows it."""
    return any(re.search("validator|api_call", str(each.value)) for each in found.decorators)


def _is_public(found: Any) -> bool:
    return not found.name.startswith("_") and found.docstring is not None


def _text(found: Any) -> str:
    """The sentences of a docstring as Markdown.

    Raises:
        ValueError: There are none.
    """
    if found.docstring is None:
        raise ValueError(f"{found.path}: a public name without a docstring")
    text = found.docstring.parsed[0].value.partition("\nSource: ")[0]
    return "\n\n".join(map(in_one_line, text.strip().split("\n\n"))) + "\n"


def _sections(found: Any, *, text: bool = True) -> Iterator[str]:
    """The sections of a docstring as Markdown."""
    if text:
        yield _text(found)
    for section in found.docstring.parsed:
        if section.kind in _TABLES:
            head = _TABLES[section.kind]
            yield table(head, [_row(one, len(head)) for one in section.value])


_TABLES = {
    griffe.DocstringSectionKind.parameters: ("argument", "type", "meaning"),
    griffe.DocstringSectionKind.returns: ("returns", ""),
    griffe.DocstringSectionKind.raises: ("raises", "when"),
}


def _row(one: Any, columns: int) -> tuple[str, ...]:
    row = (_type(one.annotation), in_one_line(one.description))
    return row if columns == 2 else (f"`{one.name}`", *row)


def _type(annotation: Any) -> str:
    """`str | None` as two types, so that a table has no bar in code."""
    if annotation is None:
        return ""
    parts, depth = [""], 0
    for one in str(annotation):
        depth += (one == "[") - (one == "]")
        if one == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += one
    return " or ".join(f"`{part.strip()}`" for part in parts)


def _signature(parameters: Sequence[Any], *, skip: tuple[str, ...] = ("self", "cls")) -> str:
    """The arguments by name, without types."""
    text, named = [], False
    for one in parameters:
        if one.name in skip:
            continue
        if one.kind is griffe.ParameterKind.keyword_only and not named:
            text.append("*")
        named = named or one.kind in (
            griffe.ParameterKind.keyword_only,
            griffe.ParameterKind.var_positional,
        )
        mark = {"variadic positional": "*", "variadic keyword": "**"}.get(one.kind.value, "")
        default = "" if one.default is None or mark else f"={one.default}"
        text.append(f"{mark}{one.name}{default}")
    return f"({', '.join(text)})"


def _calls(found: Any, prefix: str) -> Iterator[tuple[str, ...]]:
    for one in found.members.values():
        decorated = {str(each.value) for each in getattr(one, "decorators", ())}
        if not one.is_function or not decorated & {"api_call", "stream_call"}:
            continue
        text = "".join(
            section.value
            for section in one.docstring.parsed
            if section.kind is griffe.DocstringSectionKind.text
        )
        route = in_one_line(text.partition("Source: ")[2].partition(";")[0]).rstrip(".")
        signature = _signature(one.parameters, skip=("self", "options"))
        yield (f"`{prefix}.{one.name}{signature}`", _type(one.returns), _summary(one), route)


def _table_of_calls(rows: Sequence[tuple[str, ...]]) -> str:
    return table(("call", "gives", "meaning", "route"), rows)


def _summary(found: Any) -> str:
    return in_one_line(found.docstring.value.partition("\n\n")[0])
