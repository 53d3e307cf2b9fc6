from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.process_identity import find_process
from rivya_flows.processes import registry
from rivya_flows.up import start as starting
from rivya_flows.up.options import UpStatus
from rivya_flows.up.start import LONGEST_PAUSE_SECONDS, pause_before, watch

pytestmark = pytest.mark.slow


def recorded(data: Path, name: str, pid: int) -> None:
    """A process of `up` that lives now."""
    process = find_process(pid)
    assert process is not None
    part = registry.ManagedProcess(name=name, pid=pid, birth=process.birth, mark="m")
    registry.write(data, registry.read(data).with_part(part))


def died(data: Path, name: str) -> None:
    """A recorded process of `up` that lives no more."""
    with subprocess.Popen(["sleep", "60"]) as child:
        recorded(data, name, child.pid)
        child.kill()


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restarts after no pause that anybody would notice."""
    monkeypatch.setattr(starting, "LONGEST_PAUSE_SECONDS", 0.01)


def test_each_further_restart_of_the_last_minutes_waits_longer_up_to_a_bound() -> None:
    pauses = [pause_before([0.0] * count, 1.0) for count in range(9)]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert pause_before([0.0] * 9, 10_000.0) == 1


@pytest.mark.usefixtures("_at_once")
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
    died(tmp_path, "worker")

    def tell(line: str) -> None:
        told.append(line)
        if line == "restarted worker":
            part = registry.read(tmp_path).part("worker")
            assert part is not None
            assert part.restarts == 1
            registry.write(tmp_path, registry.read(tmp_path).without("watcher"))

    watch(tmp_path, start, tell)
    assert told == [
        "worker died; restarting in 0.01 s",
        "not restarted: worker: no memory; free some",
        "worker died; restarting in 0.01 s",
        "restarted worker",
    ]


@pytest.mark.usefixtures("_at_once")
def test_no_failure_of_a_restart_ends_the_watcher(tmp_path: Path) -> None:
    told: list[str] = []

    def start() -> UpStatus:
        if len(told) == 1:
            raise RuntimeError  # such as an error of Prefect's client, whose server died again
        registry.write(tmp_path, registry.read(tmp_path).without("watcher"))
        (tmp_path / "up.lock").unlink(missing_ok=True)
        (tmp_path / "up.lock").mkdir()  # as where nothing can be written
        return UpStatus(tmp_path, started=["worker"])

    recorded(tmp_path, "watcher", os.getpid())
    died(tmp_path, "worker")
    watch(tmp_path, start, told.append)
    assert [line.partition(";")[0] for line in told] == [
        "worker died",
        "not restarted: RuntimeError",
        "worker died",
        "restarted worker",
    ]


@pytest.mark.usefixtures("_at_once")
def test_a_sandbox_that_a_run_started_instead_is_not_waited_for(tmp_path: Path) -> None:
    told: list[str] = []

    def start() -> UpStatus:
        registry.write(tmp_path, registry.read(tmp_path).without("sandbox"))
        died(tmp_path, "worker")
        return UpStatus(tmp_path, other_sandbox="http://127.0.0.1:1")

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            registry.write(tmp_path, registry.read(tmp_path).without("watcher"))

    recorded(tmp_path, "watcher", os.getpid())
    died(tmp_path, "sandbox")
    watch(tmp_path, start, tell)
    assert told == ["sandbox died; restarting in 0.01 s", "worker died; restarting in 0.01 s"]
