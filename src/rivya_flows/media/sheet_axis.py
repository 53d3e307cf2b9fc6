"""A time axis that leaves out the long stretches in which nothing works."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

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
