"""Ends what `up` left running, in an order that loses nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rivya_flows.app.processes import process_tree, registry
from rivya_flows.app.processes.registry import ManagedProcess
from rivya_flows.app.up.backend import PrefectBackend
from rivya_flows.errors import UsageError

GRACE_SECONDS = {"watcher": 60.0, "worker": 30.0, "receiver": 8.0, "server": 12.0, "sandbox": 10.0}
"""In the order of their ends: first what would restart them; then runs, while they can still report to the server; the sandbox
last, because they buy from it."""

_ORDER = tuple(GRACE_SECONDS)
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"  # in the environment of each flow run


def take_down(
    data: Path, prefect: PrefectBackend, *, force: bool, tell: Callable[[str], None]
) -> list[str]:
    """End all parts of a data folder; returns the names of those that were alive."""
    if not registry.read(data).parts:
        # That of a run, which waits for the next one.
        return ["server"] if prefect.end_idle() else []
    left = registry.read(data)
    if left.part("server") and not force and prefect.is_used():
        raise UsageError(
            "a run of the command line uses the Prefect server",
            "wait until it ends, or stop it too with --force",
        )
    watchers = [part for part in (left.part("watcher"),) if part and part.pid != os.getpid()]
    # Before the lock, which it holds while it restarts something.
    for part in watchers:
        tell(f"ending {part.name}")
    process_tree.ask_to_end(
        [part.process for part in watchers], grace_seconds=GRACE_SECONDS["watcher"]
    )
    with registry.guarded(data):
        ended = end_parts(data, registry.read(data).parts, prefect, tell)
    return [*(part.name for part in watchers if part.name not in ended), *ended]


def end_parts(
    data: Path,
    parts: Sequence[ManagedProcess],
    prefect: PrefectBackend,
    tell: Callable[[str], None],
) -> list[str]:
    """End these parts and remove them from the record; the caller holds `registry.guarded`."""
    ended = []
    for part in sorted(parts, key=lambda part: _ORDER.index(part.name)):
        lived = part.lives
        if part.pid == os.getpid():  # `up --foreground`
            registry.write(data, registry.read(data).without(part.name))
            continue
        if lived:
            tell(f"ending {part.name}")
        if part.name == "server":
            prefect.settle()
        if part.name == "worker" and (requeued := _end_runs(part, prefect)):
            tell(
                f"{requeued} {'run continues' if requeued == 1 else 'runs continue'} with the next `up`"
            )
        grace = GRACE_SECONDS[part.name]
        if process_tree.end(part.process, part.mark, grace_seconds=grace) or lived:
            ended.append(part.name)
        registry.write(data, registry.read(data).without(part.name))
    return ended


def _end_runs(worker: ManagedProcess, prefect: PrefectBackend) -> int:
    """End the runs of a worker's processes before the worker, which would kill them.

    Each writes its end into its journal and is rescheduled: the next worker continues it.

    Returns:
        How many were rescheduled.
    """
    executing = {
        process: environment[_FLOW_RUN]
        for process, environment in process_tree.environments(worker.mark).items()
        if _FLOW_RUN in environment and process != worker.process
    }
    grace = GRACE_SECONDS["worker"]
    process_tree.ask_to_end(executing, grace_seconds=grace)
    process_tree.end(worker.process, worker.mark, grace_seconds=grace)
    return prefect.requeue(sorted(set(executing.values())))
