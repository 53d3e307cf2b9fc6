"""The log of requests."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.options import Options
from rivya_sandbox.service.serve import serve
from support.sandbox_calls import PATIENCE, calling, ended, order, process


def test_each_answer_is_a_line_of_a_log_that_is_complete_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    began = time.time()
    options = ("--time-scale", "0", "--request-log", str(log))
    with process(tmp_path / "data", *options) as (sandbox, child), calling(sandbox) as client:
        job = ended(client, order(client).json()["id"])
        client.get("/no/such?secret=1")
        child.send_signal(signal.SIGTERM)
        child.wait(PATIENCE)
    lines = [line.split(" ") for line in log.read_text().splitlines()]
    assert lines[0][1:] == ["202", "POST", "/api/v1/generations"]
    assert lines[1][1:] == ["200", "GET", f"/api/v1/generations/{job['id']}"]
    assert lines[-1][1:] == ["404", "GET", "/no/such"]
    times = [float(line[0]) for line in lines]
    assert began <= times[0] <= times[-1] <= time.time()
    assert times == sorted(times)


def test_a_log_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    options = Options(data=tmp_path / "data", port=0, request_log=tmp_path / "none" / "a.log")
    with pytest.raises(SandboxError, match="--request-log"):
        serve(options, as_json=True)
