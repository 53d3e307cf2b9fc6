"""Restarts the parts of `up` that died, and ends what it left running, in an order that loses nothing."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rivya_flows.app.processes import registry, supervisor
from rivya_flows.app.processes.registry import ManagedProcess
from rivya_flows.app.processes.supervisor import keep_small
from rivya_flows.app.up.options import PrefectBackend, UpStatus
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
    supervisor.ask_to_end(
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
        if supervisor.end(part.process, part.mark, grace_seconds=grace) or lived:
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
        for process, environment in supervisor.marked(worker.mark).items()
        if _FLOW_RUN in environment and process != worker.process
    }
    grace = GRACE_SECONDS["worker"]
    supervisor.ask_to_end(executing, grace_seconds=grace)
    supervisor.end(worker.process, worker.mark, grace_seconds=grace)
    return prefect.requeue(sorted(set(executing.values())))


LONGEST_PAUSE_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_RECENT_SECONDS = 600.0


def pause_before(restarts: list[float], now: float) -> float:
    """Seconds to wait before the next restart: 1, 2, 4 … 60, by those of the last ten minutes."""
    recent = sum(now - one < _RECENT_SECONDS for one in restarts)
    return min(LONGEST_PAUSE_SECONDS, 2.0**recent)


def watch(data: Path, pid: int, start: Callable[[], UpStatus], tell: Callable[[str], None]) -> None:
    """Restart parts that died, until `down` or another watcher removes this one from the record."""
    begun: list[float] = []
    counts: Counter[str] = Counter()
    expected: set[str] = set()
    while parts := _parts(data, pid):
        # Not only what the record names: a restart that failed leaves nothing of it there.
        expected.update(part.name for part in parts)
        if not (missing := sorted(expected - {part.name for part in parts if part.lives})):
            for part in parts:
                if part.log:
                    keep_small(Path(part.log))
            time.sleep(_LOOK_SECONDS)
            continue
        pause = pause_before(begun, time.monotonic())
        tell(f"{', '.join(missing)} died; restarting in {pause:g} s")
        time.sleep(pause)
        begun.append(time.monotonic())
        try:
            status = start()
        except Exception as error:  # any: the server may die again while Prefect's client asks it
            hint = f"; {error.hint}" if isinstance(error, UsageError) else ""
            tell(f"not restarted: {str(error) or type(error).__name__}{hint}")
            continue
        if status.other_sandbox:
            expected.discard("sandbox")  # a run has started one, and so will the next run
        if status.started:
            counts.update(status.started)
            # Not if the disk is full, or `up` at work.
            with suppress(UsageError, OSError), registry.guarded(data):
                for part in registry.read(data).parts:
                    if part.name in status.started:
                        restarts = {"restarts": counts[part.name]}
                        registry.add(data, part.model_copy(update=restarts))
            tell(f"restarted {', '.join(status.started)}")


def _parts(data: Path, pid: int) -> tuple[registry.ManagedProcess, ...]:
    """The recorded parts; none if this process is not the watcher any more."""
    parts = registry.read(data).parts
    mine = any(part.name == "watcher" and part.pid == pid for part in parts)
    return parts if mine else ()
