from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rivya_flows.flows.server.local_server import LOCK
from rivya_flows.processes import supervisor
from rivya_flows.processes.supervisor import (
    MARK,
    set_idle_seconds,
    try_lock,
    with_server,
    with_users,
)

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
        assert len(supervisor.marked(mark)) == 2
    worker.communicate()  # until the last process that could write is gone
    assert worker.returncode == -signal.SIGKILL
    assert not supervisor.marked(mark)
