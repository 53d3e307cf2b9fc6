"""From a webhook to the purchase that it allows, on a receiver and a Prefect server of their own."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench.contenders import CONTENDERS, OURS
from benchmarks.bench.measure import spread
from benchmarks.bench.processes import execute
from benchmarks.bench.scenarios import fan_out
from benchmarks.bench.services import clean_environment, end, prefect_server, sandbox

JOBS, LIMIT = 100, 4


def webhooks(folder: Path, timeout: float) -> dict[str, Any]:
    """Buy pictures, few in flight, so that each purchase but the first ones waits for a webhook.

    Args:
        folder: Exists; gets everything that is written.
        timeout: Seconds for the run.

    Returns:
        Milliseconds from the n-th delivery to the purchase that takes its place, and the rest of
        what tells whether webhooks and not polls woke the run.
    """
    scenario = fan_out(JOBS, LIMIT, 1)
    place = folder / "webhooks"
    place.mkdir()
    environment = clean_environment() | dict(CONTENDERS[OURS].environment(scenario, place))
    environment |= {"RIVYA_FLOWS_WEBHOOKS": "true"}
    command = CONTENDERS[OURS].command(scenario, place)
    with (
        sandbox(place / "sandbox", "--allow-local-webhooks") as service,
        prefect_server(place / "prefect", clean_environment()) as prefect,
    ):
        environment |= {**service.environment(), **prefect.environment()}
        with receiver(environment, place):
            done = execute(command, environment, place, out=place / "out.log", timeout=timeout)
    requests = service.requests()
    posts = [one.at for one in requests if one.kind == "submit"]
    delivered = _deliveries(service.folder)
    waits = delays(delivered, posts, LIMIT)
    return {
        "jobs": JOBS,
        "in flight": LIMIT,
        "completed": done.code == 0,
        "deliveries": len(delivered),
        "looks": sum(one.kind == "look" for one in requests),
        "webhook to submit ms": {
            name: round(value * 1e3, 1) for name, value in (spread(waits) or {}).items()
        },
    }


def delays(delivered: Sequence[float], posts: Sequence[float], limit: int) -> list[float]:
    """Seconds from the n-th delivery to the purchase that takes its place.

    Args:
        delivered: When webhooks were taken, in order.
        posts: When purchases came, in order.
        limit: Jobs in flight: so many purchases wait for nothing.
    """
    return [post - at for at, post in zip(delivered, posts[limit:], strict=False)]


def _deliveries(folder: Path) -> list[float]:
    with contextlib.closing(sqlite3.connect(folder / "sandbox.sqlite")) as state:
        rows = state.execute(
            "SELECT delivered_at FROM webhook_deliveries WHERE status = 'succeeded' ORDER BY 1"
        )
        return [float(at) for (at,) in rows]


@contextlib.contextmanager
def receiver(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """A receiver that is registered with the sandbox."""
    command = [sys.executable, "-m", "rivya_flows.cli.main", "webhooks", "listen", "--json"]
    with (folder / "receiver.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", "0", "--register"],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        yield
    finally:
        end(process)
