"""Progress on stderr: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rivya_flows.cli.output import Cell, console, drawable, table, tell
from rivya_flows.cli.progress import news, rendering, rows
from rivya_flows.planning.names import label

if TYPE_CHECKING:  # imported where it is drawn, in a terminal only
    from rich.live import Live
    from rich.table import Table

    from rivya_flows.planning.queue.events import Event
    from rivya_flows.planning.queue.state import State

_COLOURS = {
    "completed": "green",
    "cached": "green",
    "failed": "red",
    "skipped": "yellow",
    "running": "cyan",
    "waiting": "dim",
}


class Screen(ABC):
    """A live table on stderr; lines go above it."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._began = time.monotonic()

    @abstractmethod
    def draw(self, seconds: int) -> Iterator[Sequence[Cell]]:
        """The rows of the table, so many seconds after the beginning."""

    @property
    def alive(self) -> bool:
        """Whether there is a terminal, and the table on it."""
        return self._live is not None

    def say(self, line: str) -> None:
        """Prints a line that stays."""
        if self._live is None:
            tell(line)
        else:
            self._live.console.print(drawable(line))

    def refresh(self) -> None:
        """Redraws the table."""
        if self._live is not None:
            self._live.refresh()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draws the table while this lasts, if stderr is a terminal."""
        if not sys.stderr.isatty():
            yield
            return
        self._start()
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the terminal to something else while this lasts."""
        if self._live is None:
            yield
            return
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        from rich.live import Live

        # A new one each time: a restarted one draws over the lines printed since.
        self._live = Live(
            console=console(stderr=True),
            get_renderable=self._table,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        return table(self.draw(int(time.monotonic() - self._began)))


LINE_SECONDS = 15.0
"""Between two lines about one rendering, where there is no table."""


class Progress(Screen):
    """Shows what happens in a run; `listen` and `render` are its listeners.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._state: State | None = None
        self._shares: dict[tuple[str, str], float] = {}
        self._next_line: dict[tuple[str, str], float] = {}

    def listen(self, event: Event, state: State) -> None:
        """Shows an event, and the state after it."""
        lines = news(self._state, event, state)
        self._state = state
        for line in lines:
            self.say(line)
        self.refresh()

    def render(self, step: str, key: str, share: float) -> None:
        """Shows how much of an item is rendered: in the table, or in a line now and then."""
        self._shares[step, key] = share
        now, due = self._clock(), self._next_line.get((step, key))
        if due is None or now >= due:
            self._next_line[step, key] = now + LINE_SECONDS
            if due is not None and not self.alive:
                self.say(f"{label(step, key)} {rendering(share)}")

    def draw(self, seconds: int) -> Iterator[Sequence[Cell]]:
        """One line for each step, and one for all."""
        if self._state is None:
            yield (f"starting Prefect … {seconds} s",)
            return
        for row in rows(self._state, self._shares):
            status = (row.status, _COLOURS.get(row.status, ""))
            yield row.step, status, row.words, f"{row.credits} cr" if row.credits else ""
        cap = "" if self._state.cap is None else f" of {self._state.cap}"
        yield "", "", f"{seconds} s", f"{self._state.spent}{cap} cr"
