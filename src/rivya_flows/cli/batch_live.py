"""Progress of a batch on stderr: what each row does, and where all of them stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rivya_flows.app.batch.state import Batch, Start
from rivya_flows.cli.batch_words import counted, ended
from rivya_flows.cli.live import Screen
from rivya_flows.cli.output import Cell
from rivya_flows.cli.progress import news, rows
from rivya_flows.planning.queue.events import Event
from rivya_flows.planning.queue.state import State

_UNDER_WAY = ("running", "waiting")


class BatchProgress(Screen):
    """Tells what happens in the rows of a batch.

    Attributes:
        batch: As it was told last.
    """

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self.batch = batch
        self._states: dict[int, State] = {}
        self._begun = False

    def begun(self) -> None:
        """Takes note that the server answers."""
        self._begun = True

    def of_row(self, start: Start) -> Callable[[Event, State], None]:
        """The listener of a row's run."""

        def heard(event: Event, state: State) -> None:
            lines = news(self._states.get(start.number), event, state)
            self._states[start.number] = state
            # On a terminal the table has it all; a log has nothing else.
            for line in () if self.alive else lines:
                self.say(f"row {start.number}: {line}")
            self.refresh()

        return heard

    def standing(self, batch: Batch) -> None:
        """Takes how the batch stands; is the listener of `run_batch`."""
        before = {row.run_id: row.status for row in self.batch.rows}
        for row in batch.rows:
            if row.status == "running":
                continue
            if row.status != before[row.run_id]:
                self._states.pop(row.number, None)
            if row.status != before[row.run_id] and row.status not in _UNDER_WAY:
                self.say(ended(row))
        if batch.stopped and not self.batch.stopped:
            self.say(f"no further row is started: {batch.stopped}")
        self.batch = batch
        self.refresh()

    def draw(self, seconds: int) -> Iterator[Sequence[Cell]]:
        """One line for each row that runs, and one for all."""
        if not self._begun:
            yield (f"starting Prefect … {seconds} s",)
            return
        held = self.batch.gone
        for row in self.batch.rows:
            state = self._states.get(row.number) if row.status == "running" else None
            held += row.spent if state is None else state.spent
            if state is not None:
                yield f"row {row.number}", _words(state), _price(state.spent)
        budget = "" if self.batch.budget is None else f" of {self.batch.budget}"
        yield f"{seconds} s", counted(self.batch), f"{held}{budget} cr"


def _words(state: State) -> str:
    """Where the steps of a run are that are neither done nor untouched."""
    busy = [
        f"{row.step} {row.words}".strip()
        for row in rows(state)
        if row.status not in ("completed", "cached", "waiting", "skipped")
    ]
    return ", ".join(busy) or "begins"


def _price(spent: int) -> str:
    return f"{spent} cr" if spent else ""
