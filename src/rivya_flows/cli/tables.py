"""Tables that fit a terminal, whose words stay whole; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rivya_flows.cli.line_breaks import width_of
from rivya_flows.printable import one_line

_WORD = 10  # columns that hold each word of what a step does now
_NARROW = 24  # columns below which what wraps is not pressed by a column that can be left out

Cell = str | tuple[str, str]
"""Words, or words and a style of rich such as ``green``."""


@dataclass(frozen=True)
class Fit:
    """What of a table is shown.

    Attributes:
        kept: Indexes of its columns.
        widths: Of each of them.
        gap: Blanks between two.
    """

    kept: tuple[int, ...]
    widths: tuple[int, ...]
    gap: int


def fit(
    rows: Sequence[Sequence[Cell]],
    columns: Sequence[str],
    width: int,
    still: Mapping[str, int] = MappingProxyType({}),
) -> Fit | None:
    """How a table fits so many columns of a terminal; None if words had to be broken.

    Columns whose name begins with ``?`` are left out, from the right, until the rest fits. Then the
    others wrap, the widest first, but for those with ``>`` (set to the right) and ``!``.

    Args:
        rows: One line of text in each cell.
        columns: Their names.
        width: Of the terminal.
        still: Widths by column, for a table that is drawn again and again and must stand still: of one
            that wraps, as far as there is room; of another, at least.
    """
    sizes = [
        _sizes(name, (row[at] for row in rows), still.get(name.lstrip(">!?")))
        for at, name in enumerate(columns)
    ]
    wished = [
        min(wide, _NARROW) if still and not _stays_whole(name) else wide
        for name, (_, wide) in zip(columns, sizes, strict=True)
    ]
    kept = list(range(len(columns)))
    while sum(wished[one] for one in kept) + 2 * (len(kept) - 1) > width:
        spare = [one for one in kept if "?" in columns[one][:2]]
        if not spare:
            break
        kept.remove(spare[-1])
    least = [sizes[one][0] for one in kept]
    gap = 2 if sum(least) + 2 * (len(kept) - 1) <= width else 1
    room = width - gap * (len(kept) - 1)
    if sum(least) > room:
        return None
    return Fit(tuple(kept), _shrunk(least, [sizes[one][1] for one in kept], room), gap)


def _stays_whole(column: str) -> bool:
    return bool({">", "!"} & {*column[:2]})


def _sizes(column: str, cells: Iterable[Cell], still: int | None) -> tuple[int, int]:
    """The least width of a column, and the one it would like."""
    texts = [column.lstrip(">!?"), *(one_line(words_of(cell)) for cell in cells)]
    widest = max(map(width_of, texts))
    if _stays_whole(column):
        widest = max(widest, still or 0)
        return widest, widest
    longest = max((width_of(word) for text in texts for word in text.split()), default=0)
    return (longest, widest) if still is None else (max(longest, _WORD), max(longest, still))


def _shrunk(least: Sequence[int], widths: Sequence[int], room: int) -> tuple[int, ...]:
    left = list(widths)
    while sum(left) > room:
        wide = [one for one, width in enumerate(left) if width > least[one]]
        left[max(wide, key=left.__getitem__)] -= 1
    return tuple(left)


def blocks(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Each row as its first cell and a line for each other one: for a very narrow terminal."""
    names = [column.lstrip(">!?") for column in columns]
    wide = max(map(width_of, names))
    for row in rows:
        first, *rest = map(words_of, row)
        yield first
        for name, text in zip(names[1:], rest, strict=True):
            if text:
                yield f"  {name:<{wide}}  {text}"


def plain(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The lines of a table that is as wide as its words."""
    right = [">" in column[:2] for column in columns]
    lines = [[column.lstrip(">!?") for column in columns]]
    lines += [[one_line(words_of(cell)) for cell in row] for row in rows]
    widths = [max(map(width_of, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        blanks = [" " * (width - width_of(text)) for text, width in zip(line, widths, strict=True)]
        parts = zip(line, blanks, right, strict=True)
        set_out = (blank + text if to_right else text + blank for text, blank, to_right in parts)
        yield "  ".join(set_out).rstrip()


def words_of(cell: Cell) -> str:
    """The words of a cell, without its style."""
    return cell if isinstance(cell, str) else cell[0]
