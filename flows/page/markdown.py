"""Markdown that strangers' words cannot break: texts, tables, links, pictures."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote

_MARKS = re.compile(r"[\\`*_\[\]!|~$@]|(?<=:)/(?=/)|(?<=www)\.")
_BEGINNING = re.compile(r"^(\d{0,9})([#+=:.)-])(?=[\s#=-]|$)")
_URL_LETTERS = "/:?&=%#,;+@!~*._-"
LONGEST_TEXT = 300
_ACROSS = 4


def text(words: object, longest: int = LONGEST_TEXT) -> str:
    """Words as they are, in one line: no markup, no link, no HTML comes from them."""
    flat = " ".join(_printable(str(words)).split())
    short = flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
    marked = _MARKS.sub(r"\\\g<0>", html.escape(short, quote=False))
    return _BEGINNING.sub(r"\1\\\2", marked)


def quotation(words: str, longest: int = 4_000) -> str:
    """A longer text, line by line, as a quotation."""
    short = words if len(words) <= longest else f"{words[: longest - 1]}…"
    lines = [text(line, longest) for line in short.splitlines()]
    return "\n".join(f"> {line}  " if line else ">" for line in lines)


def link(words: str, address: str) -> str:
    """A link that is shown as `words`."""
    return f"[{text(words)}](<{_address(address)}>)"


def picture(words: str, address: str, *, to: str | None = None) -> str:
    """A picture; `to` is where a click on it leads, None: nowhere."""
    shown = f"![{text(words)}](<{_address(address)}>)"
    return f"[{shown}](<{_address(to)}>)" if to else shown


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()
) -> str:
    """A table; columns in `right` are numbers. Cells that are Markdown already are `Marked`."""
    numbers = set(right)
    lines = [_row(head), _row(Marked("--:" if i in numbers else "---") for i in range(len(head)))]
    return "\n".join([*lines, *(_row(row) for row in rows)])


def gallery(pictures: Sequence[tuple[str, str]]) -> str:
    """Pictures side by side, their names in a line beneath: pairs of name and address.

    A name in a column of its own would make that column as wide as the name is long.
    """
    lines: list[str] = []
    for start in range(0, len(pictures), _ACROSS):
        few = pictures[start : start + _ACROSS]
        shown = [Marked(picture(name, address, to=address)) for name, address in few]
        lines += [table(shown, []), "", " · ".join(text(name) for name, _ in few), ""]
    return "\n".join(lines)


class Marked(str):
    """Text that is Markdown already."""

    __slots__ = ()


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(one if isinstance(one, Marked) else text(one) for one in cells)} |"


def _printable(words: str) -> str:
    # Half a surrogate pair cannot be sent, and marks that turn the reading direction mislead.
    return "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cs") or letter in _TURNING else letter
        for letter in words
    )


def _address(address: str) -> str:
    return quote(address, safe=_URL_LETTERS)


_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
