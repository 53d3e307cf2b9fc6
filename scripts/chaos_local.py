"""One machine: runs of the command line, one after the other, on SQLite; what is killed is the run and the sandbox."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit import Audit, Standing, audit, standing
from chaos_counts import Experiment, Tally
from chaos_processes import (
    KEY_LIFE,
    LOOK_SECONDS,
    OFFSETS,
    WRONG_CLOCK,
    Clock,
    Driver,
    JournalReader,
    faults,
    load,
    spec,
)
from members import Members, start_sandbox, until

from rivya_flows.flows.server.local_server import LocalServer

EXECUTION_SECONDS = 240
"""An execution that takes longer without being killed hangs."""

MOST_RESUMES = 8
"""Resumes after which a run that is not killed must be done."""

_CREDITS = 1_000_000
_AT_INTENT = 0.3
"""Share of the kills that come at once after an intent, when its request is on the way."""


class LocalChaos:
    """Executes runs, one after the other, and kills their processes.

    Args:
        folder: Of all data.
        members: Has the sandbox.
        environment: Of drivers.
        experiment: As asked.
        kills: Total number.
    """

    def __init__(
        self,
        folder: Path,
        members: Members,
        environment: dict[str, str],
        experiment: Experiment,
        kills: int,
    ) -> None:
        self._folder = folder
        self._members = members
        self._environment = environment
        self._chance = random.Random(experiment.seed)
        self._left = kills
        self.store = f"sqlite:///{folder / 'data' / 'journal.sqlite'}"
        self._journal = JournalReader(self.store)
        self._clock = Clock(folder / "clock") if Clock.library() else None
        self.tally = Tally(clocks=Counter() if self._clock else None)
        self._most_entries = max(12, experiment.items)
        (folder / "chaos.yaml").write_text(spec(experiment.items))

    def execute(self) -> None:
        """Run until all kills are used, and finish every run."""
        while self._left > 0:
            kills = self.tally.kills.total()
            run_id = self._first_execution()
            if run_id is None and kills == self.tally.kills.total():
                raise SystemExit(f"a run does not start: see {self._folder / 'drivers.log'}")
            if run_id is None:
                continue  # killed before anything was written, so nothing was bought
            self.tally.runs += 1
            for _ in range(self._chance.randint(0, 5)):
                now = standing(self.store, run_id)
                if self._left > 0 and now.status != "completed":
                    self._resume(run_id, now, killable=True)
            self._finish(run_id)

    def _first_execution(self) -> str | None:
        known = set(self._journal.runs())
        self._execute(["run", "chaos.yaml"], None, killable=True)
        new = [run for run in self._journal.runs() if run not in known]
        return new[0] if new else None

    def _resume(self, run_id: str, now: Standing, *, killable: bool) -> None:
        """Resume a run; every other resume that may be killed only continues it."""
        everything = not killable or self._chance.random() < 0.5
        if everything:
            self.tally.uncertain.update(f"{run_id}/{name}" for name in now.uncertain)
        options = now.options if everything else now.answers
        self._execute(["resume", run_id, *options], run_id, killable=killable)

    def _execute(self, arguments: list[str], run_id: str | None, *, killable: bool) -> None:
        self.tally.executions += 1
        clock = self._clock if killable and self._chance.random() < WRONG_CLOCK else None
        if clock is not None:
            self._move(clock)
        driver = Driver(self._folder, self._environment, arguments, clock)
        try:
            if killable:
                self._kill_during(driver, run_id, clock)
            if not driver.wait(EXECUTION_SECONDS):
                self.tally.stuck.append(f"{run_id}: an execution hangs")
        finally:
            driver.kill()

    def _kill_during(self, driver: Driver, run_id: str | None, clock: Clock | None) -> None:
        """Kill the sandbox and move the clock any number of times, then kill the driver, unless it ends first."""
        known = set(self._journal.runs())
        while self._left > 0:
            victim = "sandbox" if self._chance.random() < 0.3 else "driver"
            move = clock is not None and self._chance.random() < 0.3
            more = self._chance.randint(0, self._most_entries)
            pause = self._chance.uniform(0, 0.15)
            down = self._chance.uniform(0, 1)
            count = self._journal.entries
            if self._chance.random() < _AT_INTENT:
                count, more, pause = self._journal.intents, 1, 0
            goal = count(run_id) + more
            for _ in until(EXECUTION_SECONDS, LOOK_SECONDS):
                if driver.is_over():
                    return
                if run_id is None:
                    run_id = next((run for run in self._journal.runs() if run not in known), None)
                if count(run_id) >= goal:
                    break
            time.sleep(pause)
            if driver.is_over():
                return
            if clock is not None and move:
                self._move(clock)
                continue
            self._left -= 1
            self.tally.kills[victim] += 1
            if victim == "driver":
                driver.kill()
                return
            self._members.kill("sandbox")
            time.sleep(down)
            self._members.restart("sandbox")

    def _move(self, clock: Clock) -> None:
        offset = self._chance.choice(OFFSETS)
        clock.move(offset)
        assert self.tally.clocks is not None
        self.tally.clocks[offset] += 1

    def _finish(self, run_id: str) -> None:
        for _ in range(MOST_RESUMES):
            now = standing(self.store, run_id)
            if now.status == "completed":
                break
            self._resume(run_id, now, killable=False)
        now = standing(self.store, run_id)
        if now.status == "completed":
            self.tally.completed += 1
        else:
            self.tally.stuck.append(f"{run_id}: {now.status} {now.failed}")


def experiment_locally(folder: Path, experiment: Experiment, kills: int) -> tuple[Tally, Audit]:
    """Run until all kills are used, finish every run, and compare the books."""
    with _services(folder, experiment) as (members, environment):
        chaos = LocalChaos(folder, members, environment, experiment, kills)
        chaos.execute()
        return chaos.tally, audit(chaos.store, folder / "sandbox")


@contextmanager
def _services(folder: Path, experiment: Experiment) -> Iterator[tuple[Members, dict[str, str]]]:
    """A sandbox, and a Prefect server for all drivers: from PREFECT_API_URL, or a new one."""
    server = None if "PREFECT_API_URL" in os.environ else LocalServer.start(folder / "server")
    members = Members(folder)
    options = ["--time-scale", "0.03", "--profile", experiment.profile, *KEY_LIFE]
    options += ["--faults", str(faults(folder, experiment.seed))]
    try:
        base_url, api_key = start_sandbox(members, folder / "sandbox", _CREDITS, options)
        load()
        if server is not None:
            asyncio.run(server.ready())
        yield (
            members,
            {
                "RIVYA_API_KEY": api_key,
                "RIVYA_BASE_URL": base_url,
                "RIVYA_FLOWS_DATA": str(folder / "data"),
                "RIVYA_POLL_SECONDS": "0.1",
            },
        )
    finally:
        members.end()
        if server is not None:
            asyncio.run(server.stop())
