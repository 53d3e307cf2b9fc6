"""The tables of docs/reference/json.md and receipt.md, and how a document differs from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
_SECTION = re.compile(r"^#{2,4} (.+?)$\n(.*?)(?=^#{2,4} |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `([^`]+)`( \(optional\))? \| (.+?) \| ", re.MULTILINE)
_HEAD = "| field | type | meaning |\n| --- | --- | --- |\n"
_SHAPES = {
    "asset": ("receipt.md", "An asset"),
    "problem": ("json.md", "A problem"),
    "share": ("json.md", "A share"),
}
"""Where a shape that several documents have is described."""
_PLAIN: Mapping[str, Any] = {
    "text": str,
    "boolean": bool,
    "whole number": int,
    "number": (int, float),
    "object": dict,
    "list": list,
    "null": type(None),
}


@dataclass(frozen=True)
class Field:
    """One row of a table.

    Attributes:
        types: What its value may be, in the words of the page.
        optional: It may be left out.
    """

    types: tuple[str, ...]
    optional: bool


def sections(page: str) -> dict[str, dict[str, Field]]:
    """The fields by path of each section of a page that has a table of them, by its heading."""
    text = (REFERENCE / page).read_text("utf-8")
    found = {}
    for heading, body in _SECTION.findall(text):
        if _HEAD in body:
            rows = body.partition(_HEAD)[2].partition("\n\n")[0]
            found[heading] = {
                path: Field(tuple(_types(kind)), bool(optional))
                for path, optional, kind in _ROW.findall(f"{rows}\n")
            }
    return found


def _types(words: str) -> Iterator[str]:
    """`list of text or null` are a list of texts, and null."""
    for one in re.split(r", | or ", words):
        yield re.sub(r"\[(\w+)\]\([^)]*\)", r"\1", one).strip("`" if "list" not in one else "")


def differences(document: Any, fields: Mapping[str, Field]) -> list[str]:
    """What a document has that the table has not, lacks, or has of another type."""
    return list(_of_value(document, "", fields))


def _of_value(value: Any, path: str, fields: Mapping[str, Field]) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _of_value(one, f"{path}[]", fields)
        return
    below = path and f"{path}."
    names = {
        name.removeprefix(below).partition(".")[0].removesuffix("[]"): None
        for name in fields
        if name.startswith(below)
    }
    if not isinstance(value, dict) or not names:
        return  # its type was looked at; what is in it is not described here
    if "*" in names:
        for one in value.values():
            yield from _of_value(one, f"{path}.*", fields)
        return
    for name, one in value.items():
        if name not in names:
            yield f"{below}{name} is not documented"
            continue
        field = fields.get(f"{below}{name}")
        if field is not None and not any(_fits(one, kind) for kind in field.types):
            yield f"{below}{name} is {one!r:.80}, not {' or '.join(field.types)}"
        yield from _of_value(one, f"{below}{name}", fields)
    for name in names.keys() - value.keys():
        field = fields.get(f"{below}{name}")
        if field is None or not field.optional:
            yield f"{below}{name} is documented and not there"


def _fits(value: Any, kind: str) -> bool:
    if kind == "any":
        return True
    if kind in _SHAPES:
        page, heading = _SHAPES[kind]
        return not differences(value, sections(page)[heading])
    if kind.startswith("list of "):
        # `null` beside it may be that of a member: "list of text or null".
        return isinstance(value, list) and all(
            one is None or _fits(one, kind.removeprefix("list of ")) for one in value
        )
    if kind.startswith("map of "):
        values = value.values() if isinstance(value, dict) else [object()]
        return all(_fits(one, kind.removeprefix("map of ")) for one in values)
    if kind in _PLAIN:
        # True is no number.
        return isinstance(value, _PLAIN[kind]) and (kind == "boolean" or value is not True)
    return str(value) == kind
