from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.processes.supervisor import StartedProcess, start


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
from rivya_flows.process_identity import known
log = Path(sys.argv[1])
ended = start("ended", ("calendar",), os.environ, log)
while known(ended.handle.pid):
    time.sleep(0.02)
print(start("child", ("http.server", "--bind", "127.0.0.1", "0"), os.environ, log).handle.pid)
"""


def test_a_child_that_ended_unseen_or_outlives_its_parent_is_no_warning(tmp_path: Path) -> None:
    parent = [sys.executable, "-X", "dev", "-c", STARTS, str(tmp_path / "log")]
    ended = subprocess.run(parent, capture_output=True, text=True, timeout=240, check=True)
    os.kill(int(ended.stdout), signal.SIGKILL)
    assert ended.stderr == ""
