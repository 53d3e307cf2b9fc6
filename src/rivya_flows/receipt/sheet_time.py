"""The timeline of a run on its contact sheet: a row for each step, with its items as bars on one axis."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from rivya_flows.receipt.model import Execution, Item, Receipt, Step
from rivya_flows.receipt.pages import seconds_text

Stretch = tuple[float, float]
"""From one moment to a later one, in Unix seconds."""

WIDTH = 100.0
_SHORT, _SHORT_SHARE = 5.0, 0.2
"""An idle stretch is left out beyond so many seconds, and beyond this share of the work."""

_INSTANT = 0.001  # seconds: journals tell no less

_GAP, _ALL_GAPS, _MOST_GAPS = 4.0, 30.0, 30
"""Percent of the width of one mark for what is left out, and of all of them; and most of them."""

_MOST_TICKS = 6
_UNITS = ((86_400.0, "d", 72 * 3600.0), (3600.0, "h", 180 * 60.0), (60.0, "min", 180.0))
"""Seconds of a unit, its name, and the least time on the axis that is told in it."""

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 100)

_MAX_LANES, _MAX_BARS = 20, 2000
"""Lanes of a step, and bars of the page; a step with more than its share is one bar."""

_MAX_STRETCHES = 200  # of a step that is one bar; more are one stretch
_LEAST_WIDTH = 0.7  # percent

_WORST_FIRST = ("failed", "cancelled", "suspended", "running", "cached", "completed", "skipped")
_OPEN = ("running", "suspended")


class Bar(NamedTuple):
    """A bar of a row: its place in percent of the axis; `kind` is its status, or ``wait``."""

    x: float
    width: float
    lane: int
    kind: str
    title: str


class Row(NamedTuple):
    """The bars of a step in lanes, and what is written beside them."""

    bars: list[Bar]
    lanes: int
    took: str
    asked: str
    words: str


class Gap(NamedTuple):
    """What is left out of the axis, in percent, and why nothing worked then."""

    x: float
    width: float
    kind: str
    text: str


class Timeline(NamedTuple):
    """The axis, and a row for each step. `waited`: a person was asked."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    gaps: list[Gap]
    waited: bool


class _Item(NamedTuple):
    name: str
    status: str
    whole: Stretch
    works: list[Stretch]
    waits: list[Stretch]


def timeline(receipt: Receipt, steps: Sequence[Step]) -> Timeline | None:
    """The timeline of these steps of a receipt; None before anything has begun."""
    now = _last_moment(receipt)
    executions = [_stretch(one.began_at, one.ended_at, now) for one in receipt.execution_times]
    driven = merged(executions)
    known = [[*_items(step, driven, now)] for step in steps]
    items = [item for of_step in known for item in of_step]
    if not executions or not items:
        return None
    frames = [*executions, *(item.whole for item in items)]
    busy = (span for item in items for span in item.works)
    axis = Axis.of(min(begin for begin, _ in frames), max(end for _, end in frames), busy)
    asked = [_stretch(one.asked_at, one.answered_at, now) for one in receipt.waits]
    waits = merged([*asked, *(wait for item in items for wait in item.waits)])
    most = _MAX_BARS // len(steps)
    return Timeline(
        [_row(step.id, of_step, axis, most) for step, of_step in zip(steps, known, strict=True)],
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


def _items(step: Step, driven: Sequence[Stretch], now: float) -> Iterator[_Item]:
    for item in step.items:
        if item.began_at is not None:
            is_open = item.ended_at is None and item.status in _OPEN
            whole = _stretch(item.began_at, item.ended_at, now if is_open else 0.0)
            waits = [_stretch(one.asked_at, one.answered_at, now) for one in item.waits]
            # Between two executions nothing drives it.
            works = within(without(whole, waits), driven) or [(whole[0], whole[0])]
            yield _Item(item.key, item.status, whole, works, waits)


def _row(step_id: str, items: Sequence[_Item], axis: Axis, most: int) -> Row:
    if not items:
        return Row([], 0, "", "", f"{step_id}: did not run")
    works = merged(span for item in items for span in item.works)
    waits = merged(wait for item in items for wait in item.waits)
    took, waited = seconds_text(length(works)), seconds_text(length(waits))
    lanes = _lanes(items)
    if len(lanes) > _MAX_LANES or sum(len(one.works) + len(one.waits) for one in items) > most:
        whole = works[0][0], max(item.whole[1] for item in items)
        shown = (works, waits) if len(works) + len(waits) <= _MAX_STRETCHES else ([whole], [])
        worst = min((item.status for item in items), key=_WORST_FIRST.index)
        lanes = [[_Item(f"{len(items)} items of {step_id}", worst, whole, *shown)]]
    bars = [bar for n, lane in enumerate(lanes) for item in lane for bar in _bars(item, axis, n)]
    words = f"{step_id}: worked for {took}"
    words += f", asked a person for {waited}" if waits else ""
    words += f", {len(items)} items" if len(items) > 1 else ""
    # A run that has just asked has not waited yet.
    asked = (f"{waited} asked" if length(waits) >= 0.05 else "asked") if waits else ""
    return Row(bars, len(lanes), took, asked, words)


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
            x = min(axis.x(begin), WIDTH - _LEAST_WIDTH)
            width = max(_LEAST_WIDTH, axis.x(end) - x)
            lasts = seconds_text(end - begin)
            words = f"asked a person for {lasts}" if kind == "wait" else f"{lasts}, {kind}"
            title = f"{item.name}: {words}" if item.name else words
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
        moments, drawn, places: Of each edge between a pause and what is drawn: Unix seconds, the
            seconds that are drawn before it, and percent of the width.
    """

    moments: list[float]
    drawn: list[float]
    places: list[float]
    gaps: list[Stretch]

    @classmethod
    def of(cls, begin: float, end: float, busy: Iterable[Stretch]) -> Axis:
        """An axis from one moment to another, both in Unix seconds; `busy`: when something worked."""
        working = merged(within(busy, [(begin, end)]))
        limit = max(_SHORT, _SHORT_SHARE * length(working))
        idle = [one for one in _between(begin, end, working) if length([one]) > limit]
        gaps = sorted(sorted(idle, key=lambda one: one[0] - one[1])[:_MOST_GAPS])
        if length(_between(begin, end, gaps)) < _INSTANT:
            gaps = []
        gap = min(_GAP, _ALL_GAPS / len(gaps)) if gaps else 0.0
        scale = (WIDTH - gap * len(gaps)) / max(_INSTANT, length(_between(begin, end, gaps)))
        axis = cls([begin], [0.0], [0.0], gaps)
        edges = pairwise([begin, *itertools.chain(*gaps), end])
        for (start, stop), is_left_out in zip(edges, itertools.cycle((False, True)), strict=False):
            seconds = 0.0 if is_left_out else stop - start
            axis.moments.append(stop)
            axis.drawn.append(axis.drawn[-1] + seconds)
            axis.places.append(axis.places[-1] + (gap if is_left_out else seconds * scale))
        return axis

    def x(self, moment: float) -> float:
        """The place of a moment, in percent from the left; the nearest one if it is not on the axis."""
        return _along(self.moments, self.places, moment)

    def ticks(self) -> list[tuple[float, str]]:
        """Places in percent with the time that is drawn before them."""
        total = self.drawn[-1]
        seconds, unit, _ = next((one for one in _UNITS if total >= one[2]), (1.0, "s", 0.0))
        steps = itertools.chain(_STEPS, (10.0**power for power in range(3, 12)))
        step = next(one for one in steps if total / seconds / one <= _MOST_TICKS)
        values = [number * step for number in range(int(total / seconds / step) + 1)]
        return [
            (_along(self.drawn, self.places, value * seconds), f"{value:.10g} {unit}")
            for value in values
        ]


def _along(known: Sequence[float], beside: Sequence[float], value: float) -> float:
    """What lies beside a value, evenly between the neighbours that it has among known ones."""
    after = min(max(1, bisect.bisect_left(known, value)), len(known) - 1)
    low, high = known[after - 1], known[after]
    share = min(1.0, max(0.0, (value - low) / ((high - low) or 1.0)))
    return beside[after - 1] + (beside[after] - beside[after - 1]) * share


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
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
        for at in range(bisect.bisect_left(ends, begin), len(ends)):
            first, last = frames[at]
            if first > end:
                break
            found.append((max(begin, first), min(end, last)))
    return found


def without(stretch: Stretch, others: Iterable[Stretch]) -> list[Stretch]:
    """The parts of a stretch that are in none of the others."""
    return _between(*stretch, merged(within(others, [stretch])))


def length(stretches: Iterable[Stretch]) -> float:
    """Seconds of stretches that share none."""
    return sum(end - begin for begin, end in stretches)


def _between(begin: float, end: float, taken: Sequence[Stretch]) -> list[Stretch]:
    """What ordered stretches leave of the time from one moment to another."""
    edges = [begin, *(edge for one in taken for edge in one), end]
    return [pair for pair in zip(edges[::2], edges[1::2], strict=True) if pair[0] < pair[1]]
