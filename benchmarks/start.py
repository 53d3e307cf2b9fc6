"""Measures how soon `run` buys: ``python benchmarks/start.py [--runs N] [--json]``.

One job on a sandbox of its own with plain media. The time is from the start of the command to its
POST as the sandbox saw it: with a Prefect server that waits (warm), with one that has to start
(cold), and the first time of all, when its database is made. Beside it, in turn with the warm runs:
``import prefect`` to its end, and a hand-written flow of one task on the same server to its POST.
Processor time is that of the command alone, to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rivya_flows.environment import machine_environment
from rivya_flows.flows.server.environment import client_environment
from rivya_flows.flows.server.local_server import end_idle, running
from rivya_flows.processes.local_api import server_auth
from rivya_sandbox.service.database import FILE_NAME

_SPEC = """\
version: 1
name: one
steps:
  still: {uses: generate, with: {model: z-image, prompt: A kettle}}
"""
_FLOW = """\
import os, uuid
import httpx
from prefect import flow, task

@task
def buy():
    headers = {"Authorization": "Bearer " + os.environ["RIVYA_API_KEY"], "Idempotency-Key": uuid.uuid4().hex}
    body = {"model": "z-image", "prompt": "A kettle"}
    url = os.environ["RIVYA_BASE_URL"] + "/api/v1/generations"
    httpx.post(url, json=body, headers=headers).raise_for_status()

@flow
def one():
    buy()

one()
"""
FIRST, COLD, WARM = "run, first of all", "run, cold", "run, warm"
IMPORT, FLOW = "import prefect", "hand-written flow, warm"


@dataclass
class Measured:
    """Seconds of each try: wall clock, and processor time."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Medians, and all tries."""
        return {
            "seconds": statistics.median(self.wall),
            "processor_seconds": statistics.median(self.processor),
            "tries": [round(one, 3) for one in self.wall],
        }


@dataclass
class Bench:
    """A folder with a sandbox that serves, and what was measured there."""

    folder: Path
    environment: Mapping[str, str]
    found: dict[str, Measured] = field(default_factory=dict)

    def measure(
        self, name: str, *arguments: str, more: Mapping[str, str], posts: bool = True
    ) -> None:
        """Calls Python with more variables; measures to the POST, or to the end."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.time()
        environment = {**self.environment, **more}
        command = [sys.executable, *arguments]
        subprocess.run(command, cwd=self.folder, env=environment, check=True, capture_output=True)
        end = self.last_post() if posts else time.time()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        into = self.found.setdefault(name, Measured())
        into.wall.append(end - begun)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        into.processor.append(used)

    def run(self, name: str, idle_seconds: int) -> None:
        """Measures `rivya-flows run`."""
        arguments = ("-m", "rivya_flows.cli.main", "run", "one.yaml")
        self.measure(name, *arguments, more={"RIVYA_FLOWS_SERVER_IDLE": str(idle_seconds)})

    def last_post(self) -> float:
        """When the sandbox made its last job, Unix seconds."""
        with closing(sqlite3.connect(self.folder / "sandbox" / FILE_NAME)) as database:
            (at,) = database.execute("SELECT max(created_at) FROM generations").fetchone()
        return float(at)


@contextmanager
def _bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one.yaml").write_text(_SPEC)
        (folder / "flow.py").write_text(_FLOW)
        sandbox = subprocess.Popen(
            [
                *(sys.executable, "-m", "rivya_sandbox", "serve", "--json", "--media", "plain"),
                *("--time-scale", "0", "--port", "0", "--data", str(folder / "sandbox")),
            ],
            stdout=subprocess.PIPE,
        )
        try:
            assert sandbox.stdout is not None
            ready = json.loads(sandbox.stdout.readline())
            environment = machine_environment(os.environ) | {
                "DO_NOT_TRACK": "1",
                "RIVYA_API_KEY": ready["api_key"],
                "RIVYA_BASE_URL": ready["base_url"],
                "RIVYA_FLOWS_DATA": str(folder / "data"),
            }
            yield Bench(folder, environment)
        finally:
            sandbox.terminate()
            sandbox.wait()


def measured(runs: int) -> dict[str, Measured]:
    """What was found, by name."""
    with _bench() as bench:
        home = bench.folder / "data" / "prefect"
        bench.run(FIRST, 0)
        for _ in range(runs):
            bench.run(COLD, 0)
        bench.run("warming up", 600)
        try:
            found = running(home)
            assert found is not None
            url = f"http://127.0.0.1:{found[0]}/api"
            client = client_environment(url, home, bench.environment, auth=server_auth(home))
            for _ in range(runs):
                bench.run(WARM, 600)
                bench.measure(IMPORT, "-c", "import prefect", more={}, posts=False)
                bench.measure(FLOW, "flow.py", more=client)
        finally:
            end_idle(home)
        del bench.found["warming up"]
        return bench.found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--runs", type=int, default=5, help="tries of each")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    found = measured(options.runs)
    if options.json:
        print(json.dumps({name: one.as_json() for name, one in found.items()}, indent=2))
        return
    print("| from the start to the POST | median s | least | most | processor s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, one in found.items():
        times = f"{statistics.median(one.wall):.2f} | {min(one.wall):.2f} | {max(one.wall):.2f}"
        print(f"| {name} | {times} | {statistics.median(one.processor):.2f} |")


if __name__ == "__main__":
    main()
