"""Ends what `up` left running, in an order that loses nothing."""

from __future__ import annotations

import contextlib
import http.client
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rivya_flows.errors import UsageError
from rivya_flows.flows.server.local_api import left_running
from rivya_flows.flows.server.server_process import end_idle, kept_from_runs
from rivya_flows.processes import registry, supervisor
from rivya_flows.processes.registry import ManagedProcess

GRACE_SECONDS = {"watcher": 60.0, "worker": 30.0, "receiver": 8.0, "server": 12.0, "sandbox": 10.0}
"""In the order of their ends: first what would restart them; then runs, while they can still report to the server; the sandbox
last, because they buy from it."""

_ORDER = tuple(GRACE_SECONDS)
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"  # in the environment of each flow run
_CONTINUES = {
    "type": "SCHEDULED",
    "name": "AwaitingRetry",
    "message": "ended by `rivya-flows down`; it continues from its journal",
}
# The state of a run whose process was ended -> its new state.
_INSTEAD = {
    "RUNNING": _CONTINUES,
    "PENDING": _CONTINUES,
    "CRASHED": _CONTINUES,
    "CANCELLING": {"type": "CANCELLED", "message": "ended by `rivya-flows down`"},
}
_UNANSWERED = (OSError, http.client.HTTPException, ValueError)


def take_down(data: Path, *, force: bool, tell: Callable[[str], None]) -> list[str]:
    """End all parts of a data folder; returns the names of those that were alive."""
    left = registry.read(data)
    if not left.parts:
        # That of a run, which waits for the next one.
        return ["server"] if end_idle(data / "prefect") else []
    guards = left.part("server") and not force
    # A run that begins now waits for the server's end, and then starts its own.
    with kept_from_runs(data / "prefect") if guards else contextlib.nullcontext(True) as is_free:
        if not is_free:
            raise UsageError(
                "a run of the command line uses the Prefect server",
                "wait until it ends, or stop it too with --force",
            )
        watcher = left.part("watcher")
        if watcher is not None and watcher.pid != os.getpid():
            tell("ending watcher")  # before the lock, which it holds while it restarts something
            supervisor.ask_to_end([watcher.process], grace_seconds=GRACE_SECONDS["watcher"])
        with registry.guarded(data):
            ended = end_parts(data, registry.read(data).parts, tell)
    begun = ["watcher"] if watcher is not None and watcher.pid != os.getpid() else []
    return [*(name for name in begun if name not in ended), *ended]


def end_parts(
    data: Path, parts: Sequence[ManagedProcess], tell: Callable[[str], None]
) -> list[str]:
    """End these parts and remove them from the record; the caller holds `registry.guarded`."""
    ended = []
    for part in sorted(parts, key=lambda part: _ORDER.index(part.name)):
        lived = part.lives
        if part.pid != os.getpid():  # as of `up --foreground`
            if lived:
                tell(f"ending {part.name}")
            if part.name == "server":
                _settle(data)
            if part.name == "worker" and (requeued := _end_runs(data, part)):
                runs = "run continues" if requeued == 1 else "runs continue"
                tell(f"{requeued} {runs} with the next `up`")
            grace = GRACE_SECONDS[part.name]
            if supervisor.end(part.process, part.mark, grace_seconds=grace) or lived:
                ended.append(part.name)
        registry.write(data, registry.read(data).without(part.name))
    return ended


def _end_runs(data: Path, worker: ManagedProcess) -> int:
    """End the runs of a worker's processes before the worker, which would kill them.

    Each writes its end into its journal and is rescheduled: the next worker continues it.

    Returns:
        How many were rescheduled.
    """
    executing = {
        process: environment[_FLOW_RUN]
        for process, environment in supervisor.marked(worker.mark).items()
        if _FLOW_RUN in environment and process != worker.process
    }
    grace = GRACE_SECONDS["worker"]
    supervisor.ask_to_end(executing, grace_seconds=grace)
    supervisor.end(worker.process, worker.mark, grace_seconds=grace)
    return _requeue(data, sorted(set(executing.values())))


def _requeue(data: Path, flow_run_ids: Iterable[str]) -> int:
    """Reschedule those of these runs that have not ended; returns their number."""
    server, requeued = left_running(data), 0
    if server is None:
        return 0
    for flow_run_id in flow_run_ids:
        with contextlib.suppress(*_UNANSWERED):
            path = f"/api/flow_runs/{flow_run_id}"
            state = _INSTEAD.get(server.ask("GET", path)["state"]["type"])
            if state is not None:
                server.ask("POST", f"{path}/set_state", {"state": state, "force": True})
            requeued += state is _CONTINUES
    return requeued


def _settle(data: Path) -> None:
    """Wait until the rows of ended runs are written, if the server answers."""
    if server := left_running(data):
        with contextlib.suppress(*_UNANSWERED):
            server.settle(datetime.now(UTC) - timedelta(hours=1))
