"""Lines, tables, times and sizes for people, as wide as a terminal; words stay whole. Pure.

Lines break at blanks only. A longer word, such as a path or an address, stays whole: the terminal
continues it on the next line, and it pastes as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from types import MappingProxyType

import click

from rivya_client.printable import one_line
from rivya_flows.receipt.phrases import roughly

_INDENT = "    "
_COMMAND = re.compile(r"(?:^|(?<=[:;] )|(?<=  ))(?:'[^']*bin/|[^\s'`]*bin/)?rivya-flows'? .*")
"""A command to copy, by its name or path: the rest of its line."""

_ARGUMENT = re.compile(r"""#.*|(?:[^\s'"]|'[^']*'|"[^"]*"|['"])+""")
"""One word of a command for a shell, or its comment."""

_WORD = re.compile(r"(?:[^\s`]|`[^`]*`|`)+")
"""What is between backticks is one word: people copy it."""

_GAP = re.compile(r"\S {2,}(?=\S)")  # between two columns of a line
_LONGEST = 10  # columns that hold each word of what a step does now
_NARROW = 24  # columns below which what wraps is not pressed by a column that can be left out

Cell = str | tuple[str, str]  # a text, or a text and a style such as ``green`` or ``dim``


def width_of(text: str) -> int:
    """Columns of a text in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap_line(line: str, columns: int) -> list[str]:
    """Breaks a line into lines that fit; each further line is indented to the text of the first.

    A command at the end of the line gets a line of its own, and breaks with a backslash, so that
    all of it pastes.
    """
    if width_of(line) <= columns:
        return [line]
    leading = line[: len(line) - len(line.lstrip())]
    if found := _COMMAND.search(line):
        before = line[: found.start()].rstrip()
        indent = leading + _INDENT if before else leading
        arguments = _ARGUMENT.findall(found.group())
        head = wrap_line(before, columns) if before else []
        return [*head, *_lines(arguments, indent, indent + _INDENT, columns, " \\")]
    # The text begins behind the last column, if there is room, else behind the indent.
    gaps = [found.end() for found in _GAP.finditer(line) if found.end() <= columns // 2]
    begins = gaps[-1] if gaps else len(leading)
    further = min(width_of(line[:begins]), columns // 2)
    return list(_lines(_WORD.findall(line[begins:]), line[:begins], " " * further, columns))


def excerpt(source: str, column: int, columns: int) -> tuple[str, int]:
    """The part of a line of a file that fits around one of its columns, and that column in it."""
    if width_of(source) <= columns:
        return source, column
    start = max(0, min(column - columns // 2, len(source) - columns + 2))
    text = source[start : start + columns - 2]
    before, after = "…" if start else "", "…" if start + len(text) < len(source) else ""
    return before + text + after, column - start + len(before)


def _lines(
    parts: Sequence[str], first: str, further: str, columns: int, mark: str = ""
) -> Iterator[str]:
    """Words as lines; a line that another one follows ends with the mark."""
    line, empty = first, True
    for index, word in enumerate(parts, start=1):
        more = mark if index < len(parts) else ""
        blank = "" if empty else " "
        if width_of(line + blank + word + more) <= columns:
            line += blank + word
        else:
            if line.strip():
                yield line.rstrip() + ("" if empty else mark)
            # Below the beginning of the line, if that makes room for all of it.
            room = max(0, columns - width_of(word + more))
            further = further if len(further) <= room else _INDENT[:room]
            line = further + word
        empty = False
    yield line


def draw_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    width: int,
    still: Mapping[str, int] = MappingProxyType({}),
    *,
    coloured: bool,
) -> list[str] | None:
    """The lines of a table, the first with its names; None if words had to be broken to fit the width.

    Columns whose name begins with ``?`` are left out, from the right, until the rest fits. Then the
    rest wraps, the widest first, but for those with ``>`` (set to the right) and ``!``. `still` has
    widths by column, for a table that is drawn again and again and must stand still: of one that
    wraps, as far as there is room; of another, at least.
    """
    names = [column.lstrip(">!?") for column in columns]
    whole = [bool({">", "!"} & {*column[:2]}) for column in columns]
    sizes = [
        _column_sizes([name, *(_text(row[at]) for row in rows)], still.get(name), whole=whole[at])
        for at, name in enumerate(names)
    ]
    wished = [
        min(wide, _NARROW) if still and not whole[at] else wide
        for at, (_, wide) in enumerate(sizes)
    ]
    drawn = list(range(len(columns)))
    while sum(wished[at] for at in drawn) + 2 * (len(drawn) - 1) > width:
        spare = [at for at in drawn if "?" in columns[at][:2]]
        if not spare:
            break
        drawn.remove(spare[-1])
    least, widths = [sizes[at][0] for at in drawn], [sizes[at][1] for at in drawn]
    gap = 2 if sum(least) + 2 * (len(drawn) - 1) <= width else 1
    room = width - gap * (len(drawn) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        wide = [at for at, size in enumerate(widths) if size > least[at]]
        widths[max(wide, key=widths.__getitem__)] -= 1
    lines = []
    for row in ([(name, "bold") for name in names], *rows):
        wrapped = (
            [text]
            if width_of(text := _text(row[at])) <= size
            else _lines(text.split(), "", "", size)
            for at, size in zip(drawn, widths, strict=True)
        )
        for texts in zip_longest(*wrapped, fillvalue=""):
            parts = []
            for at, size, text in zip(drawn, widths, texts, strict=True):
                blanks = " " * (size - width_of(text))
                part = _style(text, row[at]) if coloured else text
                parts.append(blanks + part if ">" in columns[at][:2] else part + blanks)
            lines.append((" " * gap).join(parts).rstrip())
    return lines


def _column_sizes(texts: Sequence[str], still: int | None, *, whole: bool) -> tuple[int, int]:
    """The least width of a column, and the one it would like."""
    widest = max(map(width_of, texts))
    if whole:
        widest = max(widest, still or 0)
        return widest, widest
    longest = max((width_of(word) for text in texts for word in text.split()), default=0)
    return (longest, widest) if still is None else (max(longest, _LONGEST), max(longest, still))


def _style(text: str, cell: Cell) -> str:
    style = "" if isinstance(cell, str) else cell[1]
    if not (style and text):
        return text
    return click.style(text, **({style: True} if style in ("bold", "dim") else {"fg": style}))


def blocks(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Each row as a block: its first cell, then a line for each other cell. For a very narrow terminal."""
    names = [column.lstrip(">!?") for column in columns]
    wide = max(map(width_of, names))
    for row in rows:
        first, *rest = map(_text, row)
        yield first
        for name, text in zip(names[1:], rest, strict=True):
            if text:
                yield f"  {name:<{wide}}  {text}"


def _text(cell: Cell) -> str:
    return one_line(cell if isinstance(cell, str) else cell[0])


def until(at: datetime) -> str:
    """A moment in the zone of this machine, and how far it is: ``2026-12-02 06:45 IST, in 23 h``."""
    seconds = (at - datetime.now(UTC)).total_seconds()
    far = f"in {roughly(seconds)}" if seconds > 0 else f"{roughly(-seconds)} ago"
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}, {far}"


def clock(seconds: float) -> str:
    """A time that always has the same shape: ``0:07``, ``1:05``, ``2:03:00``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size_of(size_bytes: int) -> str:
    """``0 bytes``, ``12 kB``, ``3.4 MB``: decimal units."""
    for unit, worth in (("GB", 10**9), ("MB", 10**6)):
        if size_bytes >= worth:
            return f"{size_bytes / worth:.1f} {unit}"
    return f"{size_bytes / 1000:.0f} kB" if size_bytes >= 1000 else f"{size_bytes} bytes"
