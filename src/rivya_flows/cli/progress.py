"""Progress of a run on stderr: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from rivya_flows.cli.layout import Cell, clock, draw_table, wrap_line
from rivya_flows.cli.output import COLOURS, columns_of, draws, has_colours, live, print_above, tell
from rivya_flows.plans.names import label
from rivya_flows.queue import events
from rivya_flows.queue.state import State
from rivya_flows.receipt.news import News, describe_event
from rivya_flows.receipt.phrases import seconds_text
from rivya_flows.receipt.progress import StepRow, begun_steps, rendering, rows, time_left

if TYPE_CHECKING:  # imported where it is drawn, in a terminal only
    from rich.live import Live

_FOLDED = ("completed", "cached", "skipped", "waiting", "running")
"""Statuses whose steps become one row where there is no room, in this order; no failed step does."""


def fold_rows(steps: Sequence[StepRow], most: int) -> tuple[StepRow, ...]:
    """At most so many rows, if one for all steps of a status is enough."""
    rest = list(steps)
    for status in _FOLDED:
        same = [row for row in rest if row.status == status]
        if len(rest) <= most:
            break
        if len(same) > 1:
            spare = len(rest) - most  # what runs is folded from its end, and no more than needed
            gone = same[-spare - 1 :] if status == "running" else same
            at = rest.index(gone[0])
            rest = [row for row in rest if row not in gone]
            credits = sum(row.credits for row in gone)
            rest.insert(at, StepRow(f"{len(gone)} steps", status, "", "", credits))
    return tuple(rest)


_COLOURS = {**COLOURS, "waiting": "dim"}


class Screen(ABC):
    """A live table on stderr, as high as the terminal at most; lines go above it."""

    columns: ClassVar[tuple[str, ...]]
    still: ClassVar[Mapping[str, int]]

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._live: Live | None = None
        self._is_paused = False
        self._clock = clock
        self._began = clock()

    @abstractmethod
    def draw(self, most: int, seconds: float) -> Sequence[Sequence[Cell]]:
        """The rows of the table so many seconds after the beginning; more than `most` are folded."""

    @abstractmethod
    def sentence(self, seconds: float) -> str:
        """The progress in one line, if there is no row, or no room for a table."""

    @property
    def alive(self) -> bool:
        """Whether there is a terminal, and the table on it."""
        return self._live is not None

    def say(self, line: str) -> None:
        """Prints a line that stays."""
        if self._live is None:
            tell(*[""] * self._is_paused, line)  # below what is being typed
        else:
            print_above(self._live, line)

    def tell_news(self, lines: Sequence[News], prefix: str = "") -> None:
        """Prints the lines that the table does not show; all lines if there is no table."""
        for line in lines:
            if line.stays or not self.alive:
                self.say(prefix + line.text)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draws the table while this lasts, if stderr is a terminal."""
        if draws(sys.stderr):
            self._start()
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves the terminal to something else while this lasts."""
        was_alive, self._is_paused = self.alive, True
        self._stop()
        try:
            yield
        finally:
            self._is_paused = False
            if was_alive:
                self._start()

    def _start(self) -> None:
        # A new one each time: a restarted one draws over the lines printed since.
        self._live = live(self._render)
        self._live.start(refresh=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _render(self, height: int) -> Sequence[str]:
        # A `^C` that the terminal echoes behind the last line would wrap, and the table stand twice.
        width = max(1, columns_of(sys.stderr) - len("^C"))
        seconds, most = self._clock() - self._began, max(1, height - 3)
        coloured = has_colours(sys.stderr)
        while True:
            rows = self.draw(most, seconds)
            lines = (
                draw_table(self.columns, rows, width, self.still, coloured=coloured)
                if rows
                else None
            )
            if not lines:
                return wrap_line(self.sentence(seconds), width)[: height - 1]
            over = len(lines) - (height - 1)
            if over <= 0 or most == 1:
                return lines
            most = max(1, most - over)


LINE_SECONDS = 15.0  # between two lines about one rendering, where there is no table


class Progress(Screen):
    """The progress of a run; `listen` and `render` hear of it."""

    columns = ("!step", "!status", ">items", "now", ">?time", ">credits")
    still: ClassVar = {"status": 9, "items": 6, "now": 36, "time": 7, "credits": 10}

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._state: State | None = None
        self._spent: int | None = None
        self._settled: set[str] | None = None
        self._shares: dict[tuple[str, str], float] = {}
        self._next_line: dict[tuple[str, str], float] = {}
        self._usual: Mapping[str, float] = {}
        self._times: dict[str, tuple[float, float | None]] = {}

    def expect(self, usual: Mapping[str, float]) -> None:
        """Shows the seconds that a job of a step usually takes, and what follows for all of them."""
        self._usual = usual

    def listen(self, event: events.Event, state: State) -> None:
        """Shows an event, and the state after it."""
        self.tell_news(describe_event(self._spent, event, state))
        self._note_times(state)
        self._state, self._spent = state, state.spent

    def render(self, step: str, key: str, share: float) -> None:
        """Shows how much of an item is rendered: in the table, or in a line now and then."""
        self._shares[step, key] = share
        now = self._clock()
        if now >= self._next_line.setdefault((step, key), now + LINE_SECONDS):
            self._next_line[step, key] = now + LINE_SECONDS
            if not self.alive:
                self.say(f"{label(step, key)} {rendering(share)}")

    def draw(self, most: int, seconds: float) -> Sequence[Sequence[Cell]]:
        """A row for each step, and a total."""
        if (state := self._state) is None:
            return ()
        now, shares = self._clock(), dict(self._shares)
        cells: list[tuple[Cell, ...]] = []
        for row in fold_rows(rows(state, shares), most):
            status = (row.status, _COLOURS.get(row.status, ""))
            doing = row.doing(self._usual)
            spans = [self._times[one] for one in row.inside if one in self._times]
            ends = [now if row.status == "running" or end is None else end for _, end in spans]
            time = clock(max(ends) - min(begin for begin, _ in spans)) if spans else ""
            cells.append((row.name, status, row.items, doing, time, str(row.credits or "")))
        at_work = {step: now - began for step, (began, end) in self._times.items() if end is None}
        left = time_left(state, self._usual, at_work, shares)
        return [*cells, ("total", "", "", left, clock(seconds), _budget_share(state))]

    def sentence(self, seconds: float) -> str:
        """How many steps are settled, and what they cost so far."""
        if (state := self._state) is None:
            return f"starting Prefect … {seconds_text(int(seconds))}"
        begun = [state.steps[step_id] for step_id in begun_steps(state)]
        settled = sum(step.settled for step in begun)
        return f"{settled} of {len(begun)} steps, {seconds_text(int(seconds))}, {_budget_share(state)} credits"

    def _note_times(self, state: State) -> None:
        """Notes when steps begin and end; what an earlier execution has done has no time."""
        before, now = self._settled, self._clock()
        self._settled = {step_id for step_id, step in state.steps.items() if step.settled}
        for step_id, step in state.steps.items():
            known = self._times.get(step_id)
            if known is None and not step.settled and (step.tally.in_flight or step.tally.ended):
                self._times[step_id] = now, None
            elif known is None and before is not None and step_id in self._settled - before:
                self._times[step_id] = now, now
            elif known is not None and step.settled and known[1] is None:
                self._times[step_id] = known[0], now


def _budget_share(state: State) -> str:
    return str(state.spent) if state.cap is None else f"{state.spent} of {state.cap}"
