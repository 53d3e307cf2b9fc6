"""Progress on stderr: a table that lives in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rivya_flows.cli.output import tell
from rivya_flows.cli.progress import news, rows

if TYPE_CHECKING:  # imported where it is drawn, in a terminal only
    from rich.live import Live
    from rich.table import Table

    from rivya_flows.plan.events import Event
    from rivya_flows.plan.state import State

_COLOURS = {
    "completed": "green",
    "cached": "green",
    "failed": "red",
    "skipped": "yellow",
    "running": "cyan",
    "waiting": "dim",
}


class Screen(ABC):
    """A table that lives on stderr while something goes on; lines go above it."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._began = time.monotonic()

    @abstractmethod
    def draw(self, table: Table, seconds: int) -> None:
        """Fills the table.

        Args:
            table: Without borders.
            seconds: Since the beginning.
        """

    @property
    def alive(self) -> bool:
        """Whether there is a terminal, and the table on it."""
        return self._live is not None

    def say(self, line: str) -> None:
        """Prints a line that stays."""
        if self._live is None:
            tell(line)
        else:
            self._live.console.print(line)

    def refresh(self) -> None:
        """Draws the table anew."""
        if self._live is not None:
            self._live.refresh()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draws the table meanwhile, where stderr is a terminal."""
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
        """Leaves the terminal to somebody else meanwhile."""
        if self._live is None:
            yield
            return
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # A new one each time: one that is started again draws over the lines told meanwhile.
        self._live = Live(
            console=Console(stderr=True, markup=False, emoji=False, highlight=False),
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
        from rich.table import Table

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        self.draw(table, int(time.monotonic() - self._began))
        return table


class Progress(Screen):
    """Tells what happens in a run; `heard` is its listener."""

    def __init__(self) -> None:
        super().__init__()
        self._state: State | None = None

    def heard(self, event: Event, state: State) -> None:
        """Takes an event and the state after it."""
        lines = news(self._state, event, state)
        self._state = state
        for line in lines:
            self.say(line)
        self.refresh()

    def draw(self, table: Table, seconds: int) -> None:
        """One line for each step, and one for all."""
        from rich.text import Text

        if self._state is None:
            table.add_row(f"starting Prefect … {seconds} s")
            return
        for row in rows(self._state):
            status = Text(row.status, style=_COLOURS.get(row.status, ""))
            price = f"{row.credits} cr" if row.credits else ""
            table.add_row(row.step, status, Text(row.words), Text(price, justify="right"))
        cap = "" if self._state.cap is None else f" of {self._state.cap}"
        table.add_row("", "", f"{seconds} s", f"{self._state.spent}{cap} cr")
