"""The mistakes of one spec, each at its place in the text, and the fixes of those that are certain.

A check that knows what was surely meant gives its diagnostic a `Fix`. It is applied only if the spec has
fewer mistakes after it; everything else stays byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace

from rivya_flows.diagnostics import Diagnostic, Fix
from rivya_flows.language.expressions.resolve import OPEN, Expression, without_strings
from rivya_flows.language.expressions.values import ExpressionError, InferenceError
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.tree import (
    BREAK,
    FileText,
    Mapping,
    Mark,
    Node,
    Path,
    Scalar,
    Sequence,
    diagnostic_at,
    lines_of,
    mark_at,
)
from rivya_flows.language.wording import cut
from rivya_flows.similar_names import certain, nearest

MAX_PROBLEMS = 100
MAX_SHOWN = 300
"""Characters of a line that is shown."""

_MAX_CHOICES = 1_000
_MAX_LETTERS = 8
"""Largest difference in length between a name and its closest choice."""


class DiagnosticCollector:
    """Collects mistakes; turns paths of the tree into places in the text.

    Attributes:
        root: The tree that paths are looked up in; None before there is one.
        dropped: Whether mistakes were dropped, so checks can stop.
    """

    def __init__(self, file: str, text: str) -> None:
        self.root: Node | None = None
        self.dropped = False
        self._file = file
        self._text = text.removeprefix("\ufeff")  # some editors start a file with this mark
        self._lines = lines_of(self._text)
        self._found: dict[tuple[int, int, str, str], Diagnostic] = {}
        self._plain: set[tuple[int, int]] = set()
        self._files: dict[str, DiagnosticCollector] = {}

    def read_map(self, code: str, message: str, hint: str) -> Mapping | None:
        """The map in the text, which is the root from now on; None, and reported so, if there is none."""
        root, mistakes = source.read(self._text)
        self.add_located(mistakes)
        if isinstance(root, Mapping):
            self.root = root
            return root
        if not mistakes:
            self.add((), code, message, hint)
        return None

    def _is_full(self) -> bool:
        """Whether a further mistake is dropped, so that its hint and place need not be found."""
        self.dropped = self.dropped or len(self._found) >= MAX_PROBLEMS
        return self.dropped

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All mistakes in the order of the text."""
        # What else is wrong with a text that should be an expression does not matter.
        plain = {place[:2] for place in self._found if place[2] == "missing-dollar"} | self._plain
        found = [
            one
            for place, one in self._found.items()
            if one.code == "missing-dollar" or place[:2] not in plain
        ]
        found.sort(key=lambda one: (one.line, one.column))
        found += [one for report in self._files.values() for one in report.diagnostics]
        if self.dropped and found:
            message = f"there are more problems; the first {MAX_PROBLEMS} are shown"
            end = found[-1]
            found.append(
                Diagnostic("too-many-problems", message, "fix these first",
                           file=end.file, line=end.line, column=end.column)
            )  # fmt: skip
        return tuple(found)

    def add(
        self,
        path: Path,
        code: str,
        message: str,
        hint: str | None = None,
        *,
        key: bool = False,
        instead: str | float | bool | None = None,
        at: str = "",
    ) -> None:
        """Adds a mistake in the value at `path`, or in its key; where it does not exist, in what should hold it.

        `instead` is the value or key that was surely meant: it becomes the fix. `at` is what is wrong of a
        long text.
        """
        key_mark, node = self._find(path)
        if isinstance(node, FileText) and not key:
            self._inside(node).add((), code, message, hint, at=at)
            return
        mark = key_mark if key or node is None else node.mark
        fix = None
        if instead is not None and key and node is not None:
            fix = key_fix(self._text, mark, str(path[-1]), str(instead))
        elif instead is not None and isinstance(node, Scalar):
            fix = value_fix(self._text, node, instead)
        if at and isinstance(node, Scalar):
            # Whole: `{{` is not in `${{`. Escapes and folding may have changed it.
            whole = re.compile(rf"(?<![${{]){re.escape(at)}(?!{{)")
            found = whole.search(self._text, mark.index, node.end)
            self._plain.add((mark.line + 1, mark.column + 1))
            mark = mark_at(self._text, found.start(), mark) if found else mark
        self.add_located([replace(diagnostic_at(mark, code, message, hint), fix=fix)])

    def add_inside(self, path: Path, found: Iterable[Diagnostic]) -> None:
        """Adds mistakes whose paths start at `path`; of some codes, the key is marked."""
        for one in found:
            place = (*path, *one.path)
            key = one.at_key or one.code in ("needless-key", "unknown-param")
            self.add(place, one.code, one.message, one.hint, key=key, instead=one.instead)

    def add_located(self, found: Iterable[Diagnostic]) -> None:
        """Adds mistakes that have a line already, such as those of the YAML reader."""
        for one in found:
            if self._is_full():
                return
            line = self._lines[one.line - 1] if one.line <= len(self._lines) else ""
            # The caret counts characters, and a tab is one; a very long line helps no one.
            source = line.replace("\t", " ") if len(line) <= MAX_SHOWN else ""
            placed = replace(one, file=self._file, source=source)
            self._found.setdefault((one.line, one.column, one.code, one.message), placed)

    def unknown(
        self,
        path: Path,
        code: str,
        what: str,
        choices: Iterable[str],
        *,
        value: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Reports the last key of `path`, or the `value` there, as not one of `choices`.

        The hint is the closest one, or `fix`.
        """
        if self._is_full():
            return
        name = str(path[-1]) if value is None else value
        message = f"unknown {what} {cut(name)!r}"
        known = list(choices)
        hint = fix or suggest(name, known) or f"the spec has no {what}s"
        instead = None if fix else certain(name, known)
        self.add(path, code, message, hint, key=value is None, instead=instead)

    def expression(
        self, path: Path, error: ExpressionError, inside: Expression | None = None
    ) -> None:
        """Adds a mistake in the text at `path`, in the expression `inside`, if `error` has no offset."""
        if self._is_full():
            return
        if isinstance(node := self._find(path)[1], FileText):
            self._inside(node).expression((), error, inside)
            return
        code, hint, about = None, error.hint, error.about
        if isinstance(error, InferenceError):
            code, hint = error.code, error.find_hint() if error.find_hint else hint
        if inside is not None and about is not None:
            about = about if about in inside.text else None
        offset = inside.offset if inside else error.offset
        mark = self._expression_mark(path, offset, about)
        found = diagnostic_at(mark, code or "bad-expression", error.message, hint)
        self.add_located([replace(found, fix=self._name_fix(mark, error, about, inside))])

    def _inside(self, node: FileText) -> DiagnosticCollector:
        """The mistakes of a file beside the spec."""
        if node.file not in self._files:
            report = self._files[node.file] = DiagnosticCollector(node.file, node.text)
            report.root = Scalar(Mark(0, 0, 0), node.text, len(node.text))
        return self._files[node.file]

    def _find(self, path: Path) -> tuple[Mark, Node | None]:
        """The mark of the last key of `path` that exists; the node at `path`, or the scalar in its stead."""
        node = self.root
        key_mark = node.mark if node is not None else Mark(0, 0, 0)
        for step in path:
            if isinstance(node, Mapping) and str(step) in node.pairs:
                key_mark, node = node.pairs[str(step)]
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.members):
                node = node.members[step]
                key_mark = node.mark
            else:  # a scalar that stands for a map or a list
                return key_mark, node if isinstance(node, Scalar) else None
        return key_mark, node

    def _name_fix(
        self, mark: Mark, error: ExpressionError, about: str | None, inside: Expression | None
    ) -> Fix | None:
        """The name that was surely meant instead of the last one of `about`, which is at `mark`."""
        if not about or inside is None or not self._text.startswith(about, mark.index):
            return None
        name = about.rpartition(".")[2]
        new = certain(name, error.among)
        # A string with the same words may stand before the name.
        written, outside = (
            len(_whole(about).findall(text)) for text in (inside.text, without_strings(inside.text))
        )
        if new is None or written != outside:
            return None
        at = mark.at_column(mark.column + len(about) - len(name))
        return key_fix(self._text, at, name, new)

    def _expression_mark(self, path: Path, offset: int, about: str | None) -> Mark:
        key_mark, node = self._find(path)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return node.mark if node is not None else key_mark
        # Value and source differ by quotes, escapes and folding, so expressions are counted.
        index = node.mark.index
        for _ in range(node.value.count(OPEN, 0, offset) + 1):
            found = self._text.find(OPEN, index, node.end)
            if found < 0:
                return node.mark
            index = found + len(OPEN)
        place = index - len(OPEN)
        if about:
            inside = _whole(about).search(self._text, index, node.end)
            place = inside.start() if inside else place
        return mark_at(self._text, place, node.mark)


def _whole(about: str) -> re.Pattern[str]:
    """Where a name stands alone: `inputs.n` is not in `inputs.name`."""
    return re.compile(rf"(?<![\w.]){re.escape(about)}(?!\w)")


def suggest(name: str, choices: Iterable[str]) -> str | None:
    """A hint with the closest choice, or with all of them."""
    known = list(choices)
    # Comparing with very many names for each mistake would take long.
    alike = [one for one in known if abs(len(one) - len(name)) <= _MAX_LETTERS][:_MAX_CHOICES]
    near = nearest(name, alike) if len(name) <= 64 else None
    listed = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    if near and near != name:
        return f"did you mean {near!r}?" + (f" there are: {listed}" if len(known) <= 8 else "")
    return f"there are: {listed}" if known else None


_MAX_CHECKS = 500
"""How often a text is checked to fix it."""

_MAX_CHAIN = 4
"""Fixes one after the other, each of which shows the next mistake: of a key, then of its value."""

_OF_A_MODEL = ("unknown-param", "bad-option")
"""Mistakes that depend on the model of a request."""

_PLAIN = re.compile(r"[A-Za-z0-9][\w./-]*")


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
    return Fix(start, start + len(old), new, _summary(old, new), column)


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
    written = json.dumps(new, ensure_ascii=False)
    if isinstance(new, str) and quote and not {"'", '"', "\\"} & set(new):
        written = f"{quote}{new}{quote}"
    elif isinstance(new, str) and _PLAIN.fullmatch(new) and source.read_scalar(new) == new:
        written = new
    end = node.mark.index + len(old)
    return Fix(node.mark.index, end, written, _summary(old, written), node.mark.column + 1)


def _summary(old: str, new: str) -> str:
    return f"{cut(new)} instead of {cut(old)}"


Check = Callable[[str], tuple[Diagnostic, ...]]
"""Finds all mistakes of a text."""


def apply_fixes(text: str, file: str, check: Check) -> Fixed:
    """The text with all that is certain fixed: at once where that shows nothing new, else what leaves fewer mistakes.

    It has no byte order mark. Mistakes of another file than `file` are counted, and not fixed.
    """
    found, applied = _Found(text, check(text)), list[Diagnostic]()
    refused, left = set[_Mistake](), _MAX_CHECKS
    while left > 0 and (sure := found.surely(file, refused)):
        fixed = _apply(found.text, sure)
        after, done, left = _Found(fixed, check(fixed)), sure, left - 1
        if not found.shows_none_in(after, sure):
            if found.is_hidden:
                break
            after, done = found, []
            one = sure[:1]
            while one and len(done) < _MAX_CHAIN and (not done or after.count >= found.count):
                fixed = _apply(after.text, one)
                after, done, left = _Found(fixed, check(fixed)), done + one, left - 1
                one = after.surely(file, found.mistakes)[:1]
            if after.count >= found.count:
                refused.add(_mistake(sure[0]))
                continue
        found, applied = after, applied + done
        refused.clear()  # what showed others may now show none
    return Fixed(found.text, tuple(applied))


_Mistake = tuple[int, int, str, str]
"""The place, code and message of a mistake, which fixes in other lines do not change."""


class _Found:
    """A text and what a check found in it; `count` is without end if the mistakes cannot be counted."""

    def __init__(self, text: str, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.text, self.diagnostics = text, diagnostics
        self.mistakes = {*map(_mistake, diagnostics)}
        self.is_hidden = any(one.code == "too-many-problems" for one in diagnostics)
        hides = self.is_hidden or source.read(text)[0] is None
        self.count = (hides, len(diagnostics))

    def surely(self, file: str, without: Container[_Mistake]) -> list[Diagnostic]:
        """The mistakes of a file with a fix, without some, whose fixes do not overlap."""
        # Without its `model`, a request has that of `defaults` or of its step.
        unsure = any(one.code == "unknown-key" for one in self.diagnostics)
        own = [one for one in self.diagnostics if one.file == file and one.fix]
        sure: list[Diagnostic] = []
        for one in sorted(own, key=_start):
            is_apart = not sure or _start(one) >= _end(sure[-1])
            is_sure = not unsure or one.code not in _OF_A_MODEL
            if is_apart and is_sure and _mistake(one) not in without:
                sure.append(one)
        return sure

    def shows_none_in(self, after: _Found, fixes: list[Diagnostic]) -> bool:
        """Whether all of several fixes leave no new mistake; in their lines, if some were hidden before."""
        lines, hides = {one.line for one in fixes}, self.count[0]
        new = (one for one in after.mistakes - self.mistakes if not hides or one[0] in lines)
        return not any(new) and {*map(_mistake, fixes)}.isdisjoint(after.mistakes)


def _mistake(one: Diagnostic) -> _Mistake:
    return one.line, one.column, one.code, one.message


def _start(one: Diagnostic) -> int:
    return one.fix.start if one.fix else 0


def _end(one: Diagnostic) -> int:
    return one.fix.end if one.fix else 0


def _apply(text: str, fixes: list[Diagnostic]) -> str:
    for one in reversed(fixes):
        text = text[: _start(one)] + (one.fix.text if one.fix else "") + text[_end(one) :]
    return text
