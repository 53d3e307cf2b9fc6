"""A batch on the terminal: live progress on stderr, and its result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import click

from rivya_client.catalogue.prices import price_range
from rivya_flows.batch import pricing
from rivya_flows.batch.execution import run_batch
from rivya_flows.batch.rows import STATUS_WORDS
from rivya_flows.batch.summary import BatchResult, needed_budget, refusing_pools, rerun_with
from rivya_flows.cli.failures import CREDITS, FAILED, INTERRUPTED, same_command
from rivya_flows.cli.layout import Cell, clock
from rivya_flows.cli.output import print_json, print_table, show, tell
from rivya_flows.cli.progress import Screen
from rivya_flows.cli.session import Interrupts, open_page
from rivya_flows.cli.terminal import answer_commands, raise_pools
from rivya_flows.flows.execution.local_runner import batch_ended
from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_flows.receipt.continuing import next_command, resume_options
from rivya_flows.receipt.news import describe_event
from rivya_flows.receipt.phrases import credits_of, seconds_text
from rivya_flows.receipt.progress import rows
from rivya_flows.receipt.summary import is_owed
from rivya_flows.runs.execution import Caller

_EXIT_CODES = {"completed": 0, "suspended": 0, "over_budget": CREDITS, "failed": FAILED}
_MAX_ROWS = 40  # rows up to which stdout shows every row; above, only those that are not completed
_MAX_COMMANDS = 10
_IDLE = ("completed", "cached", "waiting", "skipped")  # steps that the row of a batch leaves out


async def run_at_terminal(
    options: pricing.BatchOptions, caller: Caller, interrupts: Interrupts
) -> BatchResult:
    """Runs a batch, and shows it on stderr."""
    progress = BatchProgress(interrupts)
    caller = replace(
        caller, notify=progress.say, progress=progress.drawing, absorb_cancel=interrupts.absorb
    )
    return await run_batch(
        options, caller, row_event=progress.row_event, changed=progress.update, ended=batch_ended
    )


class BatchProgress(Screen):
    """The progress of a batch: a line for each running row, and a total."""

    columns = ("!row", "now", ">?time", ">credits")
    still: ClassVar = {"row": 8, "now": 52, "time": 7, "credits": 10}

    def __init__(self, interrupts: Interrupts) -> None:
        super().__init__()
        self._interrupts = interrupts
        self._batch: pricing.Batch | None = None
        self._stopped = False
        self._statuses: dict[str, str] = {}
        self._states: dict[str, State] = {}
        self._spent: dict[str, int] = {}
        self._begun: dict[str, float] = {}
        interrupts.say = self.say

    def row_event(self, name: str, event: Event, state: State) -> None:
        """Shows an event; without a terminal, as lines."""
        Interrupts.begun = True
        self._interrupts.listen()  # Prefect takes SIGTERM whenever a flow begins
        if not self.alive:
            self.tell_news(describe_event(self._spent.get(name), event, state), f"{name}: ")
        self._begun.setdefault(name, self._clock())
        self._states[name], self._spent[name] = state, state.spent

    def update(self, batch: pricing.Batch) -> None:
        """Shows how rows ended since the last call."""
        if self._batch is None:  # only rows of earlier executions are completed
            self._batch = batch
            self._statuses = {
                one.name: one.status for one in batch.rows if one.status == "completed"
            }
        for row in batch.rows:
            if row.status in ("running", self._statuses.get(row.name, "waiting")):
                continue
            self._statuses[row.name] = row.status
            self._states.pop(row.name, None)
            self._spent.pop(row.name, None)
            if row.status == "completed":
                if not self.alive:
                    self.say(f"{row.name} completed ({credits_of(row.spent)})")
            elif row.status != "waiting":
                reason = f": {row.reason}" if row.reason else ""
                self.say(f"{row.name} {STATUS_WORDS[row.status]}{reason}")
        if batch.stopped and not self._stopped:
            self._stopped = True
            self.say(f"starting no more rows: {batch.stopped}")

    def draw(self, most: int, seconds: float) -> Sequence[Sequence[Cell]]:
        """The rows that run, and their sum."""
        if (batch := self._batch) is None:
            return ()
        names = [row.name for row in batch.rows if row.status == "running"]
        running = [(name, self._states[name]) for name in names if name in self._states]
        first = running if len(running) <= most else running[: most - 1]
        cells = []
        for name, state in first:
            active = (row for row in rows(state) if row.status not in _IDLE)
            doing = ", ".join(f"{row.name} {row.detail}".strip() for row in active) or "begins"
            time = clock(self._clock() - self._begun[name])
            cells.append((name, doing, time, str(state.spent or "")))
        if more := len(running) - len(first):
            cells.append((f"{more} more", "running", "", ""))
        return [*cells, ("total", batch.counts, clock(seconds), self._credits(batch))]

    def sentence(self, seconds: float) -> str:
        """How many rows are done, and what all cost so far."""
        if (batch := self._batch) is None:
            return f"starting Prefect … {seconds_text(int(seconds))}"
        return f"{batch.counts}, {seconds_text(int(seconds))}, {self._credits(batch)} credits"

    def _credits(self, batch: pricing.Batch) -> str:
        spent = batch.removed + sum(
            self._spent.get(row.name, row.spent) if row.status == "running" else row.spent
            for row in batch.rows
        )
        return str(spent) if batch.budget is None else f"{spent} of {batch.budget}"


def print_plan(batch: pricing.Batch, *, as_json: bool) -> int:
    """Prints what each row still needs; gives the exit code: 3 if no row would run."""
    refused = pricing.refusal(batch)
    if as_json:
        least, most = batch.to_buy
        print_json(
            {
                "batch_id": batch.batch_id,
                "credits": {
                    "min": least,
                    "max": most,
                    "spent": batch.spent,
                    "budget": batch.budget,
                    "balance": batch.balance,
                },
                "refused": refused and refused.message,
                "warnings": [*pricing.shortages(batch)],
                "rows": [
                    {
                        "row": row.number,
                        "name": row.name,
                        "run_id": row.run_id,
                        "status": "completed" if row.status == "completed" else "not_completed",
                        "again": pricing.is_remade(batch, row),
                        "credits": {"min": row.least, "max": row.most},
                    }
                    for row in batch.rows
                ],
            }
        )
    else:
        states = [row for row in batch.rows if row.status != "completed"]
        cells = [[row.name, price_range(row.least, row.most)] for row in states]
        if cells:
            print_table(["row", ">credits"], cells[:_MAX_ROWS])
        if len(cells) > _MAX_ROWS:
            show(f"and {len(cells) - _MAX_ROWS} more rows; `--json` has all")
        show("", *pricing.remade(batch))
        show(f"{batch.batch_id}: {pricing.sentence(batch)}; nothing was bought")
    if refused:
        tell(f"error: {refused.message}", f"hint: {refused.hint}")
        return CREDITS
    tell(*(f"warning: {line}" for line in pricing.shortages(batch)))
    return 0


def print_result(result: BatchResult, *, as_json: bool, open_sheet: bool) -> int:
    """Prints how a batch ended and the commands that continue it; gives the exit code."""
    if as_json:
        arguments: Sequence[str] = click.get_current_context().obj or ()
        print_json(result.as_json() | {"next": next_of_batch(result, arguments)})
    else:
        _print_rows(result)
    if result.wallet.warning:
        tell(f"{'warning: ' if result.wallet.unexplained else ''}{result.wallet.warning}")
    tell(*next_steps(result))
    if open_sheet:
        open_page(result.sheet_path)
    return INTERRUPTED if result.cancelled else _EXIT_CODES[result.batch.outcome]


def _print_rows(result: BatchResult) -> None:
    batch = result.batch
    every = len(batch.rows) <= _MAX_ROWS
    rows = [row for row in batch.rows if every or row.status != "completed"]
    cells = [
        [row.name, STATUS_WORDS[row.status], str(row.spent), str(row.saved), row.run_id]
        for row in rows[:_MAX_ROWS]
    ]
    show("")
    if cells:
        print_table(["row", "status", ">credits", ">saved", "?run"], cells)
        show("")
    for row in rows[:_MAX_ROWS]:
        if row.reason:
            show(f"{row.name} {STATUS_WORDS[row.status]}: {row.reason}")
    if len(rows) > _MAX_ROWS:
        show(f"and {len(rows) - _MAX_ROWS} more that are not completed; the summary has all rows")
    of_budget = f"{batch.spent} of {batch.budget} budget credits"
    spent = credits_of(batch.spent) if batch.budget is None else of_budget
    saved = f", {result.saved} saved" if result.saved else ""
    show(f"{batch.batch_id}: {batch.counts}; {spent} spent{saved}")
    show(f"contact sheet {result.sheet_path}")
    show(f"summary       {result.summary_path}")


def next_of_batch(result: BatchResult, arguments: Sequence[str]) -> str | None:
    """The command that continues a batch of these arguments, or its first row that needs another; None if it is done."""
    if needed := needed_budget(result):
        return same_command(arguments, ("--budget", str(needed)))
    for row in result.batch.rows if not result.cancelled else ():
        found = row.receipt
        if found and (row.status == "suspended" or resume_options(found) or is_owed(found)):
            return next_command(found, [one.label for one in row.questions])
    return same_command(arguments) if result.status in ("failed", "cancelled") else None


def next_steps(result: BatchResult) -> Iterator[str]:
    """The commands that continue the rows that are not done."""
    if result.cancelled:
        yield "to resume, rerun the same command"
        return
    lines: list[str] = []
    retries = False
    for row in result.batch.rows:
        run_id, receipt = row.run_id, row.receipt
        resume = f"rivya-flows resume {run_id}"
        if row.status == "suspended":
            lines += answer_commands(run_id, row.questions)
        elif receipt and row.status == "failed" and (options := resume_options(receipt)):
            lines.append(resume + options)
        elif receipt and row.status == "completed" and is_owed(receipt):
            lines.append(resume)  # the spec allowed a failure, whose result was paid for
        else:
            retries = retries or row.status != "completed"
    if lines:
        yield "resume single rows with:"
    yield from (f"  {line}" for line in lines[:_MAX_COMMANDS])
    if len(lines) > _MAX_COMMANDS:
        yield f"  and {len(lines) - _MAX_COMMANDS} more"
    yield from raise_pools(refusing_pools(result))
    if result.batch.outcome == "over_budget":
        yield f"to resume, rerun the same command{rerun_with(result)}"
    elif retries:
        yield "to retry the other rows, rerun the same command"
