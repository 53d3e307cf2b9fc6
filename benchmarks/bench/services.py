"""What every contender talks to: a sandbox, and for two of them a Prefect server; new for each execution."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench.processes import Usage, usage_of
from benchmarks.bench.scenarios import TIME_SCALE

START_SECONDS = 90
STOP_SECONDS = 20
SETTLE_SECONDS = 60
QUIET_SECONDS = 3
CREDITS = 100_000_000
_JOB = re.compile(r"/api/v1/generations/(?P<id>\w+)")
_CALL = re.compile(r'uvicorn\.access - \S+ - "(?P<method>\w+) (?P<path>\S+) HTTP')


@dataclass(frozen=True)
class Request:
    """A line of the sandbox's log: Unix seconds, status, method and path."""

    at: float
    status: int
    method: str
    path: str

    @property
    def kind(self) -> str:
        """What was asked, without ids."""
        for start, kind in (
            ("/media/", "download"),
            ("/api/v1/files", "upload"),
            ("/api/v1/chat/", "chat"),
            ("/api/v1/generations/", "look"),
            ("/api/v1/generations", "submit"),
        ):
            if self.path.startswith(start):
                return kind
        return self.path.removeprefix("/api/v1/")


@dataclass(frozen=True)
class Job:
    """A generation of the sandbox; Unix seconds."""

    id: str
    made_at: float
    ended_at: float


@dataclass(frozen=True)
class Service:
    """A running sandbox."""

    base_url: str
    api_key: str
    folder: Path
    process: subprocess.Popen[str]

    def environment(self) -> dict[str, str]:
        """What a client needs."""
        return {"RIVYA_BASE_URL": self.base_url, "RIVYA_API_KEY": self.api_key}

    def usage(self) -> Usage:
        """Of its process, so far."""
        return usage_of(self.process.pid)

    def requests(self) -> list[Request]:
        """All requests, once it has ended."""
        found = []
        for line in (self.folder / "requests.log").read_text().splitlines():
            at, status, method, path = line.split(" ", 3)
            found.append(Request(float(at), int(status), method, path))
        return found

    def jobs(self) -> list[Job]:
        """All generations that succeeded."""
        with contextlib.closing(sqlite3.connect(self.folder / "sandbox.sqlite")) as state:
            rows = state.execute(
                "SELECT id, created_at, updated_at FROM generations WHERE status = 'succeeded'"
            )
            return [Job(*row) for row in rows]


@contextlib.contextmanager
def sandbox(folder: Path, *options: str) -> Iterator[Service]:
    """A sandbox with plain media and jobs of two seconds; its log is complete after the block.

    Args:
        folder: Its data.
        options: Further ones of ``serve``.
    """
    command = [sys.executable, "-m", "rivya_sandbox", "serve", "--json", "--data", str(folder)]
    command += ["--credits", str(CREDITS), "--media", "plain", "--time-scale", str(TIME_SCALE)]
    command += ["--request-log", str(folder / "requests.log"), "--port", "0", *options]
    folder.mkdir(parents=True)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Service(told["base_url"], told["api_key"], folder, process)
    finally:
        end(process)


@dataclass(frozen=True)
class PrefectServer:
    """A running Prefect server with an access log."""

    port: int
    home: Path
    process: subprocess.Popen[bytes]

    def environment(self) -> dict[str, str]:
        """What a client needs."""
        return {
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            "PREFECT_HOME": str(self.home / "client"),
            "DO_NOT_TRACK": "1",
        }

    def usage(self) -> Usage:
        """Of its process, so far."""
        return usage_of(self.process.pid)

    def calls(self) -> Counter[str]:
        """Requests so far, by method and resource."""
        found: Counter[str] = Counter()
        for call in _CALL.finditer((self.home / "server.log").read_text(errors="replace")):
            parts = call["path"].partition("?")[0].split("/")
            if parts[2:3] != ["health"]:
                found[f"{call['method']} {'/'.join(parts[2:3])}"] += 1
        return found

    def rows(self) -> dict[str, int]:
        """Rows of each table that has some."""
        with contextlib.closing(sqlite3.connect(self.home / "prefect.db")) as state:
            names = state.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            counts = {
                name: state.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                for (name,) in names
                if not name.startswith(("sqlite_", "alembic_"))
            }
        return {name: count for name, count in counts.items() if count}

    def settled(self) -> dict[str, int]:
        """As `rows`, once the recorder has written what the client has sent."""
        give_up = time.monotonic() + SETTLE_SECONDS
        found = self.rows()
        while time.monotonic() < give_up:
            time.sleep(QUIET_SECONDS)
            before, found = found, self.rows()
            if found == before:
                break
        return found


@contextlib.contextmanager
def prefect_server(folder: Path, environment: Mapping[str, str]) -> Iterator[PrefectServer]:
    """A Prefect server on SQLite, warm; its recorder is set as that of our own server."""
    folder.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    told = {
        "PREFECT_HOME": str(folder),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--log-level", "INFO"],
            env={**environment, **told},
            cwd=folder,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        _await_health(port, process)
        yield PrefectServer(port, folder, process)
    finally:
        end(process)


def _await_health(port: int, process: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        with (
            contextlib.suppress(OSError),
            opener.open(f"http://127.0.0.1:{port}/api/health", timeout=5),
        ):
            return
        time.sleep(0.2)
    raise SystemExit("the Prefect server did not start")


def end(process: subprocess.Popen[Any]) -> None:
    """Stop a process, or kill it after a while."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def looks(requests: Sequence[Request], jobs: Sequence[Job]) -> dict[str, list[float]]:
    """When each job was looked at, by id and in order."""
    found: dict[str, list[float]] = {job.id: [] for job in jobs}
    for one in requests:
        if one.method == "GET" and (named := _JOB.match(one.path)) and named["id"] in found:
            found[named["id"]].append(one.at)
    return found


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of Prefect and Rivya, and without proxies for loopback."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "RIVYA_"))
    }
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
