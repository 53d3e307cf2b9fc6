"""The timeline of a run on its contact sheet: a row for each step, with its items as bars on one axis."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rivya_flows.ledger.model import Receipt, Step, Wait
from rivya_flows.media.receipt_values import seconds_text

Stretch = tuple[float, float]
"""From one moment to a later one, in Unix seconds."""

WIDTH = 100.0
_SHORT, _SHORT_SHARE = 5.0, 0.2
"""An idle stretch is drawn if it lasts so many seconds, or this share of the work; others are left out."""

_INSTANT = 0.001  # seconds: journals tell no less

_GAP, _ALL_GAPS = 4.0, 30.0
"""Percent of the width of one mark for what is left out, and of all of them at most."""

_MOST_GAPS = 30
"""The longest idle stretches are left out; each has a mark in every row."""

_MOST_TICKS = 6
_UNITS = ((86_400.0, "d", 72 * 3600.0), (3600.0, "h", 180 * 60.0), (60.0, "min", 180.0))
"""Seconds of a unit, its name, and the least time on the axis that is told in it."""

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 100)

_MAX_LANES, _MAX_BARS = 20, 2000
"""Bars of a step that lie one below the other, and bars of the page; a step with more is one bar."""

_MAX_STRETCHES = 200  # of a step whose items are one bar; more are one stretch
_LEAST_WIDTH = 0.7  # percent
_THICK, _THIN, _SPACE = 14, 4, 2  # pixels

_WORST_FIRST = ("failed", "uncertain", "cancelled", "suspended", "running")
_OPEN = ("running", "suspended")


@dataclass(frozen=True)
class Bar:
    """A bar of a row.

    Attributes:
        x, width: Percent of the axis.
        y, height: Pixels from the top of the row.
        kind: ``wait`` while a person was asked; else the status.
        title: What it is, in words.
    """

    x: float
    width: float
    y: int
    height: int
    kind: str
    title: str


@dataclass(frozen=True)
class _Item:
    name: str
    status: str
    begin: float
    end: float
    works: Sequence[Stretch]
    waits: Sequence[Stretch]


def timeline(receipt: Receipt, steps: Sequence[Step]) -> dict[str, Any] | None:
    """The axis, and a row for each of these steps of a receipt; None before anything has begun."""
    executions = _executions(receipt)
    known = [[*_items(step, executions)] for step in steps]
    items = [item for of_step in known for item in of_step]
    if not executions or not items:
        return None
    frames = [*executions, *((item.begin, item.end) for item in items)]
    busy = merged(span for item in items for span in item.works)
    axis = Axis.of(min(begin for begin, _ in frames), max(end for _, end in frames), busy)
    waits = merged(wait for item in items for wait in item.waits)
    waits = merged([*waits, *_waits(receipt.waits, executions[-1][1])])
    rows, left = [], _MAX_BARS
    for step, of_step in zip(steps, known, strict=True):
        rows.append(_row(step.id, of_step, axis, left))
        left -= len(rows[-1]["bars"])
    return {
        "rows": rows,
        "ticks": [(_round(x), text) for x, text in axis.ticks()],
        "gaps": [_gap(piece, waits, executions) for piece in axis.gaps],
        "waited": any(item.waits for item in items),
    }


def _executions(receipt: Receipt) -> list[Stretch]:
    """When the run was driven; one that still runs lasts until the last moment of the receipt."""
    executions = receipt.execution_times
    moments = [at for one in executions for at in (one.began_at, one.ended_at)]
    waits: list[Wait] = []
    for _, item in receipt.each():
        moments += [item.began_at, item.ended_at]
        waits += item.waits
    moments += [at for one in waits for at in (one.asked_at, one.answered_at)]
    now = max((at.timestamp() for at in moments if at), default=0.0)
    return [_stretch(one.began_at, one.ended_at, now) for one in executions]


def _waits(waits: Iterable[Wait], now: float) -> list[Stretch]:
    return [_stretch(one.asked_at, one.answered_at, now) for one in waits]


def _stretch(begin: datetime, end: datetime | None, now: float) -> Stretch:
    begun = begin.timestamp()
    # A clock may have been put back.
    return begun, max(begun, now if end is None else end.timestamp())


def _items(step: Step, executions: Sequence[Stretch]) -> Iterator[_Item]:
    now = executions[-1][1] if executions else 0.0
    driven = merged(executions)
    for item in step.items:
        if item.began_at is not None:
            is_open = item.ended_at is None and item.status in _OPEN
            begin, last = _stretch(item.began_at, item.ended_at, now if is_open else 0.0)
            waits = _waits(item.waits, now)
            # Between two executions nothing drives it.
            works = within(without((begin, last), waits), driven) or [(begin, begin)]
            yield _Item(item.key, item.status, begin, last, works, waits)


def _row(step_id: str, items: Sequence[_Item], axis: Axis, left: int) -> dict[str, Any]:
    works = merged(span for item in items for span in item.works)
    waits = merged(wait for item in items for wait in item.waits)
    lanes = _lanes(items)
    if len(lanes) > _MAX_LANES or sum(len(one.works) + len(one.waits) for one in items) > left:
        lanes = [[_together(step_id, items, works, waits)]] if items else []
    height = max(_THIN, (_THICK + _SPACE) // (len(lanes) or 1) - _SPACE)
    return {
        "bars": [
            bar
            for number, lane in enumerate(lanes)
            for item in lane
            for bar in _bars(item, axis, number * (height + _SPACE), height)
        ],
        "height": max(_THICK, len(lanes) * (height + _SPACE) - _SPACE),
        "took": length_text(works) if items else "",
        "asked": _asked(waits),
        "words": _words(step_id, items, works, waits),
    }


def _asked(waits: Sequence[Stretch]) -> str:
    if not waits:
        return ""
    # A run that has just asked has not waited yet.
    return f"{length_text(waits)} asked" if length(waits) >= 0.05 else "asked"


def _lanes(items: Sequence[_Item]) -> list[list[_Item]]:
    """Items in rows in which none lies over another; more than `_MAX_LANES` rows are not filled."""
    lanes: list[list[_Item]] = []
    for item in sorted(items, key=lambda one: (one.begin, one.end)):
        free = next((lane for lane in lanes if lane[-1].end <= item.begin), None)
        if free is None:
            lanes.append(free := [])
        if len(lanes) > _MAX_LANES:
            return lanes
        free.append(item)
    return lanes


def _together(
    step_id: str, items: Sequence[_Item], works: Sequence[Stretch], waits: Sequence[Stretch]
) -> _Item:
    """All items of a step as one."""
    statuses = {item.status for item in items}
    worst = next((one for one in _WORST_FIRST if one in statuses), min(statuses))
    begin, end = works[0][0], max(item.end for item in items)
    if len(works) + len(waits) > _MAX_STRETCHES:
        works, waits = [(begin, end)], []
    return _Item(f"{len(items)} items of {step_id}", worst, begin, end, works, waits)


def _bars(item: _Item, axis: Axis, y: int, height: int) -> Iterator[Bar]:
    # The least width is for what lasts shorter than a pixel, at the end of the axis too.
    for kind, stretches in ((item.status, item.works), ("wait", item.waits)):
        for begin, end in stretches:
            x = min(axis.x(begin), WIDTH - _LEAST_WIDTH)
            width = max(_LEAST_WIDTH, axis.x(end) - x)
            words = f"asked a person for {seconds_text(end - begin)}"
            if kind != "wait":
                words = f"{seconds_text(end - begin)}, {item.status}"
            title = f"{item.name}: {words}" if item.name else words
            yield Bar(_round(x), _round(width), y, height, kind, title)


def _words(
    step_id: str, items: Sequence[_Item], works: Sequence[Stretch], waits: Sequence[Stretch]
) -> str:
    if not items:
        return f"{step_id}: did not run"
    many = f", {len(items)} items" if len(items) > 1 else ""
    asked = f", asked a person for {length_text(waits)}" if waits else ""
    return f"{step_id}: worked for {length_text(works)}{asked}{many}"


def _gap(piece: Piece, waits: Sequence[Stretch], executions: Sequence[Stretch]) -> dict[str, Any]:
    """What is left out of the axis, and why nothing worked then."""
    whole = (piece.begin, piece.end)
    lasts = length([whole])
    if length(within(waits, [whole])) > lasts / 2:
        kind, why = "wait", "a person was asked"
    elif length(within(merged(executions), [whole])) <= lasts / 2:
        kind, why = "stopped", "the run was stopped"
    else:
        kind, why = "idle", "nothing worked"
    place = replace(piece, x=_round(piece.x), width=_round(piece.width))
    return {"place": place, "kind": kind, "text": f"{seconds_text(lasts)} left out: {why}"}


def _round(value: float) -> float:
    return round(value, 2)


@dataclass(frozen=True)
class Piece:
    """A stretch of time and its place, in percent of the width."""

    begin: float
    end: float
    x: float
    width: float
    left_out: bool


@dataclass(frozen=True)
class Axis:
    """The pieces of a time axis, in order and without holes."""

    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, begin: float, end: float, busy: Iterable[Stretch]) -> Axis:
        """An axis from one moment to another.

        Args:
            begin: Unix seconds.
            end: Unix seconds, not before the begin.
            busy: When something worked, in any order.
        """
        working = merged(within(busy, [(begin, end)]))
        limit = max(_SHORT, _SHORT_SHARE * length(working))
        idle = [one for one in _between(begin, end, working) if one[1] - one[0] > limit]
        left_out = sorted(sorted(idle, key=lambda one: one[0] - one[1])[:_MOST_GAPS])
        drawn = _between(begin, end, left_out)
        if length(drawn) < _INSTANT:
            left_out, drawn = [], [(begin, end)]
        gap = min(_GAP, _ALL_GAPS / len(left_out)) if left_out else 0.0
        scale = (WIDTH - gap * len(left_out)) / max(_INSTANT, length(drawn))
        marked = sorted([(one, False) for one in drawn] + [(one, True) for one in left_out])
        pieces, x = [], 0.0
        for (start, stop), is_left_out in marked:
            width = gap if is_left_out else (stop - start) * scale
            pieces.append(Piece(start, stop, x, width, is_left_out))
            x += width
        return cls(tuple(pieces))

    @property
    def gaps(self) -> list[Piece]:
        """What is left out."""
        return [piece for piece in self.pieces if piece.left_out]

    def x(self, moment: float) -> float:
        """The place of a moment, in percent from the left; the nearest one if it is not on the axis."""
        if not self.pieces:
            return 0.0
        index = bisect.bisect_right([piece.begin for piece in self.pieces], moment) - 1
        piece = self.pieces[max(0, index)]
        part = (moment - piece.begin) / ((piece.end - piece.begin) or 1.0)
        return piece.x + piece.width * min(1.0, max(0.0, part))

    def ticks(self) -> list[tuple[float, str]]:
        """Places in percent with the time that is drawn before them."""
        drawn = [piece for piece in self.pieces if not piece.left_out]
        total = sum(piece.end - piece.begin for piece in drawn)
        seconds, unit, _ = next((one for one in _UNITS if total >= one[2]), (1.0, "s", 0.0))
        powers = (10.0**power for power in range(3, 12))
        steps = itertools.chain(_STEPS, powers)
        step = next(one for one in steps if total / seconds / one <= _MOST_TICKS)
        values = [number * step for number in range(int(total / seconds / step) + 1)]
        return [
            (x, f"{value:.10g} {unit}")
            for value, x in zip(values, self._places(drawn, seconds, values), strict=True)
        ]

    def _places(
        self, drawn: Sequence[Piece], unit: float, values: Iterable[float]
    ) -> Iterator[float]:
        ends = list(itertools.accumulate(piece.end - piece.begin for piece in drawn))
        for value in values:
            index = min(bisect.bisect_left(ends, value * unit), len(drawn) - 1)
            yield self.x(drawn[index].end - (ends[index] - value * unit)) if drawn else 0.0


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


def length_text(stretches: Iterable[Stretch]) -> str:
    """`length` for people."""
    return seconds_text(length(stretches))


def _between(begin: float, end: float, taken: Sequence[Stretch]) -> list[Stretch]:
    """What ordered stretches leave of the time from one moment to another."""
    edges = [begin, *(edge for one in taken for edge in one), end]
    return [pair for pair in zip(edges[::2], edges[1::2], strict=True) if pair[0] < pair[1]]
