"""The story of a run on its contact sheet: when its steps worked, on one axis, and how they follow each other."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from rivya_flows.plans.names import label
from rivya_flows.receipt.model import Execution, Item, Receipt, Step
from rivya_flows.receipt.phrases import seconds_text

Stretch = tuple[float, float]
"""From one moment to a later one, in Unix seconds."""

_SHORT, _SHORT_SHARE = 5.0, 0.2
"""An idle stretch is left out beyond so many seconds, and beyond this share of the work."""

_INSTANT = 0.001  # seconds: journals tell no less

_GAP, _ALL_GAPS, _MOST_GAPS = 4.0, 30.0, 30
"""Percent of the width of one mark for what is left out, and of all of them; and most of them."""

_MOST_TICKS = 6
_UNITS = ((86_400.0, "d", 72 * 3600.0), (3600.0, "h", 180 * 60.0), (60.0, "min", 180.0))
"""Seconds of a unit, its name, and the shortest axis whose ticks have it."""

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 100)

_MAX_LANES, _MAX_BARS = 20, 2000
"""Lanes of a step, and bars of the page; a step with more than its share is one bar."""

_MAX_STRETCHES = 200  # of a step that is one bar; more are one stretch
_LEAST_WIDTH = 0.7  # percent

_WORST_FIRST = ("failed", "cancelled", "suspended", "running", "cached", "completed", "skipped")


class Bar(NamedTuple):
    """A bar of a row: its place in percent of the axis; `kind` is its status, or ``wait``."""

    x: float
    width: float
    lane: int
    kind: str
    title: str


class StepBars(NamedTuple):
    """The bars of a step in lanes, how long it worked and asked a person, and all of it as a label."""

    bars: list[Bar]
    lanes: int
    took: str
    asked: str
    label: str


class Gap(NamedTuple):
    """What is left out of the axis, in percent, and why nothing worked then."""

    x: float
    width: float
    kind: str
    text: str


class Timeline(NamedTuple):
    """The axis, and a row for each step. `waited`: a person was asked."""

    rows: list[StepBars]
    ticks: list[tuple[float, str]]
    gaps: list[Gap]
    waited: bool


class _Item(NamedTuple):
    name: str
    status: str
    whole: Stretch
    works: list[Stretch]
    waits: list[Stretch]


def fold_steps(steps: Sequence[Step]) -> list[tuple[Step, list[Step]]]:
    """The steps of the spec itself, each with credits and needs of all that is inside an `include` or a `repeat`, and that."""
    owners = {step.id: step.part_of or step.id for step in steps}
    inside: dict[str, list[Step]] = {}
    for step in steps:
        inside.setdefault(owners[step.id], []).append(step)
    found = []
    for step in steps:
        if step.part_of is None:
            parts = inside[step.id]
            needs = dict.fromkeys(owners.get(one, one) for part in parts for one in part.needs)
            whole = {
                "credits": sum(one.credits for one in parts),
                "needs": tuple(one for one in needs if one != step.id),
            }
            found.append((step.model_copy(update=whole), parts))
    return found


def timeline(receipt: Receipt, steps: Sequence[Step]) -> Timeline | None:
    """The timeline of these steps of a receipt, as of `fold_steps`; None before anything has begun."""
    now = _last_moment(receipt)
    executions = [_stretch(one.began_at, one.ended_at, now) for one in receipt.execution_times]
    driven = merge(executions)
    folded = fold_steps(steps)
    of_steps = [
        [item for one in inside for item in _items(one, driven, now, named=len(inside) > 1)]
        for _, inside in folded
    ]
    items = [item for of_step in of_steps for item in of_step]
    if not executions or not items:
        return None
    frames = [*executions, *(item.whole for item in items)]
    busy = (span for item in items for span in item.works)
    axis = Axis.of(min(begin for begin, _ in frames), max(end for _, end in frames), busy)
    asked = [_stretch(one.asked_at, one.answered_at, now) for one in receipt.waits]
    waits = merge([*asked, *(wait for item in items for wait in item.waits)])
    most = _MAX_BARS // len(steps)
    return Timeline(
        [_row(step.id, of, axis, most) for (step, _), of in zip(folded, of_steps, strict=True)],
        [(round(x, 2), text) for x, text in axis.ticks()],
        [_gap(gap, axis, waits, driven) for gap in axis.gaps],
        waited=any(item.waits for item in items),
    )


def _last_moment(receipt: Receipt) -> float:
    """What still runs lasts until then."""
    worked: list[Execution | Item] = [*receipt.execution_times, *(one for _, one in receipt.each())]
    waited = [*receipt.waits, *(wait for _, item in receipt.each() for wait in item.waits)]
    moments = [at for one in worked for at in (one.began_at, one.ended_at)]
    moments += [at for wait in waited for at in (wait.asked_at, wait.answered_at)]
    return max((at.timestamp() for at in moments if at), default=0.0)


def _stretch(begin: datetime, end: datetime | None, now: float) -> Stretch:
    begun = begin.timestamp()
    # A clock may have been put back.
    return begun, max(begun, now if end is None else end.timestamp())


def _items(
    step: Step, driven: Sequence[Stretch], now: float, *, named: bool = False
) -> Iterator[_Item]:
    for item in step.items:
        if item.began_at is not None:
            is_open = item.ended_at is None and item.status in ("running", "suspended")
            whole = _stretch(item.began_at, item.ended_at, now if is_open else 0.0)
            waits = [_stretch(one.asked_at, one.answered_at, now) for one in item.waits]
            # Between two executions nothing drives it.
            works = within(without(whole, waits), driven) or [(whole[0], whole[0])]
            name = label(step.id, item.key) if named else item.key
            yield _Item(name, item.status, whole, works, waits)


def _row(step_id: str, items: Sequence[_Item], axis: Axis, most: int) -> StepBars:
    if not items:
        return StepBars([], 0, "", "", f"{step_id}: did not run")
    works = merge(span for item in items for span in item.works)
    waits = merge(wait for item in items for wait in item.waits)
    took, waited = seconds_text(length(works)), seconds_text(length(waits))
    lanes = _lanes(items)
    if len(lanes) > _MAX_LANES or sum(len(one.works) + len(one.waits) for one in items) > most:
        whole = works[0][0], max(item.whole[1] for item in items)
        drawn = (works, waits) if len(works) + len(waits) <= _MAX_STRETCHES else ([whole], [])
        worst = min((item.status for item in items), key=_WORST_FIRST.index)
        lanes = [[_Item(f"{len(items)} items of {step_id}", worst, whole, *drawn)]]
    bars = [bar for n, lane in enumerate(lanes) for item in lane for bar in _bars(item, axis, n)]
    label = f"{step_id}: worked for {took}"
    label += f", asked a person for {waited}" if waits else ""
    label += f", {len(items)} items" if len(items) > 1 else ""
    # A run that has just asked has not waited yet.
    asked = (f"{waited} asked" if length(waits) >= 0.05 else "asked") if waits else ""
    return StepBars(bars, len(lanes), took, asked, label)


def _lanes(items: Sequence[_Item]) -> list[list[_Item]]:
    """Items in rows in which none lies over another; more than `_MAX_LANES` rows are not filled."""
    lanes: list[list[_Item]] = []
    for item in sorted(items, key=lambda one: one.whole):
        free = next((lane for lane in lanes if lane[-1].whole[1] <= item.whole[0]), None)
        if free is not None:
            free.append(item)
        elif len(lanes) > _MAX_LANES:
            break
        else:
            lanes.append([item])
    return lanes


def _bars(item: _Item, axis: Axis, lane: int) -> Iterator[Bar]:
    for kind, stretches in ((item.status, item.works), ("wait", item.waits)):
        for begin, end in stretches:
            # What lasts shorter than a pixel is seen, at the end of the axis too.
            x = min(axis.x(begin), 100 - _LEAST_WIDTH)
            width = max(_LEAST_WIDTH, axis.x(end) - x)
            lasts = seconds_text(end - begin)
            title = f"asked a person for {lasts}" if kind == "wait" else f"{lasts}, {kind}"
            title = f"{item.name}: {title}" if item.name else title
            yield Bar(round(x, 2), round(width, 2), lane, kind, title)


def _gap(gap: Stretch, axis: Axis, waits: Sequence[Stretch], driven: Sequence[Stretch]) -> Gap:
    lasts, x = length([gap]), axis.x(gap[0])
    if length(within(waits, [gap])) > lasts / 2:
        kind, why = "wait", "a person was asked"
    elif length(within(driven, [gap])) <= lasts / 2:
        kind, why = "stopped", "the run was stopped"
    else:
        kind, why = "idle", "nothing worked"
    text = f"{seconds_text(lasts)} left out: {why}"
    return Gap(round(x, 2), round(axis.x(gap[1]) - x, 2), kind, text)


@dataclass(frozen=True)
class Axis:
    """A time axis without its longest pauses, which are its `gaps`.

    Attributes:
        begin, end: Unix seconds.
        gap, scale: Percent of the width that a gap has, and a second that is drawn.
    """

    begin: float
    end: float
    gaps: list[Stretch]
    gap: float
    scale: float

    @classmethod
    def of(cls, begin: float, end: float, busy: Iterable[Stretch]) -> Axis:
        """An axis from one moment to another, both in Unix seconds; `busy`: when something worked."""
        frame = begin, end
        idle = without(frame, busy)
        limit = max(_SHORT, _SHORT_SHARE * length(without(frame, idle)))
        pauses = [one for one in idle if length([one]) > limit]
        gaps = sorted(sorted(pauses, key=lambda one: one[0] - one[1])[:_MOST_GAPS])
        if length(without(frame, gaps)) < _INSTANT:
            gaps = []
        gap = min(_GAP, _ALL_GAPS / len(gaps)) if gaps else 0.0
        drawn = max(_INSTANT, length(without(frame, gaps)))
        return cls(begin, end, gaps, gap, (100 - gap * len(gaps)) / drawn)

    def x(self, moment: float) -> float:
        """The place of a moment, in percent from the left; the nearest one if it is not on the axis."""
        x, last = 0.0, self.begin
        for begin, end in (*self.gaps, (self.end, self.end)):
            if moment <= last:
                break
            x += (min(moment, begin) - last) * self.scale
            if moment > begin < end:
                x += (min(moment, end) - begin) / (end - begin) * self.gap
            last = end
        return x

    def ticks(self) -> list[tuple[float, str]]:
        """Places in percent with the time that is drawn before them."""
        begins = [*(begin for begin, _ in self.gaps), self.end]
        ends = [self.begin, *(end for _, end in self.gaps)]
        parts = (begin - end for begin, end in zip(begins, ends, strict=True))
        *before_gaps, total = itertools.accumulate(parts)
        seconds, unit, _ = next((one for one in _UNITS if total >= one[2]), (1.0, "s", 0.0))
        steps = itertools.chain(_STEPS, (10.0**power for power in range(3, 12)))
        step = next(one for one in steps if total / seconds / one <= _MOST_TICKS)
        values = [number * step for number in range(int(total / seconds / step) + 1)]
        return [
            (
                value * seconds * self.scale + bisect_left(before_gaps, value * seconds) * self.gap,
                f"{value:.10g} {unit}",
            )
            for value in values
        ]


def merge(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time in order, each moment once."""
    found: list[Stretch] = []
    for begin, end in sorted(stretches):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def within(stretches: Iterable[Stretch], frames: Sequence[Stretch]) -> list[Stretch]:
    """The parts of stretches that lie in frames, which are in order and share no time."""
    ends = [end for _, end in frames]
    found: list[Stretch] = []
    for begin, end in stretches:
        for at in range(bisect_left(ends, begin), len(ends)):
            first, last = frames[at]
            if first > end:
                break
            found.append((max(begin, first), min(end, last)))
    return found


def without(stretch: Stretch, taken: Iterable[Stretch]) -> list[Stretch]:
    """The parts of a stretch that are in none of those that are taken."""
    inside = merge(within(taken, [stretch]))
    edges = [stretch[0], *(edge for one in inside for edge in one), stretch[1]]
    return [pair for pair in zip(edges[::2], edges[1::2], strict=True) if pair[0] < pair[1]]


def length(stretches: Iterable[Stretch]) -> float:
    """Seconds of stretches that share none."""
    return sum(end - begin for begin, end in stretches)


# --- How the steps follow each other ---

MAX_STEPS, _MAX_CELLS = 60, 600
"""More steps are not drawn, nor those whose arrows pass through more places of the drawing."""

_WIDTH, _HEIGHT, _LANE = 218, 76, 12  # pixels of a node, and height of an arrow that passes by
_ACROSS, _DOWN, _EDGE = 46, 18, 3  # pixels between levels, between nodes, and around all
_SWEEPS = 4


class _Cell(NamedTuple):
    """A place in a level: a step, by its place in the receipt, or an arrow that passes by (None)."""

    level: int
    step: int | None
    before: tuple[int, ...]

    @property
    def height(self) -> int:
        return _LANE if self.step is None else _HEIGHT


class Node(NamedTuple):
    """A step with its texts, and the left upper corner in pixels."""

    step: Step
    what: str
    cost: str
    label: str
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
                one: sum(rank[cell] for cell in cells_near) / len(cells_near)
                for one, cells_near in zip(column, near, strict=True)
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
    label = f"{step.id}: {', '.join(filter(None, [what, step.status, cost, after]))}"
    return Node(step, what, cost, label, x, y)
