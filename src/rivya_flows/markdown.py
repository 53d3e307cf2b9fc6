"""Markdown that foreign text cannot break: texts, tables, links, pictures.

Prefect has two readers of Markdown. The older one shows character references other than ``&amp;``,
``&lt;`` and ``&gt;`` as they are, and so the text of a link with its escapes; its pictures have their full size in a table, and fit the page elsewhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar
from urllib.parse import quote

from rivya_client.printable import one_line, printable

_MARKS = re.compile(r"[\\`*\[\]!|~$]|(?<![^\W_])_|_(?![^\W_])")
"""What may be markup. Inside a word, as in ``api_key``, an underscore is none."""
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
_BEGINNING = re.compile(r"^(\d{0,9})([#+=:.)-])(?=[\s#=-]|$)")
_URL_LETTERS = "/:?&=%#,;+@!~*._-"
LONGEST_TEXT = 300
_ACROSS = 4

T = TypeVar("T")


def text(content: object, longest: int = LONGEST_TEXT) -> str:
    """Text in one line; no markup, link or HTML comes from it, and all of it is seen."""
    flat = printable(" ".join(str(content).split()))
    short = flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
    # A backslash does not stop an address from becoming a link; a word joiner does.
    inert = _ADDRESS.sub("\u2060", short)
    marked = _MARKS.sub(r"\\\g<0>", html.escape(inert, quote=False))
    return _BEGINNING.sub(r"\1\\\2", marked)


def quotation(content: str, longest: int = 4_000) -> str:
    """A longer text as a quotation, line by line."""
    short = content if len(content) <= longest else f"{content[: longest - 1]}…"
    lines = [text(line, longest) for line in short.splitlines()]
    return "\n".join(f"> {line}  " if line else ">" for line in lines)


def paragraphs(content: str, longest: int = 4_000) -> str:
    """A longer text, line by line."""
    short = content if len(content) <= longest else f"{content[: longest - 1]}…"
    return "\n".join(text(line, longest) for line in short.strip().splitlines())


def code(content: str) -> str:
    """Text to be copied, as it is; as `text` where it would end its quotation or is not all seen."""
    return f"`{content}`" if content == one_line(content) and "`" not in content else text(content)


def link(content: str, address: str) -> str:
    """A link with the text `content`."""
    return f"[{text(content)}](<{_address(address)}>)"


def picture(content: str, address: str, *, to: str | None = None) -> str:
    """A picture; a click opens `to`, None: nothing. The older pages of Prefect show none in a link."""
    image = f"![{text(content)}](<{_address(address)}>)"
    return f"[{image}](<{_address(to)}>)" if to else image


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()
) -> str:
    """A table; columns in `right` are right-aligned. Cells with Markdown are `Marked`."""
    numbers = set(right)
    lines = [_row(head), _row(Marked("--:" if i in numbers else "---") for i in range(len(head)))]
    return "\n".join([*lines, *(_row(row) for row in rows)])


def gallery(pictures: Sequence[tuple[str, str, str]]) -> str:
    """Pictures side by side with their names below; takes triples of name, small picture and whole one.

    One table for all, without names: in a cell they would widen it, and a table of one row fills the page.
    """
    rows = _in_rows(pictures, _ACROSS)
    names = "  \n".join(
        " · ".join(f"{text(name)} ({link('open', whole)})" for name, _, whole in row)
        for row in rows
    )
    return f"{side_by_side([(name, small) for name, small, _ in pictures], _ACROSS)}\n\n{names}"


def side_by_side(pictures: Sequence[tuple[str, str]], across: int) -> str:
    """Pictures in rows of so many; takes pairs of name and URL."""
    cells = [[Marked(picture(*one)) for one in row] for row in _in_rows(pictures, across)]
    across = len(cells[0])
    # A head of its own: the older pages of Prefect show no table without a body.
    body = [[*row, *[Marked("")] * (across - len(row))] for row in cells]
    return table([""] * across, body)


def _in_rows(values: Sequence[T], across: int) -> list[Sequence[T]]:
    return [values[start : start + across] for start in range(0, len(values), across)]


class Marked(str):
    """Text that is already Markdown."""

    __slots__ = ()


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(one if isinstance(one, Marked) else text(one) for one in cells)} |"


def _address(address: str) -> str:
    return quote(address, safe=_URL_LETTERS)
