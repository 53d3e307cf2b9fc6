from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rivya_flows.app.processes import registry
from rivya_flows.app.processes.process_tree import known
from rivya_flows.app.up.status import UpStatus
from rivya_flows.app.up.watch import LONGEST_PAUSE_SECONDS, pause_before, watch
from rivya_flows.errors import UsageError


def recorded(data: Path, name: str, pid: int) -> None:
    """A process of `up` that lives now."""
    process = known(pid)
    assert process is not None
    part = registry.ManagedProcess(name=name, pid=pid, birth=process.birth, mark="m")
    registry.write(data, registry.read(data).with_part(part))


def test_each_further_restart_of_the_last_minutes_waits_longer_up_to_a_bound() -> None:
    pauses = [pause_before([0.0] * count, 1.0) for count in range(9)]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert pause_before([0.0] * 9, 10_000.0) == 1


def test_what_died_is_started_until_that_succeeds_and_the_record_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    tries: list[str] = []

    def start() -> UpStatus:
        tries.append("try")
        if len(tries) == 1:
            registry.write(tmp_path, registry.read(tmp_path).without("worker"))
            raise UsageError("worker: no memory", "free some")
        recorded(tmp_path, "worker", os.getpid())
        return UpStatus(tmp_path, started=["worker"])

    recorded(tmp_path, "watcher", os.getpid())
    with subprocess.Popen(["sleep", "60"]) as child:
        recorded(tmp_path, "worker", child.pid)
        child.kill()

    def tell(line: str) -> None:
        told.append(line)
        if line == "restarted worker":
            part = registry.read(tmp_path).part("worker")
            assert part is not None
            assert (part.restarts, bool(part.restarted)) == (1, True)
            registry.write(tmp_path, registry.read(tmp_path).without("watcher"))

    watch(tmp_path, os.getpid(), start, tell)
    assert told == [
        "worker died; restarting in 1 s",
        "not restarted: worker: no memory; free some",
        "worker died; restarting in 2 s",
        "restarted worker",
    ]
