"""Measures the warm worker: ``python -m benchmarks.worker [--runs 200] [--process-runs N] [--json]``.

Queues runs of one picture (2 s at the service) while the work pool is paused, lets the worker of `up` take
them, and waits for the last one; then the same with the process worker on the same server. Counted
are runs a minute from the first start to the last end, processor time of each process, and the most
memory of the worker with all that it started.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from rivya_flows.environment import machine_environment
from rivya_flows.flows.server.environment import client_environment
from rivya_flows.processes.local_api import basic
from rivya_sandbox.service import admin

PICTURE_SECONDS = 7.0
"""Of a picture of the sandbox at the time scale 1."""
JOB_SECONDS = 2.0
POOLS = {"warm": "campaigns", "process": "processes"}
OVER = ["COMPLETED", "FAILED", "CANCELLED", "CRASHED"]
SPEC = """\
version: 1
name: {name}
inputs:
  product: {{type: string, default: Lamp}}
budget: {{credits: 10}}
steps:
  still: {{uses: generate, with: {{model: z-image, prompt: "${{{{ inputs.product }}}}"}}}}
outputs:
  still: ${{{{ steps.still.assets }}}}
deploy:
  - {{name: picture, work_pool: {pool}}}
"""


class Bench:
    """A machine where `up` runs, with a sandbox of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str], api: str, auth: str) -> None:
        self.folder = folder
        self.environment = environment
        self.server = urlsplit(api).netloc
        self.headers = {"Content-Type": "application/json", "Authorization": basic(auth)}
        self.prefect = {
            **environment,
            **client_environment(api, folder / "data" / "prefect", environment, auth=auth),
        }

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer of Prefect's server."""
        for _ in range(100):
            with closing(http.client.HTTPConnection(self.server, timeout=120)) as connection:
                connection.request(method, f"/api{path}", json.dumps(body), self.headers)
                answer = connection.getresponse()
                content = answer.read()
            if answer.status < 300:
                return json.loads(content) if content else None
            time.sleep(0.1)
        raise SystemExit(f"{method} {path}: HTTP {answer.status}")

    def parts(self) -> dict[str, int]:
        """Process ids of `up` and of the sandbox, by name."""
        record = json.loads((self.folder / "data" / "up.json").read_text())
        found = {part["name"]: part["pid"] for part in record["parts"]}
        return {**found, "sandbox": int(self.environment["SANDBOX_PID"])}

    def measure(self, name: str, runs: int, worker: int) -> object:
        """Queues runs, lets them go, and waits for the last."""
        pool = POOLS[name]
        self.ask("PATCH", f"/work_pools/{pool}", {"is_paused": True})
        made = self.ask("GET", f"/deployments/name/{name}/picture")["id"]
        body = {"state": {"type": "SCHEDULED"}}
        ids = [
            self.ask("POST", f"/deployments/{made}/create_flow_run", body)["id"]
            for _ in range(runs)
        ]
        members = {**self.parts(), "worker": worker}
        before = {one: processor(pid) for one, pid in members.items()}
        peak = Peak(worker)
        self.ask("PATCH", f"/work_pools/{pool}", {"is_paused": False})
        begun = time.monotonic()
        with peak:
            while (over := self.count(ids, OVER)) < runs:
                print(f"{name}: {over} of {runs}", file=sys.stderr)
                time.sleep(2)
        seconds = time.monotonic() - begun
        after = {one: processor(pid) for one, pid in members.items()}
        completed = self.count(ids, ["COMPLETED"])
        result = {
            "runs": runs,
            "completed": completed,
            "seconds": round(seconds, 1),
            "runs_a_minute": round(60 * runs / seconds, 1),
            "processor_seconds_a_run": {
                one: round((after[one] - before[one]) / runs, 3) for one in members
            },
            "worker_peak_mb": round(peak.most),
        }
        print(f"{name}: {json.dumps(result)}", file=sys.stderr)
        return result

    def count(self, ids: list[str], kinds: list[str]) -> int:
        """How many of these flow runs are in a state of one of these types."""
        body = {"flow_runs": {"id": {"any_": ids}, "state": {"type": {"any_": kinds}}}}
        return int(self.ask("POST", "/flow_runs/count", body))


class Peak:
    """The most memory of a process with all below it, in MB, by samples; shared pages once."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.most = 0.0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(1):
            now = 0.0
            for one in (self._root, *self._root.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    now += one.memory_full_info().pss / 2**20
            self.most = max(self.most, now)


def processor(pid: int) -> float:
    """Processor seconds of a process so far, with all that it started."""
    root = psutil.Process(pid)
    own = root.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in root.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += sum(child.cpu_times()[:4])
    return total


@contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, str]]:
    """The variables of a sandbox that serves in a process of its own."""
    command = [sys.executable, "-m", "rivya_sandbox", "serve", "--json", "--media", "plain"]
    scale = str(JOB_SECONDS / PICTURE_SECONDS)
    command += ["--time-scale", scale, "--port", "0", "--data", str(folder / "sandbox")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield {
            "RIVYA_API_KEY": ready["api_key"],
            "RIVYA_BASE_URL": ready["base_url"],
            "SANDBOX_PID": str(process.pid),
        }
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bench() -> Iterator[Bench]:
    """`up` in an empty folder."""
    with tempfile.TemporaryDirectory() as name, sandbox(Path(name)) as service:
        folder = Path(name)
        for name, pool in POOLS.items():
            (folder / f"{name}.yaml").write_text(SPEC.format(name=name, pool=pool))
        environment = machine_environment(os.environ) | {
            "DO_NOT_TRACK": "1",
            "RIVYA_FLOWS_DATA": str(folder / "data"),
            **service,
        }

        def call(*arguments: str) -> Any:
            command = [sys.executable, "-m", "rivya_flows.cli.main", *arguments, "--json"]
            done = subprocess.run(
                command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE
            )
            return json.loads(done.stdout)

        told = call("up", "warm.yaml", "--port", "0", "--receiver-port", "0")
        try:
            auth = Path(told["auth_file"]).read_text().strip()
            made = Bench(folder, environment, told["api"], auth)
            made.ask("POST", "/work_pools/", {"name": "processes", "type": "process"})
            call("deploy", "process.yaml")
            yield made
        finally:
            call("down")


def measured(runs: int, process_runs: int) -> dict[str, object]:
    """What was found, by worker."""
    with bench() as here:
        found = {"warm": here.measure("warm", runs, here.parts()["worker"])}
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "processes"]
        command += ["--limit", str(max(2, os.cpu_count() or 2))]
        with (here.folder / "process.log").open("wb") as log:
            worker = subprocess.Popen(
                command, cwd=here.folder, env=here.prefect, stdout=log, stderr=log
            )
        try:
            found["process"] = here.measure("process", process_runs, worker.pid)
        finally:
            worker.terminate()
            worker.wait()
        sold = len(admin.ledger(here.folder / "sandbox")["generations"])
        found["sold"] = {"runs": runs + process_runs, "generations": sold}
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--runs", type=int, default=200, help="of the warm worker")
    parser.add_argument("--process-runs", type=int, default=40, help="of the process worker")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    print(json.dumps(measured(options.runs, options.process_runs), indent=2))


if __name__ == "__main__":
    main()
