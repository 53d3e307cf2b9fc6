"""A YAML document as a tree: values with their places."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from rivya_flows.diagnostics import Diagnostic

# What YAML counts as a line break; the marks of the parser count so too.
BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, order=True)
class Mark:
    """A place in the text, counted from 0: line, column, and index of the character."""

    line: int
    column: int
    index: int

    def at_column(self, column: int) -> Mark:
        """Another place in the same line."""
        return Mark(self.line, column, self.index - self.column + column)


@dataclass(frozen=True)
class Scalar:
    """A single value; `end` is the index after its last character."""

    mark: Mark
    value: str | int | float | bool | None
    end: int


@dataclass(frozen=True)
class FileText(Scalar):
    """The text of a file beside the spec, whose name stands at `mark`; mistakes in it are shown in that file."""

    file: str
    text: str


@dataclass(frozen=True)
class Sequence:
    """A list."""

    mark: Mark
    members: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Mapping:
    """A map; each key with its own place."""

    mark: Mark
    pairs: dict[str, tuple[Mark, Node]] = field(default_factory=dict)

    def get(self, key: str) -> Node | None:
        """The value of a key, or None."""
        pair = self.pairs.get(key)
        return pair[1] if pair else None


Node = Scalar | Sequence | Mapping
Path = tuple[str | int, ...]


def diagnostic_at(mark: Mark, code: str, message: str, hint: str | None = None) -> Diagnostic:
    """A mistake at a place; the file is not known here."""
    return Diagnostic(code, message, hint, line=mark.line + 1, column=mark.column + 1)


def mark_at(text: str, index: int, since: Mark = Mark(0, 0, 0)) -> Mark:
    """The place of a character; `since` is a place before it."""
    line, begin = since.line, since.index - since.column
    for found in BREAK.finditer(text, since.index, index):
        line, begin = line + 1, found.end()
    return Mark(line, index - begin, index)


def plain(node: Node) -> Any:
    """The value of a tree as maps, lists and scalars."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, (_, value) in node.pairs.items()}
    if isinstance(node, Sequence):
        return [plain(member) for member in node.members]
    return node.value


def lines_of(text: str) -> list[str]:
    """The lines of a text as marks count them."""
    return BREAK.split(text)
