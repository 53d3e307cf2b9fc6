"""Local processes: started, found again, ended, and ended with others."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from rivya_flows.errors import UsageError
from rivya_flows.flows.server.local_server import LOCK
from rivya_flows.process_identity import ProcessIdentity, find_process, lives
from rivya_flows.processes import supervisor
from rivya_flows.processes.supervisor import (
    MARK,
    JsonLines,
    StartedProcess,
    end,
    environment_of,
    find_marked,
    former,
    keep_small,
    set_idle_seconds,
    start,
    try_lock,
    with_server,
    with_users,
)
from support.prefect_workers import eventually

pytestmark = pytest.mark.slow


def started(place: Path, program: str, **options: object) -> StartedProcess:
    (place / "child.py").write_text(program)
    environment = {"PYTHONPATH": str(place), "PATH": os.environ["PATH"], "GIVEN": "yes"}
    fields = {"name": "child", "command": ("child",), "environment": environment}
    return start(**{**fields, "log": place / "log", **options})  # type: ignore[arg-type]  # a test's own options


def test_a_process_gets_its_environment_and_nothing_else_and_its_files_are_private(
    tmp_path: Path,
) -> None:
    program = "import os; open('mine', 'w'); print(os.environ['GIVEN'], 'HOME' in os.environ, os.getcwd())"
    child = started(tmp_path, program, output="pipe", folder=tmp_path)
    assert child.first_line() == f"yes False {tmp_path}"
    child.handle.wait()
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o600


def test_a_process_that_ends_before_it_is_ready_is_an_error_with_its_last_lines(
    tmp_path: Path,
) -> None:
    child = started(tmp_path, "raise SystemExit('no port')")
    with pytest.raises(
        UsageError, match="child: ended with code 1; it last said:\nno port"
    ) as error:
        child.await_ready(lambda: False)
    assert error.value.hint == f"read {tmp_path / 'log'}"


def test_a_process_that_is_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    child = started(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(UsageError, match="was not ready within 0 s"):
        child.await_ready(lambda: False, timeout_seconds=0)
    child.handle.kill()
    child.handle.wait()


STARTS = """
import os, sys, time
from pathlib import Path
from rivya_flows.processes.supervisor import start
from rivya_flows.process_identity import find_process
log = Path(sys.argv[1])
ended = start("ended", ("calendar",), os.environ, log)
while find_process(ended.handle.pid):
    time.sleep(0.02)
print(start("child", ("http.server", "--bind", "127.0.0.1", "0"), os.environ, log).handle.pid)
"""


def test_a_child_that_ended_unseen_or_outlives_its_parent_is_no_warning(tmp_path: Path) -> None:
    parent = [sys.executable, "-X", "dev", "-c", STARTS, str(tmp_path / "log")]
    ended = subprocess.run(parent, capture_output=True, text=True, timeout=240, check=True)
    os.kill(int(ended.stdout), signal.SIGKILL)
    assert ended.stderr == ""


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
    here = find_process(os.getpid())
    assert here is not None
    assert lives(here)
    assert not lives(ProcessIdentity(os.getpid(), "another birth"))
    with program("pass", "ended") as process:  # it stays as a zombie
        eventually(lambda: find_process(process.pid) is None, "its end")


def test_a_later_process_with_the_same_pid_is_not_ended() -> None:
    with program(PARENT, f"later {OURS}") as process:
        said(process)
        recorded = ProcessIdentity(process.pid, "an earlier birth")
        assert not end(recorded, "the mark of an earlier one", grace_seconds=1)
        assert process.poll() is None
        for left in find_marked(f"later {OURS}"):
            os.kill(left.pid, signal.SIGKILL)


def test_a_process_ends_with_its_children_in_other_groups() -> None:
    with program(PARENT, f"family {OURS}") as process:
        child = find_process(int(said(process)))
        leader = find_process(process.pid)
        assert child is not None
        assert leader is not None
        assert os.getpgid(child.pid) != os.getpgid(leader.pid)
        assert end(leader, f"family {OURS}", grace_seconds=10)
        assert not lives(child)
        assert not lives(leader)


def test_children_of_a_dead_process_are_ended_too() -> None:
    with program(PARENT, f"orphans {OURS}") as process:
        child = find_process(int(said(process)))
        leader = find_process(process.pid)
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
        leader = find_process(process.pid)
        assert leader is not None
        end(leader, f"stubborn {OURS}", grace_seconds=0.2)
        assert not lives(leader)


def test_a_mark_finds_a_process_and_its_environment() -> None:
    with program(PARENT, f"found {OURS}") as process:
        child = int(said(process))
        found = {one.pid: given for one, given in find_marked(f"found {OURS}").items()}
        assert set(found) == {process.pid, child}
        assert found[child][MARK] == f"found {OURS}"
        for left in find_marked(f"found {OURS}"):
            os.kill(left.pid, signal.SIGKILL)


def test_a_process_has_its_mark_from_its_start() -> None:
    for turn in range(30):
        with program("import time; time.sleep(60)", f"turn {turn}") as process:
            given = environment_of(psutil.Process(process.pid))
            process.kill()
            assert given[MARK] == f"turn {turn}"


SERVER = "import time; print('serving', flush=True); time.sleep(600)"


def test_shared_locks_exclude_an_exclusive_one(tmp_path: Path) -> None:
    file = tmp_path / "users"
    with file.open("a") as one, file.open("a") as two:
        assert try_lock(one, fcntl.LOCK_SH)
        assert try_lock(two, fcntl.LOCK_SH)
        assert not try_lock(two)
        one.close()
        assert try_lock(two)


@contextmanager
def server_of(users: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that watches its users, and has a user inside the block."""
    (users.parent / "server.py").write_text(SERVER)
    with users.open("a+b") as user:
        assert try_lock(user, fcntl.LOCK_SH)
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", *with_users(users, "server")],
            stdout=subprocess.PIPE,
            env=dict(os.environ) | {"PYTHONPATH": str(users.parent)},
            start_new_session=True,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == b"serving\n"
        assert server.poll() is None
        yield server


def test_a_server_ends_after_its_last_user(tmp_path: Path) -> None:
    with server_of(tmp_path / "users") as server:
        pass
    server.communicate()
    assert server.returncode == -signal.SIGTERM


def test_a_server_waits_for_its_next_user_as_long_as_the_last_one_wanted(tmp_path: Path) -> None:
    users = tmp_path / "users"
    with server_of(users) as server, users.open("a+b") as last:
        set_idle_seconds(last, 600)
    with pytest.raises(subprocess.TimeoutExpired):
        server.communicate(timeout=1.5)
    with users.open("a+b") as other:
        set_idle_seconds(other, 0)
    server.communicate()
    assert server.returncode == -signal.SIGTERM


def test_a_server_without_users_ends_with_the_folder_by_which_it_is_found(tmp_path: Path) -> None:
    users = tmp_path / "users"
    with server_of(users) as server, users.open("a+b") as last:
        set_idle_seconds(last, 600)
    users.unlink()
    server.communicate()
    assert server.returncode == -signal.SIGTERM


def test_a_module_is_killed_with_all_its_children_when_the_server_dies(tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text(
        "import subprocess, sys\n"
        "wait = [sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(600)']\n"
        "subprocess.Popen(wait, start_new_session=True).wait()\n"
    )
    mark = f"test-{tmp_path}"
    with (tmp_path / LOCK).open("w") as server:
        fcntl.flock(server, fcntl.LOCK_EX)
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", *with_server(tmp_path / LOCK, "orders")],
            env={**os.environ, MARK: mark, "PYTHONPATH": str(tmp_path)},
            stdout=subprocess.PIPE,
        )
        assert worker.stdout is not None
        assert worker.stdout.read(1) == b"1"
        assert len(supervisor.find_marked(mark)) == 2
    worker.communicate()  # until the last process that could write is gone
    assert worker.returncode == -signal.SIGKILL
    assert not supervisor.find_marked(mark)


WRITER = """\
import sys
for line in sys.stdin:
    print(line.strip(), file=sys.stderr, flush=True)
"""


def test_a_process_writes_on_at_the_beginning_of_its_emptied_log(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    with log.open("ab") as file:
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stderr=file, text=True
        )
    assert child.stdin is not None
    child.stdin.write("first\n" * 10)
    child.stdin.flush()
    while log.stat().st_size < 60:
        pass
    keep_small(log, most_bytes=100)
    assert not former(log).exists()
    keep_small(log, most_bytes=50)
    assert (former(log).read_text(), log.read_text()) == ("first\n" * 10, "")
    child.communicate("second\n")
    assert log.read_text() == "second\n"


def test_a_log_stays_small_where_the_former_one_cannot_be_written(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("much")
    former(log).mkdir()  # as where the disk is full
    keep_small(log, most_bytes=1)
    assert log.read_text() == ""


def test_a_part_appends_to_a_log_that_begins_empty(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("of an earlier process")
    (tmp_path / "writes.py").write_text("import os, sys\nos.truncate(sys.argv[1], 0)\nprint('x')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    start("part", ("writes", str(log)), environment, log).handle.wait()
    assert log.read_text() == "x\n"


def test_a_json_line_has_the_names_of_prefects_and_no_line_feed() -> None:
    record = logging.LogRecord("watcher", logging.WARNING, "", 1, "worker died\n%s", ("x",), None)
    document = json.loads(JsonLines().format(record))
    assert (document["severity"], document["msg"]) == ("WARNING", "worker died\nx")
    assert "\n" not in JsonLines().format(record)
