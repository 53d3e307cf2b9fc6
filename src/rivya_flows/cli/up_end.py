"""Ends what `up` left running, in the order in which nothing is lost."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rivya_flows.app.processes import process_tree, registry
from rivya_flows.app.processes.registry import ManagedProcess
from rivya_flows.errors import UsageError
from rivya_flows.flows.server import background_server
from rivya_flows.flows.server.local_api import Loopback

ORDER = ("worker", "receiver", "server", "sandbox")
"""Runs first, while they can still tell the server; the sandbox last, which they buy from."""

_GRACE_SECONDS = {"worker": 30.0, "receiver": 8.0, "server": 12.0, "sandbox": 10.0}
_SETTLE_SECONDS = 10.0
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"
_AGAIN = {
    "type": "SCHEDULED",
    "name": "AwaitingRetry",
    "message": "ended by `rivya-flows down`; it goes on from its journal",
}
# The states of a run whose process was ended, and what they become.
_INSTEAD = {
    "RUNNING": _AGAIN,
    "PENDING": _AGAIN,
    "CRASHED": _AGAIN,
    "CANCELLING": {"type": "CANCELLED", "message": "ended by `rivya-flows down`"},
}
# The recorder writes once a second: what has not changed for longer than that is complete.
_QUIET_SECONDS = 1.5
_LOOK_SECONDS = 0.2


def take_down(data: Path, *, force: bool, tell: Callable[[str], None]) -> list[str]:
    """Ends all parts of a data folder; gives the names of those that lived.

    Args:
        data: The data folder.
        force: Also while a run of the command line uses the server.
        tell: Is told what is being ended.

    Raises:
        UsageError: A run uses the server, or another `up` or `down` is at work.
    """
    if not registry.read(data).parts:
        return []
    with registry.guarded(data):
        left = registry.read(data)
        if left.part("server") and not force and background_server.in_use(data / "prefect"):
            raise UsageError(
                "a run of the command line uses the Prefect server",
                "wait until it has ended, or end it too with --force",
            )
        return end_parts(data, left.parts, tell)


def end_parts(
    data: Path, parts: Sequence[ManagedProcess], tell: Callable[[str], None]
) -> list[str]:
    """Ends these parts and takes each out of the record; whoever calls has the right to."""
    ended = []
    for part in sorted(parts, key=lambda part: ORDER.index(part.name)):
        if part.lives:
            tell(f"ending {part.name}")
        if part.name == "server" and (server := background_server.answering(data)):
            _settle(server)
        lived = part.lives
        if part.name == "worker":
            again = _end_runs(part, background_server.answering(data))
            if again:
                tell(f"{again} {'run goes' if again == 1 else 'runs go'} on with the next `up`")
        if (
            process_tree.end(part.process, part.mark, grace_seconds=_GRACE_SECONDS[part.name])
            or lived
        ):
            ended.append(part.name)
        registry.write(data, registry.read(data).without(part.name))
    return ended


def _end_runs(worker: ManagedProcess, server: Loopback | None) -> int:
    """Ends the runs that a worker's processes execute, ahead of the worker, which would kill them.

    Each writes its end into its journal, and is scheduled anew: the next worker goes on with it.

    Returns:
        How many were scheduled anew.
    """
    executing = {
        process: environment[_FLOW_RUN]
        for process, environment in process_tree.environments(worker.mark).items()
        if _FLOW_RUN in environment and process != worker.process
    }
    process_tree.ask_to_end(executing, grace_seconds=_GRACE_SECONDS["worker"])
    process_tree.end(worker.process, worker.mark, grace_seconds=_GRACE_SECONDS["worker"])
    again = 0
    if server is not None:
        for flow_run_id in sorted(set(executing.values())):
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                again += _schedule_anew(server, flow_run_id)
    return again


def _schedule_anew(server: Loopback, flow_run_id: str) -> bool:
    """Lets a run that did not end by itself go on with the next worker; whether it will."""
    path = f"/api/flow_runs/{flow_run_id}"
    kind = server.ask("GET", path)["state"]["type"]
    state = _INSTEAD.get(kind)
    if state is not None:
        server.ask("POST", f"{path}/set_state", {"state": state, "force": True})
    return state is _AGAIN


def _settle(server: Loopback) -> None:
    """Waits until the rows of what has ended are written: a server that is stopped loses them."""
    recent = datetime.now(UTC) - timedelta(hours=1)
    give_up = time.monotonic() + _SETTLE_SECONDS
    seen, since = None, time.monotonic()
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        while time.monotonic() < give_up and time.monotonic() - since < _QUIET_SECONDS:
            now = server.task_runs_since(recent)
            if now != seen:
                seen, since = now, time.monotonic()
            time.sleep(_LOOK_SECONDS)
