"""Runs on a real Prefect server whose waits are woken, or not, by the webhooks of a sandbox."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from rivya_sandbox.service.serve import running
from support.cli_calls import Terminal, buy_from, started
from support.engine_runs import stills

pytestmark = pytest.mark.prefect

JOBS = 20
LOOK = re.compile(r"GET \S+/api/v1/generations/")
DOUBLED = "{seed: 1, faults: [{on: webhook, do: double, probability: 0.3}]}"


class Looks(logging.Handler):
    """Counts the requests for the status of a job."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += bool(LOOK.match(record.getMessage()))


@pytest.fixture
def looks() -> Iterator[Looks]:
    trace, counter = logging.getLogger("rivya_client.wire"), Looks()
    level = trace.level
    trace.setLevel(logging.DEBUG)
    trace.addHandler(counter)
    try:
        yield counter
    finally:
        trace.removeHandler(counter)
        trace.setLevel(level)


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


@contextmanager
def listening(*options: str) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """`webhooks listen` in a process of its own, and what it said when it was ready."""
    with started("webhooks", "listen", "--port", "0", "--json", *options) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()), process
        finally:
            process.kill()


def test_twenty_jobs_are_looked_at_fewer_than_twice_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: Terminal, looks: Looks
) -> None:
    """Although a third of the webhooks comes twice, and somebody sends forged ones."""
    monkeypatch.setenv("RIVYA_FLOWS_WEBHOOKS", "true")
    monkeypatch.setenv("RIVYA_FLOWS_KEEP_MEDIA_DAYS", "30")
    # A busy machine may take longer for the jobs than the minute after which a run looks anyway.
    monkeypatch.setenv("RIVYA_FLOWS_WEBHOOK_POLL_SECONDS", "240")
    spec = tmp_path / "stills.yaml"
    spec.write_text(stills(JOBS, step=f"max_parallel: {JOBS}"))
    sandbox = running(
        tmp_path / "sandbox", time_scale=0.02, allow_local_webhooks=True, faults=DOUBLED
    )
    with sandbox as service:
        buy_from(service, monkeypatch)
        with listening("--register") as (ready, process):
            forged = {"id": "evt_x", "type": "generation.succeeded", "data": {"id": "task_x"}}
            assert (
                httpx.post(ready["webhooks"], json=forged, verify=False, timeout=120).status_code
                == 400
            )
            said = terminal("run", spec, "--json")
            assert said.code == 0, said.err
            assert said.document["credits"]["spent"] == JOBS
            assert len(said.document["outputs"]["pictures"]) == JOBS
            shown = terminal("webhooks", "endpoints", "deliveries", ready["endpoint"], "--json")
            assert len(shown.document) >= JOBS
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=240)
            assert process.returncode == 0
            assert "repeated" in err
            assert "deleted 0 media, 0 bytes" in err
            assert "whsec_" not in err
        assert terminal("webhooks", "endpoints", "list", "--json").document == []
    assert JOBS <= looks.count < 2 * JOBS


def test_a_run_ends_although_every_webhook_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: Terminal, looks: Looks
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_WEBHOOKS", "true")
    monkeypatch.setenv("RIVYA_FLOWS_WEBHOOK_POLL_SECONDS", "0.5")
    spec = tmp_path / "stills.yaml"
    spec.write_text(stills(6))
    with running(tmp_path / "sandbox") as service:
        buy_from(service, monkeypatch)
        said = terminal("run", spec, "--json")
    assert said.code == 0, said.err
    assert said.document["credits"]["spent"] == 6
    assert looks.count >= 6
