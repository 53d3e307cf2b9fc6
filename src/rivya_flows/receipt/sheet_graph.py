"""The steps of a run as a drawing on its contact sheet: nodes in levels, an arrow for each need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rivya_flows.receipt.model import Step

MAX_STEPS, _MAX_CELLS = 60, 600
"""More steps are not drawn, nor those whose arrows pass through more places of the drawing."""

_WIDTH, _HEIGHT, _LANE = 218, 76, 12  # pixels of a node, and height of an arrow that passes by
_ACROSS, _DOWN, _EDGE = 46, 18, 3  # pixels between levels, between nodes, and around all
_SWEEPS = 4


@dataclass(frozen=True)
class _Cell:
    """A place in a level: a step, or where an arrow passes by.

    Attributes:
        step: Its place in the receipt; None where an arrow passes by.
    """

    level: int
    step: int | None
    before: tuple[int, ...]


class Node(NamedTuple):
    """A step, what it is in words, and the left upper corner in pixels."""

    step: Step
    what: str
    cost: str
    words: str
    x: int
    y: int


class Drawing(NamedTuple):
    """Sizes in pixels; each arrow is a path, and whether it ends at a step.

    Attributes:
        crowded: How many steps are too many to draw; 0 if they are drawn.
    """

    crowded: int = 0
    width: int = 0
    height: int = 0
    nodes: tuple[Node, ...] = ()
    arrows: tuple[tuple[str, bool], ...] = ()
    node: tuple[int, int] = (_WIDTH, _HEIGHT)


def graph(steps: Sequence[Step]) -> Drawing | None:
    """The drawing of these steps of a receipt; None without an arrow."""
    needs = needs_of(steps)
    if not any(needs):
        return None
    levels = levels_of(needs)
    passed = sum(levels[at] - levels[one] for at, before in enumerate(needs) for one in before)
    if len(steps) > MAX_STEPS or passed > _MAX_CELLS:
        return Drawing(len(steps))
    cells = _cells(needs, levels)
    corners, width, height = _corners(cells, _columns(cells))
    nodes = [
        _node(steps[cell.step], [steps[one].id for one in needs[cell.step]], *corner)
        for cell, corner in zip(cells, corners, strict=True)
        if cell.step is not None
    ]
    return Drawing(0, width, height, tuple(nodes), tuple(_arrows(cells, corners)))


def needs_of(steps: Sequence[Step]) -> list[list[int]]:
    """The steps before each step, by their places; a receipt names none that comes after it."""
    places: dict[str, int] = {}
    found: list[list[int]] = []
    for at, step in enumerate(steps):
        found.append(sorted({places[one] for one in step.needs if one in places}))
        places[step.id] = at
    return found


def levels_of(needs: Sequence[Sequence[int]]) -> list[int]:
    """The level of each step: one more than the highest of those before it."""
    found: list[int] = []
    for before in needs:
        found.append(1 + max((found[one] for one in before), default=-1))
    return found


def _cells(needs: Sequence[Sequence[int]], levels: Sequence[int]) -> list[_Cell]:
    """All cells. An arrow over several levels passes through a cell in each of them."""
    cells: list[_Cell] = []
    last: dict[tuple[int, int], int] = {}  # the cell of a step, or of its arrows, in a level

    def add(step: int, level: int, cell: _Cell) -> None:
        last[step, level] = len(cells)
        cells.append(cell)

    for at, before in enumerate(needs):
        for one in before:
            for level in range(levels[one] + 1, levels[at]):
                if (one, level) not in last:
                    add(one, level, _Cell(level, None, (last[one, level - 1],)))
        level = levels[at]
        add(at, level, _Cell(level, at, tuple(last[one, level - 1] for one in before)))
    return cells


def _columns(cells: Sequence[_Cell]) -> list[list[int]]:
    """The cells of each level from top to bottom, near those that they are joined with."""
    columns: list[list[int]] = [[] for _ in range(1 + max(cell.level for cell in cells))]
    joined: tuple[list[list[int]], ...] = ([[*cell.before] for cell in cells], [[] for _ in cells])
    for at, cell in enumerate(cells):
        columns[cell.level].append(at)
        for one in cell.before:
            joined[1][one].append(at)
    rank: dict[int, float] = {}
    for sweep in range(_SWEEPS):
        near = joined[sweep % 2]
        for column in columns[:: -1 if sweep % 2 else 1]:
            own = {one: (place + 0.5) / len(column) for place, one in enumerate(column)}
            middle = {
                one: sum(rank.get(other, own[one]) for other in near[one]) / len(near[one])
                if near[one]
                else own[one]
                for one in column
            }
            column.sort(key=middle.__getitem__)
            rank |= {one: (place + 0.5) / len(column) for place, one in enumerate(column)}
    return columns


def _corners(
    cells: Sequence[_Cell], columns: Sequence[Sequence[int]]
) -> tuple[list[tuple[int, int]], int, int]:
    """Top left of each cell, and width and height of all: each column stands in the middle."""
    heights = [_LANE if cell.step is None else _HEIGHT for cell in cells]
    totals = [sum(heights[one] + _DOWN for one in column) - _DOWN for column in columns]
    found = [(0, 0)] * len(cells)
    for level, (column, total) in enumerate(zip(columns, totals, strict=True)):
        y = _EDGE + (max(totals) - total) // 2
        for one in column:
            found[one] = (_EDGE + level * (_WIDTH + _ACROSS), y)
            y += heights[one] + _DOWN
    width = len(columns) * (_WIDTH + _ACROSS) - _ACROSS
    return found, width + 2 * _EDGE, max(totals) + 2 * _EDGE


def _arrows(
    cells: Sequence[_Cell], corners: Sequence[tuple[int, int]]
) -> Iterator[tuple[str, bool]]:
    """The path of each part of an arrow, and whether it ends at a step."""

    def middle(at: int) -> int:
        return corners[at][1] + (_LANE if cells[at].step is None else _HEIGHT) // 2

    for at, cell in enumerate(cells):
        x, y = corners[at][0], middle(at)
        for one in cell.before:
            begin, bend = corners[one][0] + _WIDTH, x - _ACROSS // 2
            curve = f"M{begin} {middle(one)}C{bend} {middle(one)} {bend} {y} {x} {y}"
            yield curve if cell.step is not None else f"{curve}h{_WIDTH}", cell.step is not None


def _node(step: Step, before: Sequence[str], x: int, y: int) -> Node:
    number, unit = len(step.items), "credit" if step.credits == 1 else "credits"
    cost = f"{step.credits:,} {unit}" if step.credits else ""
    what = " · ".join(filter(None, [step.uses, f"{number} items" if number > 1 else ""]))
    after = f"after {', '.join(before)}" if before else ""
    words = f"{step.id}: {', '.join(filter(None, [what, step.status, cost, after]))}"
    return Node(step, what, cost, words, x, y)
