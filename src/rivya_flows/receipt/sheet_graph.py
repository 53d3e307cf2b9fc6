"""The steps of a run as a drawing on its contact sheet: nodes in levels, an arrow for each need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rivya_flows.receipt.model import Step

MAX_STEPS, _MAX_CELLS = 60, 600
"""More steps are not drawn, nor those whose arrows pass through more places of the drawing."""

_WIDTH, _HEIGHT, _LANE = 218, 76, 12  # pixels of a node, and height of an arrow that passes by
_ACROSS, _DOWN, _EDGE = 46, 18, 3  # pixels between levels, between nodes, and around all
_SWEEPS = 4


class _Cell(NamedTuple):
    """A place in a level: a step, by its place in the receipt, or None where an arrow passes by."""

    level: int
    step: int | None
    before: tuple[int, ...]

    @property
    def height(self) -> int:
        return _LANE if self.step is None else _HEIGHT


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
    columns = _columns(cells)
    heights = [sum(cells[one].height + _DOWN for one in column) - _DOWN for column in columns]
    corners = [(0, 0)] * len(cells)
    for level, column in enumerate(columns):  # each stands in the middle
        y = _EDGE + (max(heights) - heights[level]) // 2
        for one in column:
            corners[one] = (_EDGE + level * (_WIDTH + _ACROSS), y)
            y += cells[one].height + _DOWN
    nodes = [
        _node(steps[cell.step], [steps[one].id for one in needs[cell.step]], *corner)
        for cell, corner in zip(cells, corners, strict=True)
        if cell.step is not None
    ]
    width = len(columns) * (_WIDTH + _ACROSS) - _ACROSS + 2 * _EDGE
    arrows = tuple(_arrows(cells, corners))
    return Drawing(0, width, max(heights) + 2 * _EDGE, tuple(nodes), arrows)


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
    for at, before in enumerate(needs):
        passing = [(one, n) for one in before for n in range(levels[one] + 1, levels[at])]
        for one, level in passing:
            if (one, level) not in last:
                last[one, level] = len(cells)
                cells.append(_Cell(level, None, (last[one, level - 1],)))
        last[at, levels[at]] = len(cells)
        cells.append(_Cell(levels[at], at, tuple(last[one, levels[at] - 1] for one in before)))
    return cells


def _columns(cells: Sequence[_Cell]) -> list[list[int]]:
    """The cells of each level from top to bottom, near those that they are joined with."""
    columns: list[list[int]] = [[] for _ in range(1 + max(cell.level for cell in cells))]
    after: list[list[int]] = [[] for _ in cells]
    for at, cell in enumerate(cells):
        columns[cell.level].append(at)
        for one in cell.before:
            after[one].append(at)
    rank: dict[int, float] = {}
    for sweep in range(_SWEEPS):
        for column in columns[:: -1 if sweep % 2 else 1]:
            rank |= {one: (place + 0.5) / len(column) for place, one in enumerate(column)}
            near = [(after[one] if sweep % 2 else cells[one].before) or [one] for one in column]
            middle = {
                one: sum(rank[other] for other in others) / len(others)
                for one, others in zip(column, near, strict=True)
            }
            column.sort(key=middle.__getitem__)
            rank |= {one: (place + 0.5) / len(column) for place, one in enumerate(column)}
    return columns


def _arrows(
    cells: Sequence[_Cell], corners: Sequence[tuple[int, int]]
) -> Iterator[tuple[str, bool]]:
    """The path of each part of an arrow, and whether it ends at a step."""
    middles = [y + cell.height // 2 for cell, (_, y) in zip(cells, corners, strict=True)]
    for at, cell in enumerate(cells):
        x, y = corners[at][0], middles[at]
        for one in cell.before:
            begin, bend = corners[one][0] + _WIDTH, x - _ACROSS // 2
            curve = f"M{begin} {middles[one]}C{bend} {middles[one]} {bend} {y} {x} {y}"
            yield curve if cell.step is not None else f"{curve}h{_WIDTH}", cell.step is not None


def _node(step: Step, before: Sequence[str], x: int, y: int) -> Node:
    number, unit = len(step.items), "credit" if step.credits == 1 else "credits"
    cost = f"{step.credits:,} {unit}" if step.credits else ""
    what = " · ".join(filter(None, [step.uses, f"{number} items" if number > 1 else ""]))
    after = f"after {', '.join(before)}" if before else ""
    words = f"{step.id}: {', '.join(filter(None, [what, step.status, cost, after]))}"
    return Node(step, what, cost, words, x, y)
