"""Read YAML into a tree with positions, in bounded time and memory.

The parser is PyYAML's C parser. The tree is built from its events, so that depth, aliases and
repeated keys are checked while it grows.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import islice

import yaml

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.syntax.tree import (
    Mapping,
    Mark,
    Node,
    Scalar,
    Sequence,
    diagnostic_at,
    mark_at,
)
from rivya_flows.language.syntax.yaml_errors import (
    MAX_DEPTH as MAX_DEPTH,
    TAGS,
    TOO_DEEP,
    explain,
    mark_of,
    parse_events,
    unquoted_expressions,
)
from rivya_flows.language.wording import cut

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
MAX_UNQUOTED = 100
MAX_TEXT = 8 << 20
"""Characters of all values; an alias counts each time it is used."""

_STRANGE_SPACES = (
    "\xa0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u202f\u205f\u3000"
)
"""Spaces that YAML treats as letters."""
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

# Plain scalars of the core schema of YAML 1.2. Source: yaml.org/spec/1.2.2, section 10.3.2.
_NULL = re.compile(r"(?:null|Null|NULL|~|)$")
_BOOLEAN = re.compile(r"(?:(true|True|TRUE)|false|False|FALSE)$")
_INTEGER = re.compile(r"(?:[-+]?[0-9]+|0(o)[0-7]+|0(x)[0-9a-fA-F]+)$")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$")


class _Stop(Exception):
    """Reading stops; carries the mistake."""

    def __init__(self, mark: Mark, code: str, message: str, hint: str) -> None:
        super().__init__(mark, code, message, hint)
        self.diagnostic = diagnostic_at(mark, code, message, hint)


def read(text: str) -> tuple[Node | None, tuple[Diagnostic, ...]]:
    """The tree of a text, and its mistakes.

    A tree comes with mistakes that leave it readable, such as a repeated key (the first one
    counts); None comes with the mistake that ended the reading.
    """
    found: list[Diagnostic] = []
    try:
        _check_text(text)
        return _Builder(text, found).document(), tuple(found)
    except _Stop as stop:
        ends = [stop.diagnostic]
    except yaml.YAMLError as error:
        unquoted = islice(unquoted_expressions(text), MAX_UNQUOTED)
        ends = [*unquoted] or [explain(text, error)]
    return None, (*ends, *found)


def _check_text(text: str) -> None:
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"the file has {size:,} bytes; the limit is {MAX_BYTES:,}"
        raise _Stop(Mark(0, 0, 0), "too-large", message, "split the spec")
    found = _UNPRINTABLE.search(text)
    if found:
        message = f"the character U+{ord(found.group()):04X} is not allowed in YAML"
        raise _Stop(mark_at(text, found.start()), "yaml-syntax", message, "remove it")


@dataclass
class _Open:
    """A list or map that is not complete, and the key that waits for its value."""

    node: Mapping | Sequence
    anchor: str | None
    key: tuple[Mark, str] | None = None


class _Builder:
    """Builds the tree from parser events, without recursion."""

    def __init__(self, text: str, found: list[Diagnostic]) -> None:
        self._text = text
        self._found = found
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._left, self._left_text = MAX_NODES, MAX_TEXT

    def document(self) -> Node | None:
        documents = 0
        for event in parse_events(self._text):
            mark = mark_of(event.start_mark)
            if isinstance(event, yaml.ScalarEvent):
                self._check_tag(mark, event.tag)
                self._take(len(event.value), mark)
                self._place(self._scalar(mark, event), event.anchor)
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    message = "a spec is one document; a second one starts here"
                    raise _Stop(mark, "many-documents", message, "remove `---`")
            elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                self._check_tag(mark, event.tag)
                if len(self._open) >= MAX_DEPTH:
                    raise _Stop(mark, "too-deep", *TOO_DEEP)
                self._take(0, mark)
                kind = Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence
                self._open.append(_Open(kind(mark), event.anchor))
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                closed = self._open.pop()
                self._place(closed.node, closed.anchor)
            elif isinstance(event, yaml.AliasEvent):
                self._place(self._alias(mark, event.anchor or ""))
        return self._root

    def _take(self, length: int, mark: Mark) -> None:
        """Counts one value with a text of this length."""
        self._left -= 1
        self._left_text -= length
        if self._left < 0 or self._left_text < 0:
            most = f"{MAX_NODES:,} values" if self._left < 0 else f"{MAX_TEXT:,} characters"
            message = f"more than {most}; an alias counts each time it is used"
            raise _Stop(mark, "too-large", message, "split the spec, or remove aliases")

    def _note(self, mark: Mark, code: str, message: str, hint: str) -> None:
        self._found.append(diagnostic_at(mark, code, message, hint))

    def _check_tag(self, mark: Mark, tag: str | None) -> None:
        if tag is not None and tag != "!":
            self._note(mark, "tag", f"the tag {cut(tag)!r} is not allowed", TAGS)

    def _scalar(self, mark: Mark, event: yaml.ScalarEvent) -> Scalar:
        end = mark_of(event.end_mark).index
        if event.style or event.tag == "!":
            return Scalar(mark, event.value, end)
        try:
            return Scalar(mark, read_scalar(event.value), end)
        except ValueError as error:
            self._note(mark, "number", f"{cut(event.value)}: {error}", "quote it if it is text")
            return Scalar(mark, event.value, end)

    def _alias(self, mark: Mark, anchor: str) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            message = f"no complete anchor &{cut(anchor)} before this alias"
            raise _Stop(mark, "unknown-alias", message, "quote text that starts with *")
        waiting = [node]
        while waiting:
            part = waiting.pop()
            if isinstance(part, Scalar):
                self._take(part.end - part.mark.index, mark)
            else:
                self._take(0, mark)
                held = part.pairs if isinstance(part, Mapping) else {}
                for name in held:
                    self._take(len(name), mark)
                members = part.members if isinstance(part, Sequence) else []
                waiting += [*members, *(one for _, one in held.values())]
        return node

    def _place(self, node: Node, anchor: str | None = None) -> None:
        """Adds a finished node to its parent."""
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self._root = self._root or node
            return
        into = self._open[-1]
        if isinstance(into.node, Sequence):
            into.node.members.append(node)
        elif into.key is None:
            into.key = self._key(node)
        else:
            self._pair(into.node, into.key, node)
            into.key = None

    def _key(self, node: Node) -> tuple[Mark, str]:
        if isinstance(node, Scalar):
            # A key is its source text: `404:` and `true:` are names here, not numbers.
            value = node.value
            written = self._text[node.mark.index : node.end].strip()
            key = value if isinstance(value, str) else written
            quoted = self._text.startswith(("'", '"'), node.mark.index)
            if key != key.strip(_STRANGE_SPACES) and not quoted:
                side = "starts" if key[0] in _STRANGE_SPACES else "ends"
                message = f"this key {side} with a special space, which YAML reads as a letter"
                hint = "use plain spaces; text copied from a web page has others"
                raise _Stop(node.mark, "yaml-syntax", message, hint)
            return node.mark, key
        begin = node.mark.index - 1
        if self._text.startswith("{{", max(begin, 0)):
            hint = 'write ${{ … }}, inside { } and [ ] with quotes: "${{ … }}"'
            mark = node.mark.at_column(node.mark.column - 1)
            raise _Stop(mark, "missing-dollar", "an expression starts with a dollar sign", hint)
        message, hint = "a key must be a word, not a list or a map", "put it in quotes"
        raise _Stop(node.mark, "complex-key", message, hint)

    def _pair(self, mapping: Mapping, key: tuple[Mark, str], value: Node) -> None:
        mark, name = key
        if name == "<<":
            hint = "write the keys out; `defaults:` gives values to all steps of a kind"
            self._note(mark, "merge-key", "merge keys are not part of YAML 1.2", hint)
        elif name in mapping.pairs:
            first = mapping.pairs[name][0].line + 1
            message = f"duplicate key {cut(name)!r}, first on line {first}"
            self._note(mark, "duplicate-key", message, "remove one of them")
        else:
            mapping.pairs[name] = (mark, value)


def read_scalar(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar: `9:16`, `no`, `on` and `12:30` are text, and `012` is twelve.

    Raises:
        ValueError: A number that is too large or not finite; the message says which.
    """
    if _NULL.match(text):
        return None
    if boolean := _BOOLEAN.match(text):
        return boolean.group(1) is not None
    if integer := _INTEGER.match(text):
        base = 8 if integer[1] else 16 if integer[2] else 10
        if len(text) > 24 or not -(1 << 63) <= (number := int(text, base)) < 1 << 63:
            raise ValueError("an integer of more than 64 bits")
        return number
    if _FLOAT.match(text) or _NOT_FINITE.match(text):
        value = math.inf if _NOT_FINITE.match(text) else float(text)
        if not math.isfinite(value):
            raise ValueError("not a finite number")
        return value
    return text
