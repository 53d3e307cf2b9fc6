from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from rivya_flows.app.processes.locks import try_lock

SERVER = """
import sys, time
from pathlib import Path
from rivya_flows.app.processes.locks import watch
watch(Path(sys.argv[1]))
print("serving", flush=True)
time.sleep(600)
"""


def test_shared_locks_exclude_an_exclusive_one(tmp_path: Path) -> None:
    file = tmp_path / "users"
    with file.open("a") as one, file.open("a") as two:
        assert try_lock(one, fcntl.LOCK_SH)
        assert try_lock(two, fcntl.LOCK_SH)
        assert not try_lock(two)
        one.close()
        assert try_lock(two)


def test_a_server_ends_after_its_last_user(tmp_path: Path) -> None:
    with (tmp_path / "users").open("a") as user:
        assert try_lock(user, fcntl.LOCK_SH)
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path / "users")],
            stdout=subprocess.PIPE,
            env=dict(os.environ),
            start_new_session=True,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == b"serving\n"
        assert server.poll() is None
    server.communicate()
    assert server.returncode == -signal.SIGTERM
