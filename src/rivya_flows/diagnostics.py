"""A mistake in a spec, in its inputs or in a request, and how it is shown."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import NamedTuple

from rivya_client.printable import one_line


@dataclass(frozen=True)
class Fix:
    """What was surely meant: a text for a part of the line of the diagnostic.

    `start` and `end` are indexes in the whole text, without a byte order mark; `column` counts from 1.
    """

    start: int
    end: int
    text: str
    summary: str
    column: int


@dataclass(frozen=True)
class Diagnostic:
    """One mistake, or a warning where the code is of `LINTS`. Diagnostics sort by their place.

    Attributes:
        code: Stable name, such as ``unknown-key``; `docs/reference/errors.md` explains all.
        message: What is wrong, lower case.
        hint: What to write instead, or None.
        path: Keys from the checked value to the mistake, such as ``("params", "duration")``, where
            the check knows no file. Empty: the value itself, or a mistake with a place in a file.
        at_key: Whether the last key of `path` is wrong, and not the value there.
        file: Path as the user gave it, or ``<inputs>`` for a value from the command line; empty
            where the check knows no file.
        line: Counted from 1; 0 when there is no line.
        column: Counted from 1; 0 when there is no column.
        source: The text of the line, for the caret; empty when there is none.
        instead: The value or name that was surely meant, where the check knows no file.
        fix: The same, where the place in the file is known; None: a person must decide.
    """

    code: str
    message: str
    hint: str | None = None
    _: KW_ONLY
    path: tuple[str | int, ...] = ()
    at_key: bool = False
    file: str = ""
    line: int = 0
    column: int = 0
    source: str = ""
    instead: str | float | bool | None = None
    fix: Fix | None = None

    def __lt__(self, other: Diagnostic) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, int, int, str, str]:
        return self.file, self.line, self.column, self.code, self.message

    def as_json(self) -> dict[str, str | int | None]:
        """The diagnostic as the commands print it with ``--json``."""
        keys = ("file", "line", "column", "code", "message", "hint")
        return {key: getattr(self, key) for key in keys}

    @property
    def sentence(self) -> str:
        """The mistake and what to write instead: ``no model 'z-imge'; did you mean 'z-image'?``."""
        return f"{self.message}; {self.hint}" if self.hint else self.message

    @property
    def lines(self) -> tuple[str, ...]:
        """The mistake at its place, its line of the file with a caret, and the hint."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        level = "warning: " if self.code in LINTS else ""
        lines = [f"{place}: {level}{self.message} [{self.code}]"]
        if self.source and self.line:
            caret = " " * _width(one_line(self.source[: self.column - 1])) + "^"
            lines += [f"  {self.source}", f"  {caret}"]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return tuple(lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _width(text: str) -> int:
    """Columns of a text in a terminal: wide characters take two, combining marks none."""
    visible = [one for one in text if unicodedata.category(one) not in ("Mn", "Me", "Cf")]
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in visible)


class Explanation(NamedTuple):
    """What a code means, how to fix it, and an example that gives it; empty if there is none."""

    means: str
    fix: str
    example: str = ""


_PAGES = json.loads(Path(__file__).with_name("error_codes.json").read_text("utf-8"))
"""As `scripts/reference` takes them from docs/reference/errors.md."""

CODES: Mapping[str, Explanation] = {
    code: Explanation(*texts) for code, texts in _PAGES["diagnostics"].items()
}
"""The code of each diagnostic."""

ERRORS: Mapping[str, Explanation] = {
    code: Explanation(*texts) for code, texts in _PAGES["errors"].items()
}
"""The code of each error that ends a command or an item, also of those that the service gives."""

LINTS = (
    "budget-too-small", "empty-default", "first-round", "missing-characters", "no-outputs", "plain-braces",
    "same-medium", "text-condition", "unused-input", "unused-step", "useless-exclude",
)  # fmt: skip
"""Codes of warnings: such a spec does less than it seems to."""

REFUSALS = ("over_budget", "usage", "media")
"""Codes of errors that refuse a run before its first purchase, beside those of diagnostics."""
