from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from rivya_flows.flows.server.server_process import LOCK
from rivya_flows.processes import supervisor
from rivya_flows.processes.bound import with_server
from rivya_flows.processes.supervisor import MARK


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
