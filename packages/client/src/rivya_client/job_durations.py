"""Job durations of each model, learned from ended jobs, and the poll schedule that follows from them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from rivya_client.types import Generation

MAX_JOBS = 64  # of a model, the newest
LOOKS = 4  # number of polls within the time in which most jobs end
_ENOUGH = 8
"""Minimum number of jobs to measure the spread of durations; with fewer, 15 percent is assumed."""


@dataclass(frozen=True)
class Expected:
    """When a job probably ends, in seconds since it was accepted."""

    usual: float  # the median
    early: float  # nine of ten took longer
    late: float  # nine of ten were over

    @property
    def first(self) -> float:
        """When to look first: soon after the earliest end."""
        return 1.06 * self.early

    def pause(self, elapsed: float, looks: int, shortest: float, longest: float) -> float:
        """Seconds until the next look at a job that was accepted `elapsed` seconds ago.

        The first look falls at the expected end. The next three spread evenly, as parts of the time
        that passed, over the time in which most jobs end; a job that takes longer still is looked
        at ever more seldom, up to `longest`.
        """
        if looks == 0:
            return max(0.0, self.first - elapsed)
        last = 1.05 * self.late
        ratio = min(1.4, max(1.05, math.pow(last / self.first, 1 / (LOOKS - 1))))
        # The rounding errors of three multiplications are not a reason for a fifth look.
        if elapsed < last * 0.999:
            return max(shortest, self.first - elapsed, elapsed * (ratio - 1))
        return min(max(shortest, elapsed / 4), longest)


@dataclass(frozen=True)
class Watched:
    """How the wait for a job went."""

    looks: int  # requests for its state
    seconds: float | None  # from its acceptance to its end; None if unknown
    late: float | None  # from its end until that was known; None if the service did not date it


class JobDurations:
    """The newest durations of succeeded jobs by model; failed jobs may end at once."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}
        self._expected: dict[str, Expected] = {}

    def note(self, model: str, seconds: float) -> None:
        """Adds a duration; ignores values that are not positive and finite."""
        if 0 < seconds < math.inf:
            self._seconds.setdefault(model, deque(maxlen=MAX_JOBS)).append(seconds)
            self._expected.pop(model, None)

    def note_all(self, jobs: Iterable[tuple[str, float]]) -> None:
        """Counts jobs, the oldest first."""
        for model, seconds in jobs:
            self.note(model, seconds)

    def estimate(self, model: str | None) -> Expected | None:
        """When a job of this model probably ends; None if none ended yet."""
        if model is None or model not in self._seconds:
            return None
        if model not in self._expected:
            ordered = sorted(self._seconds[model])
            usual, beyond = median(ordered), len(ordered) // 10
            early, late = ordered[beyond], ordered[-1 - beyond]
            if len(ordered) < _ENOUGH:
                early, late = min(early, 0.85 * usual), max(late, 1.15 * usual)
            self._expected[model] = Expected(usual, early, late)
        return self._expected[model]

    def usual(self) -> dict[str, float]:
        """The median of each model, in seconds."""
        return {model: median(seconds) for model, seconds in self._seconds.items()}


def measure_end(
    job: Generation,
    looks: int,
    before: float | None,
    elapsed: float,
    *,
    woken: bool,
    age: float = 0.0,
) -> Watched:
    """What is known of the end of a job, in seconds from its acceptance.

    `elapsed` is when its end was known, `before` the look before the last (None after one look), and
    `age` when the wait for it began. `woken`: a webhook reported its end.
    """
    if age > elapsed / 2:
        # Such as days before a resume: the service may have dated a later change of the job.
        return Watched(looks, None, None)
    dated: float | None = None
    with suppress(ValueError, TypeError, OverflowError):  # TypeError: one of them has no zone
        began = datetime.fromisoformat(job.created_at or "")
        dated = (datetime.fromisoformat(job.updated_at or "") - began).total_seconds()
    # The clocks of service and machine may differ; a second or a tenth of the time is not a doubt.
    slack = max(1.0, elapsed / 10)
    if dated is not None and dated > 0 and (before or 0.0) - slack <= dated <= elapsed + slack:
        return Watched(looks, dated, max(0.0, elapsed - dated))
    if woken:
        return Watched(looks, elapsed, None)
    # Found at the first look, it may have ended long before: the next one is looked at earlier.
    return Watched(looks, 0.93 * elapsed if before is None else (before + elapsed) / 2, None)
