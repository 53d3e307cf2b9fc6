"""A cluster: runs of a deployment on two workers and runs of the command line, at the same time.

Everything that they need is killed but the disk and the store of the media, and started again after a moment, as
systemd or Docker would do. What a person does is done too: answers, and `resume` where a run has failed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from audit import Audit, audit, standing
from chaos_counts import Experiment, Tally
from chaos_processes import (
    KEY_LIFE,
    OFFSETS,
    WRONG_CLOCK,
    Clock,
    Driver,
    JournalReader,
    faults,
    load,
    spec,
)
from cluster_processes import WORKERS, Cluster
from cluster_server import OVER
from members import until

SERVICES = ("postgres", "redis", "sandbox", "server", "services", "receiver")
MACHINES = (*WORKERS, "receiver")
"""Machines whose clocks move. The clocks of databases and Prefect do not."""

_AT_ONCE = 6
_DRIVERS = 2
_MOST_ENTRIES = 12
_MOMENT_SECONDS = 15
"""A kill comes after so long at the latest, whatever the journal has."""
_SETTLE_SECONDS = 1500
"""Runs of a deployment have so long to complete by themselves: where an event of a crash was lost, the waker, which looks
every quarter of an hour, restarts what has been dead for five minutes."""
_LAST_SECONDS = 600
_END_SECONDS = 120
_LOOK_SECONDS = 0.3
_AGAIN_SECONDS = 5
_AWAY = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
"""Prefect does not answer at this moment, as after a kill of its database."""
_GOES_ON = ("SCHEDULED", "PENDING", "RUNNING", "CRASHED", "CANCELLING")


class ClusterChaos:
    """Keeps a number of runs at work, and kills what they need.

    Args:
        cluster: Has begun.
        experiment: As asked.
        kills: Total number.
        clocks: Of machines, by the names of `MACHINES`, and `driver`; empty where they cannot be moved.
        tell: Reports progress.
    """

    def __init__(
        self,
        cluster: Cluster,
        experiment: Experiment,
        kills: int,
        clocks: dict[str, Clock],
        tell: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._chance = random.Random(experiment.seed)
        self._left = kills
        self._clocks = clocks
        self._tell = tell
        self._journal = JournalReader(cluster.store)
        self._flow_runs = dict[str, str]()  # the flow run of a run
        self._state_types = dict[str, str]()
        self._started = 0
        self._fresh: Driver | None = None  # its run is not known yet
        self._local = set[str]()
        self._drivers = dict[str, Driver]()
        self._tried = dict[str, float]()
        self._completed = set[str]()
        self.tally = Tally(clocks=Counter() if clocks else None)

    def execute(self) -> None:
        """Kill until all kills are used, and finish every run."""
        try:
            while self._left > 0:
                self._await_moment()
                self._strike()
            self._settle()
        finally:
            for driver in self._running_drivers():
                driver.kill()

    def _await_moment(self) -> None:
        """Wait until the runs have written some entries."""
        goal = self._journal.all_entries() + self._chance.randint(0, _MOST_ENTRIES)
        for _ in until(_MOMENT_SECONDS, _LOOK_SECONDS):
            self._attend(starts=True)
            if self._journal.all_entries() >= goal:
                break
        time.sleep(self._chance.uniform(0, 0.3))

    # --- what a person and a supervisor do ------------------------------------------------------

    def _attend(self, *, starts: bool = False, patient: bool = True) -> None:
        """Look after all runs once.

        Args:
            starts: Start further runs, so that enough are at work.
            patient: Leave a run of a deployment to Prefect, as long as Prefect has not given it up.
        """
        for name in self._cluster.members.find_ended():
            self.tally.restarted[name] += 1
            self._cluster.members.restart(name)
        with contextlib.suppress(*_AWAY):
            self._look_after_all(patient=patient)
            if starts:
                self._start_runs()

    def _look_after_all(self, *, patient: bool) -> None:
        states = self._cluster.server.states([*self._flow_runs.values()]) if self._flow_runs else {}
        self._state_types = {one: str(state["type"]) for one, state in states.items()}
        known = self._journal.runs()
        for run_id in known:
            if run_id not in self._flow_runs and run_id not in self._local:
                self._local.add(run_id)
                if self._fresh is not None:
                    self._drivers[run_id], self._fresh = self._fresh, None
        if self._fresh is not None and self._fresh.is_over():
            self._fresh = None  # killed before anything was written, so nothing was bought
        for run_id in [one for one, driver in self._drivers.items() if driver.is_over()]:
            del self._drivers[run_id]
        for run_id in known:
            if run_id not in self._completed and run_id not in self._drivers:
                self._look_after(run_id, patient=patient)

    def _look_after(self, run_id: str, *, patient: bool) -> None:
        now = standing(self._cluster.store, run_id)
        if now.status == "completed":
            self._completed.add(run_id)
            return
        state = self._state_types.get(self._flow_runs.get(run_id, ""), "")
        busy = len(self._drivers) >= _DRIVERS
        recent = time.monotonic() - self._tried.get(run_id, 0) < _AGAIN_SECONDS
        if busy or recent or (patient and state in _GOES_ON):
            return
        self._tried[run_id] = time.monotonic()
        if not patient and state in _GOES_ON:
            self.tally.by_hand.add(run_id)
        self.tally.uncertain.update(f"{run_id}/{name}" for name in now.uncertain)
        self._drivers[run_id] = self._drive(["resume", run_id, *now.options])

    def _start_runs(self) -> None:
        waiting = {*self._flow_runs, *self._local} - self._completed
        if len(waiting) + (self._fresh is not None) >= _AT_ONCE:
            return
        self._started += 1
        if self._started % 3:
            deployment = "chaos/judged" if self._started % 2 else "chaos/asked"
            found = self._cluster.server.start(deployment, f"event-{self._started}", {})
            self._flow_runs[f"run-{found}"] = found
        elif self._fresh is None and len(self._drivers) < _DRIVERS:
            self._fresh = self._drive(["run", "chaos.yaml"])

    def _drive(self, arguments: list[str]) -> Driver:
        self.tally.executions += 1
        clock = self._clocks.get("driver")
        if self._left <= 0 or self._chance.random() > WRONG_CLOCK:
            clock = None
        if clock is not None:
            self._move("driver")
        return Driver(self._cluster.folder, {}, arguments, clock)

    def _settle(self) -> None:
        """Wait until all runs have completed by themselves, then resume the rest."""
        for clock in self._clocks.values():
            clock.move("+0")
        self._report("wait for all")
        self._until_completed(_SETTLE_SECONDS, patient=True)
        self._report("resume the rest")
        self._until_completed(_LAST_SECONDS, patient=False)
        begun = self._journal.runs()
        for run_id in {*self._flow_runs, *self._local} - self._completed:
            state = self._state_types.get(self._flow_runs.get(run_id, ""), "no flow run")
            now = standing(self._cluster.store, run_id) if run_id in begun else "never began"
            self.tally.stuck.append(f"{run_id}: {now}, {state}")
        self.tally.runs = len(self._flow_runs) + len(self._local)
        self.tally.completed = len(self._completed)
        flow_runs, server = [*self._flow_runs.values()], self._cluster.server
        # Those whose runs were completed on the command line end later.
        for _ in until(_END_SECONDS, _LOOK_SECONDS):
            if OVER.issuperset(one["type"] for one in server.states(flow_runs).values()):
                break
        self.tally.flow_runs = server.counts(flow_runs)
        self.tally.webhooks = self._journal.webhooks()

    def _until_completed(self, seconds: float, *, patient: bool) -> None:
        for _ in until(seconds, _LOOK_SECONDS):
            self._attend(patient=patient)
            if not self._running_drivers() and self._completed.issuperset(
                {*self._flow_runs, *self._local}
            ):
                return

    # --- what is killed ---------------------------------------------------------------------------

    def _strike(self) -> None:
        """Kill one thing, or two at once; or move a clock for a while."""
        if self._clocks and self._chance.random() < 0.15:
            self._move_clock()
            return
        strikes: dict[str, Callable[[], bool]] = {
            "driver": self._kill_driver,
            "run": self._kill_run,
            "worker": self._kill_worker,
        }
        down = list[str]()
        for victim in self._chance.sample([*strikes, *SERVICES], self._chance.choice((1, 1, 1, 2))):
            if victim in strikes:
                if not strikes[victim]():
                    continue
            else:
                self._cluster.members.kill(victim)
                down.append(victim)
            self._left -= 1
            self.tally.kills[victim] += 1
            self._report(f"kill {victim}")
        time.sleep(self._chance.uniform(0, 3))
        for name in sorted(down, key=SERVICES.index):  # databases first
            self._cluster.members.restart(name)

    def _move_clock(self) -> None:
        """Move the clock of a machine, and set it right after some seconds, as NTP does."""
        machine = self._chance.choice(MACHINES)
        self._move(machine)
        for _ in until(self._chance.uniform(2, 10), _LOOK_SECONDS):
            self._attend(starts=True)
        self._clocks[machine].move("+0")

    def _move(self, machine: str) -> None:
        offset = self._chance.choice(OFFSETS)
        self._clocks[machine].move(offset)
        self._report(f"clock of {machine} {offset}")
        assert self.tally.clocks is not None
        self.tally.clocks[offset] += 1

    def _report(self, what: str) -> None:
        begun = len(self._flow_runs) + len(self._local)
        self._tell(
            f"{what}; {len(self._completed)} of {begun} runs completed, {self._left} kills left"
        )

    def _kill_driver(self) -> bool:
        if alive := self._running_drivers():
            self._chance.choice(alive).kill()
        return bool(alive)

    def _running_drivers(self) -> list[Driver]:
        fresh = [] if self._fresh is None else [self._fresh]
        return [*self._drivers.values(), *fresh]

    def _kill_run(self) -> bool:
        """Kill a process of a worker, with all flow runs that it executes."""
        with contextlib.suppress(*_AWAY):
            inside = sorted({run for name in WORKERS for run in self._cluster.executing(name)})
            return bool(inside and self._cluster.kill_host(self._chance.choice(inside)))
        return False

    def _kill_worker(self) -> bool:
        """Kill a worker and all that it executes, as if its machine died; it comes back at once."""
        name = self._chance.choice(WORKERS)
        self._cluster.members.kill_machine(name)
        self._cluster.members.restart(name)
        return True


def experiment_on_cluster(
    folder: Path, experiment: Experiment, kills: int, tell: Callable[[str], None]
) -> tuple[Tally, Audit]:
    """Run until all kills are used, finish every run, and compare the books."""
    clocks = {
        name: Clock(folder / f"{name}.clock") for name in (*MACHINES, "driver") if Clock.library()
    }
    more = {name: clock.environment for name, clock in clocks.items() if name != "driver"}
    options = ["--profile", experiment.profile, *KEY_LIFE]
    options += ["--faults", str(faults(folder, experiment.seed))]
    with Cluster(
        folder, time_scale=0.1, limit=_AT_ONCE, sandbox_options=options, more=more
    ) as cluster:
        (folder / "chaos.yaml").write_text(spec())
        (folder / "specs" / "chaos.yaml").write_text(spec())
        cluster.set_up()
        cluster.start_receiver()
        for name in WORKERS:
            cluster.start_worker(name)
        os.environ |= cluster.environment("driver")
        os.environ["PREFECT_CLIENT_METRICS_ENABLED"] = "false"  # its port is that of one process
        load()
        chaos = ClusterChaos(cluster, experiment, kills, clocks, tell)
        chaos.execute()
        return chaos.tally, audit(cluster.store, cluster.sandbox)
