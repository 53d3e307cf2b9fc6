"""Counts what the Prefect server of `up` refuses while runs are at work.

``scripts/server-load --runs 24`` starts `up` with the sandbox in a folder of its own, starts the runs at once, and sends
100 creates and 100 resumes while they work: the requests that the form and the dialog of the UI send. Exits with 1 if one
is refused or a run does not complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from cluster_server import OVER, PrefectServer

SPEC = """\
version: 1
name: load
title: Pictures
budget: {credits: 100}
steps:
  stills:
    uses: generate
    matrix: {style: [a, b, c, d, e, f, g, h, i, j], light: [x, y]}
    with: {model: z-image, prompt: "Lamp, ${{ matrix.style }}, ${{ matrix.light }}"}
deploy:
  - {name: load}
"""


def _cli(data: Path, *arguments: str) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RIVYA_", "PREFECT_"))
    }
    command = [sys.executable, "-m", "rivya_flows.cli.main", *arguments]
    done = subprocess.run(
        command,
        env=environment | {"RIVYA_FLOWS_DATA": str(data)},
        cwd=data,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@contextlib.contextmanager
def left_running(data: Path) -> Iterator[PrefectServer]:
    """The server of `up` in a data folder, with the deployment."""
    (data / "specs").mkdir(parents=True)
    (data / "specs" / "load.yaml").write_text(SPEC)
    try:
        text = json.loads(
            _cli(data, "up", "--sandbox", "--json", "--port", "0", "--receiver-port", "0")
        )
        yield PrefectServer(text["api"], Path(text["auth_file"]).read_text())
    finally:
        _cli(data, "down", "--force")


class Load:
    """Requests that the UI sends, and what they were answered."""

    def __init__(self, server: PrefectServer, deployment: str, flow: str) -> None:
        self._server = server
        self._deployment = deployment
        self._flow = flow
        self.answers: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def pause_run(self) -> str:
        """A flow run that waits for a person; no worker takes it."""
        state = {"type": "PAUSED", "name": "Suspended", "state_details": {}}
        while True:
            with contextlib.suppress(urllib.error.HTTPError):
                body = {"flow_id": self._flow, "state": state}
                found: str = self._server.ask("POST", "/flow_runs/", body)["id"]
                return found

    def start_run(self, path: str) -> str:
        """A flow run that a worker takes now."""
        while True:
            with contextlib.suppress(urllib.error.HTTPError):
                found: str = self._server.ask("POST", path, {"state": {"type": "SCHEDULED"}})["id"]
                return found

    def create(self, number: int) -> None:
        """Start a run tomorrow."""
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": tomorrow}}
        body = {"name": f"tomorrow-{number}", "state": state, "parameters": {}}
        self._send("create", f"/deployments/{self._deployment}/create_flow_run", body)

    def resume(self, flow_run: str) -> None:
        """Resume a run."""
        self._send("resume", f"/flow_runs/{flow_run}/resume", {"run_input": {}})

    def read(self, _: int) -> None:
        """What the page of runs asks for."""
        self._send("read", "/flow_runs/filter", {"limit": 50, "sort": "START_TIME_DESC"})

    def _send(self, what: str, path: str, body: Any) -> None:
        began = time.monotonic()
        try:
            self._server.ask("POST", path, body)
            answer = "taken"
        except urllib.error.HTTPError as error:
            answer = f"HTTP {error.code}"
        except OSError as error:
            answer = type(error).__name__
        with self._lock:
            self.answers[f"{what}: {answer}"] += 1
            self.seconds.setdefault(what, []).append(time.monotonic() - began)


@click.command()
@click.option("--runs", type=click.IntRange(1), default=24, show_default=True, help="At once.")
@click.option("--requests", type=click.IntRange(1), default=100, show_default=True, help="Of each.")
@click.option("--together", type=click.IntRange(1), default=4, show_default=True, help="At a time.")
@click.option("--timeout", type=float, default=900, show_default=True, help="Seconds for the runs.")
def main(runs: int, requests: int, together: int, timeout: float) -> None:
    """Send creates, resumes and reads to the server of `up` while runs work."""
    data = Path(tempfile.mkdtemp(prefix="rivya-server-load-"))
    try:
        with left_running(data) as server:
            deployment = server.ask("GET", "/deployments/name/load/load")
            load = Load(server, deployment["id"], deployment["flow_id"])
            paused = [load.pause_run() for _ in range(requests)]
            path = f"/deployments/{deployment['id']}/create_flow_run"
            working = [load.start_run(path) for _ in range(runs)]
            # Until all have started: imports of as many processes would hide the server's part.
            some = {"flow_runs": {"id": {"any_": working}}}
            deadline = time.monotonic() + timeout

            def count(types: list[str]) -> int:
                where = {**some["flow_runs"], "state": {"type": {"any_": types}}}
                while True:
                    with contextlib.suppress(OSError):
                        found: int = server.ask("POST", "/flow_runs/count", {"flow_runs": where})
                        return found

            with ThreadPoolExecutor(together) as pool:
                began = time.monotonic()
                futures = []
                for number in range(requests):
                    while count(["PENDING", "SCHEDULED"]) > runs * (1 - number / requests):
                        time.sleep(0.1)
                    futures += [
                        pool.submit(load.create, number),
                        pool.submit(load.resume, paused[number]),
                        pool.submit(load.read, number),
                    ]
                for future in futures:
                    future.result()
                sending = time.monotonic() - began
            at_work = count(["RUNNING", "PENDING", "SCHEDULED"])
            while count(sorted(OVER)) < runs and time.monotonic() < deadline:
                time.sleep(0.5)
            completed = count(["COMPLETED"])
        log = (data / "logs" / "server.log").read_text(errors="replace")
        for what, number in sorted(load.answers.items()):
            click.echo(f"{what}: {number}")
        for what, seconds in sorted(load.seconds.items()):
            ordered = sorted(seconds)
            click.echo(
                f"{what}: median {ordered[len(ordered) // 2]:.2f} s, longest {ordered[-1]:.2f} s"
            )
        click.echo(
            f"{at_work} of {runs} runs were at work when the last of them was sent, after {sending:.0f} s"
        )
        click.echo(f"{completed} of {runs} runs completed in {time.monotonic() - began:.0f} s")
        click.echo(f'"database is locked" in the server\'s log: {log.count("database is locked")}')
    finally:
        shutil.rmtree(data, ignore_errors=True)
    refused = sum(number for what, number in load.answers.items() if not what.endswith("taken"))
    sys.exit(1 if refused or completed < runs else 0)


if __name__ == "__main__":
    main()
