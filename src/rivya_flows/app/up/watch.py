"""Restarts the parts of `up` that died, and keeps their logs small."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rivya_flows.app.processes import registry
from rivya_flows.app.processes.part_log import keep_small
from rivya_flows.app.up.status import UpStatus
from rivya_flows.errors import UsageError

LONGEST_PAUSE_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_RECENT_SECONDS = 600.0


def pause_before(restarts: list[float], now: float) -> float:
    """Seconds to wait before the next restart: 1, 2, 4 … 60, by those of the last ten minutes."""
    recent = sum(now - one < _RECENT_SECONDS for one in restarts)
    return min(LONGEST_PAUSE_SECONDS, 2.0**recent)


def watch(data: Path, pid: int, start: Callable[[], UpStatus], tell: Callable[[str], None]) -> None:
    """Restart parts that died, until `down` or another watcher removes this one from the record."""
    restarts: list[float] = []
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
        pause = pause_before(restarts, time.monotonic())
        tell(f"{', '.join(missing)} died; restarting in {pause:g} s")
        time.sleep(pause)
        restarts.append(time.monotonic())
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
            with suppress(UsageError, OSError):  # the disk is full, or `up` at work
                _note(data, {name: counts[name] for name in status.started})
            tell(f"restarted {', '.join(status.started)}")


def _parts(data: Path, pid: int) -> tuple[registry.ManagedProcess, ...]:
    """The recorded parts; none if this process is not the watcher any more."""
    parts = registry.read(data).parts
    mine = any(part.name == "watcher" and part.pid == pid for part in parts)
    return parts if mine else ()


def _note(data: Path, restarts: dict[str, int]) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with registry.guarded(data):
        left = registry.read(data)
        for part in left.parts:
            if count := restarts.get(part.name):
                left = left.with_part(part.model_copy(update={"restarts": count, "restarted": now}))
        registry.write(data, left)
