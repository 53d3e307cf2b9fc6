"""Ends what `up` left running, in an order that loses nothing, and puts back the runs of a dead worker."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rivya_flows.errors import UsageError
from rivya_flows.flows.server.local_server import end_idle, kept_from_runs
from rivya_flows.processes import registry, supervisor
from rivya_flows.processes.local_api import UNANSWERED, Loopback, left_running
from rivya_flows.processes.registry import ManagedProcess

GRACE_SECONDS = {"watcher": 60.0, "worker": 30.0, "receiver": 8.0, "server": 12.0, "sandbox": 10.0}
"""In the order of their ends: what would restart them; runs, while the server hears them; what they buy from."""

_ORDER = tuple(GRACE_SECONDS)
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"  # in the environment of each flow run


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
        ended: dict[str, None] = {}
        watcher = left.part("watcher")
        if watcher is not None and watcher.pid != os.getpid():
            tell("ending watcher")  # before the lock, which it holds while it restarts something
            supervisor.ask_to_end([watcher.process], grace_seconds=GRACE_SECONDS["watcher"])
            ended["watcher"] = None
        with registry.lock_registry(data):
            ended |= dict.fromkeys(end_parts(data, registry.read(data).parts, tell))
    return [*ended]


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
            if part.name == "server" and (server := left_running(data)):
                with contextlib.suppress(*UNANSWERED):  # the rows of ended runs
                    server.settle(datetime.now(UTC) - timedelta(hours=1))
            if part.name == "worker" and (requeued := _end_runs(data, part)):
                runs = "run continues" if requeued == 1 else "runs continue"
                tell(f"{requeued} {runs} with the next `up`")
            grace = GRACE_SECONDS[part.name]
            if supervisor.end(part.process, part.mark, grace_seconds=grace) or lived:
                ended.append(part.name)
        registry.write(data, registry.read(data).without(part.name))
    return ended


def _end_runs(data: Path, worker: ManagedProcess) -> int:
    """End the runs of a worker, so that it does not kill them, then the worker; returns how many continue."""
    executing = {
        process: environment[_FLOW_RUN]
        for process, environment in supervisor.find_marked(worker.mark).items()
        if _FLOW_RUN in environment and process != worker.process
    }
    grace = GRACE_SECONDS["worker"]
    supervisor.ask_to_end(executing, grace_seconds=grace)
    supervisor.end(worker.process, worker.mark, grace_seconds=grace)
    server = left_running(data)
    return requeue(server, {*executing.values()}, "ended by `rivya-flows down`") if server else 0


def requeue(server: Loopback, flow_run_ids: Iterable[str], why: str) -> int:
    """Reschedule those of these runs that have not ended, or cancel them where a person wanted that."""
    message = f"{why}; it continues from its journal"
    continues = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": message}
    next_state = dict.fromkeys(("RUNNING", "PENDING", "CRASHED"), continues)
    next_state["CANCELLING"] = {"type": "CANCELLED", "message": why}
    requeued = 0
    for flow_run_id in flow_run_ids:
        with contextlib.suppress(*UNANSWERED):
            path = f"/api/flow_runs/{flow_run_id}"
            state = next_state.get(server.ask("GET", path)["state"]["type"])
            if state is not None:
                server.ask("POST", f"{path}/set_state", {"state": state, "force": True})
            requeued += state is continues
    return requeued


def requeue_unfinished(server: Loopback, pool: str, tag: str) -> int:
    """As `requeue`, for all that a dead worker left: automations of a new server would wait 15 minutes."""
    wanted = {
        "flow_runs": {
            "tags": {"all_": [tag]},
            "state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}},
        },
        "work_pools": {"name": {"any_": [pool]}},
    }
    found: list[str] = []
    with contextlib.suppress(*UNANSWERED):
        path = "/api/flow_runs/filter"
        while page := server.ask("POST", path, wanted | {"offset": len(found)}):
            found += [one["id"] for one in page]
    return requeue(server, found, "its worker ended")
