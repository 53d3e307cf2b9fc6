from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from rivya_flows.process_identity import ProcessIdentity, known, lives
from rivya_flows.processes.supervisor import MARK, end, environment_of, marked
from support.prefect_workers import eventually

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
PARENT = """
import subprocess, sys, time
child = [sys.executable, "-c", "import time; time.sleep(60)"]
print(subprocess.Popen(child, start_new_session=True).pid, flush=True)
time.sleep(60)
"""

# The tests may run twice at once on a machine, and a mark is looked for on all of it.
OURS = f"of {os.getpid()}"


@contextmanager
def program(text: str, mark: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {MARK: mark},
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_is_identified_by_its_start_time_and_its_pid() -> None:
    here = known(os.getpid())
    assert here is not None
    assert lives(here)
    assert not lives(ProcessIdentity(os.getpid(), "another birth"))
    with program("pass", "ended") as process:  # it stays as a zombie
        eventually(lambda: known(process.pid) is None, "its end")


def test_a_later_process_with_the_same_pid_is_not_ended() -> None:
    with program(PARENT, f"later {OURS}") as process:
        said(process)
        recorded = ProcessIdentity(process.pid, "an earlier birth")
        assert not end(recorded, "the mark of an earlier one", grace_seconds=1)
        assert process.poll() is None
        for left in marked(f"later {OURS}"):
            os.kill(left.pid, signal.SIGKILL)


def test_a_process_ends_with_its_children_in_other_groups() -> None:
    with program(PARENT, f"family {OURS}") as process:
        child = known(int(said(process)))
        leader = known(process.pid)
        assert child is not None
        assert leader is not None
        assert os.getpgid(child.pid) != os.getpgid(leader.pid)
        assert end(leader, f"family {OURS}", grace_seconds=10)
        assert not lives(child)
        assert not lives(leader)


def test_children_of_a_dead_process_are_ended_too() -> None:
    with program(PARENT, f"orphans {OURS}") as process:
        child = known(int(said(process)))
        leader = known(process.pid)
        assert child is not None
        assert leader is not None
        process.kill()
        process.wait()
        assert end(leader, f"orphans {OURS}", grace_seconds=10)
        assert not lives(child)
        assert not end(leader, f"orphans {OURS}", grace_seconds=10)


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    with program(STUBBORN, f"stubborn {OURS}") as process:
        said(process)
        leader = known(process.pid)
        assert leader is not None
        end(leader, f"stubborn {OURS}", grace_seconds=0.2)
        assert not lives(leader)


def test_a_mark_finds_a_process_and_its_environment() -> None:
    with program(PARENT, f"found {OURS}") as process:
        child = int(said(process))
        found = {one.pid: given for one, given in marked(f"found {OURS}").items()}
        assert set(found) == {process.pid, child}
        assert found[child][MARK] == f"found {OURS}"
        for left in marked(f"found {OURS}"):
            os.kill(left.pid, signal.SIGKILL)


def test_a_process_has_its_mark_from_its_start() -> None:
    for turn in range(30):
        with program("import time; time.sleep(60)", f"turn {turn}") as process:
            given = environment_of(psutil.Process(process.pid))
            process.kill()
            assert given[MARK] == f"turn {turn}"
