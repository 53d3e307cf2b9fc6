"""Fix what is certain in the text of a spec, and leave everything else byte for byte.

A check that knows what was surely meant gives its diagnostic a `Fix`. It is applied only if the spec has no
other mistake at that place after it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rivya_flows.diagnostics import Diagnostic, Fix
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.tree import BREAK, Mapping, Mark, Node, Scalar, Sequence
from rivya_flows.language.wording import cut

MAX_ROUNDS = 50
"""A fix may show the next mistake: how often the text is read again."""

_OF_A_MODEL = ("unknown-param", "bad-option")
"""Mistakes that depend on the model of a request."""

_PLAIN = re.compile(r"[A-Za-z0-9][\w./-]*")
_COLON = re.compile(r"['\"]? *: *")


@dataclass(frozen=True)
class Fixed:
    """A text after its fixes, and what was fixed, each with its place in the text of that moment."""

    text: str
    applied: tuple[Diagnostic, ...]


def key_fix(text: str, mark: Mark, old: str, new: str) -> Fix | None:
    """Writes another key, or another name in an expression; None if `old` is not written so."""
    start = mark.index + text.startswith(("'", '"'), mark.index)
    if not text.startswith(old, start) or not _PLAIN.fullmatch(new):
        return None
    column = mark.column + 1 + start - mark.index
    return Fix(start, start + len(old), new, _words(old, new), column)


def value_fix(text: str, node: Scalar, new: str | float | bool) -> Fix | None:
    """Writes another value with the quotes of the old one; None for a value of several lines."""
    old = text[node.mark.index : node.end].rstrip()
    quote = old[:1] if old[:1] in ("'", '"') else ""
    if "${{" in old:
        return None  # one of the values that it may have is wrong
    if not old or BREAK.search(old) or old[0] in "&!|>" or (quote and old[-1] != quote):
        return None
    if isinstance(new, str) and not isinstance(node.value, str):
        new = old  # `012` as a text is not `12`
    written = _as_yaml(new, quote)
    end = node.mark.index + len(old)
    return Fix(node.mark.index, end, written, _words(old, written), node.mark.column + 1)


def _words(old: str, new: str) -> str:
    return f"{cut(new)} instead of {cut(old)}"


def _as_yaml(value: str | float | bool, quote: str) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if quote and not {"'", '"', "\\"} & set(value):
        return f"{quote}{value}{quote}"
    plain = _PLAIN.fullmatch(value) and source.read_scalar(value) == value
    return value if plain else json.dumps(value, ensure_ascii=False)


Check = Callable[[str], tuple[Diagnostic, ...]]
"""Finds all mistakes of a text."""


def fixed(text: str, file: str, check: Check) -> Fixed:
    """The text with all that is certain fixed, which has no more mistakes than before.

    It has no byte order mark. Mistakes of another file than `file` are counted, and not fixed.
    """
    before = _Found(text, check(text))
    # A fix may show mistakes that it hid. If they are not all fixed too, each fix must pay at once.
    for patient in (True, False):
        found, applied = before, list[Diagnostic]()
        for _ in range(MAX_ROUNDS):
            # Without its `model`, a request has that of `defaults` or of its step.
            unsure = any(one.code == "unknown-key" for one in found.diagnostics)
            own = (one for one in found.diagnostics if one.file == file and one.fix)
            sure = (one for one in own if not unsure or one.code not in _OF_A_MODEL)
            found, kept = _apply(found, _apart(sure), check, patient)
            applied += kept
            if not kept:
                break
        if found.count <= before.count:
            break
    return Fixed(found.text, tuple(applied))


class _Found:
    """A text and what a check found in it."""

    def __init__(self, text: str, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.text, self.diagnostics = text, diagnostics
        self.tree = source.read(text)[0]

    @property
    def count(self) -> float:
        """How many mistakes there are; infinite if they cannot be known."""
        hidden = any(one.code == "too-many-problems" for one in self.diagnostics)
        return math.inf if hidden or self.tree is None else len(self.diagnostics)


def _apart(fixes: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those in the order of the text that do not overlap."""
    apart: list[Diagnostic] = []
    end = 0
    for one in sorted(fixes, key=lambda one: one.fix.start if one.fix else 0):
        if one.fix and one.fix.start >= end:
            apart.append(one)
            end = one.fix.end
    return apart


def _apply(
    found: _Found, fixes: list[Diagnostic], check: Check, patient: bool
) -> tuple[_Found, list[Diagnostic]]:
    """The text after all of the fixes; or after those that do not make it worse, each for itself."""
    if not fixes:
        return found, []
    text = found.text
    for one in reversed(fixes):
        if one.fix:
            text = text[: one.fix.start] + one.fix.text + text[one.fix.end :]
    after = _Found(text, check(text))
    if (patient or after.count <= found.count) and _is_better(found, after, fixes):
        return after, fixes
    if len(fixes) == 1:
        return found, []
    half = len(fixes) // 2
    after, later = _apply(found, fixes[half:], check, patient)  # the others keep their places
    after, earlier = _apply(after, fixes[:half], check, patient)
    return after, earlier + later


def _is_better(before: _Found, after: _Found, fixes: list[Diagnostic]) -> bool:
    """Whether the fixes changed just their keys and values, and gave no other mistake there."""
    if before.tree is None:
        return after.tree is not None or len(after.diagnostics) < len(before.diagnostics)
    if after.tree is None or _differences(before.tree, after.tree) > len(fixes):
        return False
    known = {(one.line, one.code, one.message) for one in before.diagnostics}
    known -= {(one.line, one.code, one.message) for one in fixes}
    new = [one for one in after.diagnostics if (one.line, one.code, one.message) not in known]
    places = list(_places(after.text, fixes))
    for one in new:
        mistyped = one.code == "wrong-type" and one.fix is None
        at_a_fix = any(
            one.line == line and (first <= one.column <= last or (mistyped and one.column == value))
            for line, first, last, value in places
        )
        if at_a_fix or one.code == "cycle":
            return False
    return True


def _places(text: str, fixes: list[Diagnostic]) -> Iterator[tuple[int, int, int, int]]:
    """Of each fix in the text after them: line, first and last column, and column of what follows.

    A wrong type in the value after a key says that another key was meant.
    """
    moved = line = shifted = 0
    for one in fixes:
        if one.fix is None:
            continue
        shifted = shifted if one.line == line else 0
        line = one.line
        begin, grown = one.fix.start + moved, len(one.fix.text) - (one.fix.end - one.fix.start)
        end = begin + len(one.fix.text)
        colon = _COLON.match(text, end)
        column = one.fix.column + shifted - begin
        value = column + (colon.end() if colon else end)
        yield line, one.column + shifted, column + end - 1, value
        moved, shifted = moved + grown, shifted + grown


def _differences(one: Node, other: Node) -> float:
    """How many keys and values differ; infinite if one has more of them."""
    if type(one) is not type(other):
        return 1
    if isinstance(one, Scalar) and isinstance(other, Scalar):
        return (type(one.value), one.value) != (type(other.value), other.value)
    (keys, parts), (changed, others) = _parts(one), _parts(other)
    if len(parts) != len(others):
        return math.inf
    renamed = sum(key != new for key, new in zip(keys, changed, strict=True))
    return renamed + sum(map(_differences, parts, others))


def _parts(node: Node) -> tuple[list[str], list[Node]]:
    """The keys and values of a map, or the members of a list."""
    if isinstance(node, Mapping):
        return [*node.pairs], [held for _, held in node.pairs.values()]
    return [], node.members if isinstance(node, Sequence) else []
