"""Counts what a run sends to a Prefect server: ``python -m benchmarks.traffic [--items 1 --items 100] [--runs 3] [--json]``.

A warm worker executes runs one after the other on a server of its own; the first is not counted. Of the
others: answered requests by method and path, what goes over the WebSocket as events by name, rows by table, and lines of the log.
Requests of the worker to its pool are left out: it makes them without runs too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench.services import PrefectServer, clean_environment, end, prefect_server, sandbox

POOL = "traffic"
SPEC = """\
version: 1
name: {name}
budget: {{credits: 10000}}
inputs:
  of: {{type: string, default: nobody}}
steps:
  still: {{uses: generate, matrix: {{n: [{numbers}]}}, with: {{model: z-image, prompt: "Lamp ${{{{ matrix.n }}}}, ${{{{ inputs.of }}}}"}}}}
outputs:
  still: ${{{{ steps.still.assets }}}}
deploy:
  - {{name: traffic, work_pool: {pool}}}
"""
OVER = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
_CALL = re.compile(
    r'uvicorn\.access - \S+ - "(?P<method>\w+) /api(?P<path>[^ ?]*)\S* HTTP\S* (?!503)'
)
_ID = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}")
_LAST = "prefect.worker.executed-flow-run"
_NOT_OF_RUNS = ("/health", "/work_pools/", "/csrf-token", "/admin/version", "/flow_runs/count")


@dataclass(frozen=True)
class Traffic:
    """What a server has taken so far."""

    requests: Counter[str]
    events: Counter[str]
    rows: Counter[str]

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.requests - other.requests, self.events - other.events, self.rows - other.rows
        )

    def as_json(self, runs: int) -> dict[str, Any]:
        """What one of so many runs has sent; the sums first."""
        found: dict[str, Any] = {}
        for name, counts in (
            ("requests", self.requests),
            ("events", self.events),
            ("rows", self.rows),
        ):
            found[name] = {"in all": round(counts.total() / runs, 2)} | {
                one: round(count / runs, 2) for one, count in counts.most_common()
            }
        return found


def taken(server: PrefectServer, runs: int) -> Traffic:
    """What it has taken, once it has written the last event of so many runs."""
    rows = Counter(server.settled())
    while (ended := events(server)[_LAST]) < runs:
        print(f"{ended} of {runs} runs are written", file=sys.stderr)
        rows = Counter(server.settled())
    requests: Counter[str] = Counter()
    for call in _CALL.finditer((server.home / "server.log").read_text(errors="replace")):
        path = _ID.sub("/{id}", call["path"])
        if not path.startswith(_NOT_OF_RUNS):
            requests[f"{call['method']} {path}"] += 1
    return Traffic(requests, events(server), rows)


def events(server: PrefectServer) -> Counter[str]:
    """The events that it has written, by name."""
    with contextlib.closing(sqlite3.connect(server.home / "prefect.db")) as state:
        return Counter(dict(state.execute("SELECT event, count(*) FROM events GROUP BY event")))


@contextlib.contextmanager
def worker(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """A warm worker of the pool."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        end(process)


def execute(api: str, name: str, of: str) -> None:
    """Executes one run to its end."""
    deployment = _asked(api, "GET", f"/deployments/name/{name}/traffic")["id"]
    body = {"parameters": {"of": of}, "state": {"type": "SCHEDULED"}}
    run = _asked(api, "POST", f"/deployments/{deployment}/create_flow_run", body)["id"]
    counted = {"flow_runs": {"id": {"any_": [run]}, "state": {"type": {"any_": OVER}}}}
    while not _asked(api, "POST", "/flow_runs/count", counted):
        time.sleep(0.5)
    state = _asked(api, "GET", f"/flow_runs/{run}")["state"]
    if state["type"] != "COMPLETED":
        raise SystemExit(f"{name}: {state['message']}")


def _asked(api: str, method: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{api}{path}", data, {"Content-Type": "application/json"}, method=method
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(request, timeout=60) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            if error.code != 503:  # its database is locked
                raise
            time.sleep(0.5)


def measured(items: list[int], runs: int) -> dict[str, Any]:
    """What a run of so many pictures sends, by their number."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(sandbox(folder / "sandbox"))
        clean = clean_environment()
        server = stack.enter_context(prefect_server(folder / "prefect", clean))
        environment = {
            **clean,
            **service.environment(),
            **server.environment(),
            "RIVYA_FLOWS_DATA": str(folder / "data"),
            "RIVYA_FLOWS_SPECS": str(folder),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        names = {count: f"pictures-{count}" for count in items}
        for count, name in names.items():
            numbers = ", ".join(map(str, range(count)))
            text = SPEC.format(name=name, numbers=numbers, pool=POOL)
            (folder / f"{name}.yaml").write_text(text)
        api = environment["PREFECT_API_URL"]
        _asked(api, "POST", "/work_pools/", {"name": POOL, "type": "campaign"})
        command = [sys.executable, "-m", "rivya_flows.cli.main", "deploy", "--yes"]
        command += [f"{name}.yaml" for name in names.values()]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=sys.stderr)
        # It would sweep in between.
        waker = _asked(api, "GET", "/deployments/name/rivya-flows-waker/maintenance")["id"]
        _asked(api, "PATCH", f"/deployments/{waker}", {"paused": True})
        stack.enter_context(worker(folder, environment))
        found = {}
        for place, name in enumerate(names.values()):
            executed = place * (runs + 1) + 1
            execute(api, name, "the first")
            before = taken(server, executed)
            for number in range(runs):
                execute(api, name, f"number {number}")
            # Asked here: the deployment, the new run, and its state.
            asked = Counter(
                {
                    f"GET /deployments/name/{name}/traffic": runs,
                    "POST /deployments/{id}/create_flow_run": runs,
                    "GET /flow_runs/{id}": runs,
                }
            )
            sent = taken(server, executed + runs) - before
            found[name] = Traffic(sent.requests - asked, sent.events, sent.rows).as_json(runs)
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--items", type=int, action="append", help="pictures of a run")
    parser.add_argument("--runs", type=int, default=3, help="runs that are counted")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    print(json.dumps(measured(options.items or [1, 100], options.runs), indent=2))


if __name__ == "__main__":
    main()
