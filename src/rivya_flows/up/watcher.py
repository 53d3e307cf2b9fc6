"""Restarts the parts of `up` that die: in its own process, which `down` ends first, or in `up --foreground`."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rivya_flows.errors import UsageError
from rivya_flows.processes import registry
from rivya_flows.processes.supervisor import JsonLines, is_json, keep_small
from rivya_flows.up.options import UpStatus, watcher_options
from rivya_flows.up.start import bring_up

LONGEST_PAUSE_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_RECENT_SECONDS = 600.0
_log = logging.getLogger("rivya_flows.watcher")


def pause_before(restarts: list[float], now: float) -> float:
    """Seconds to wait before the next restart: 1, 2, 4 … 60, by those of the last ten minutes."""
    recent = sum(now - one < _RECENT_SECONDS for one in restarts)
    return min(LONGEST_PAUSE_SECONDS, 2.0**recent)


def watch(data: Path, start: Callable[[], UpStatus], tell: Callable[[str], None]) -> None:
    """Restart parts that died, until `down` or another watcher removes this process from the record."""
    begun: list[float] = []
    counts: Counter[str] = Counter()
    expected: set[str] = set()
    while parts := _parts(data):
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


def _parts(data: Path) -> tuple[registry.ManagedProcess, ...]:
    """The recorded parts; none if this process is not the watcher any more."""
    parts = registry.read(data).parts
    mine = any(part.name == "watcher" and part.pid == os.getpid() for part in parts)
    return parts if mine else ()


@contextmanager
def terminable() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    """Watch until SIGTERM."""
    options = watcher_options()
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(message)s")
    handler.setFormatter(JsonLines() if is_json() else plain)
    _log.addHandler(handler)
    _log.propagate = False  # else Prefect's handler, once it is imported, writes each line again
    with terminable(), suppress(KeyboardInterrupt):
        watch(options.data, lambda: bring_up(options, _tell), _tell)


def _tell(line: str) -> None:
    _log.warning("%s", line)


if __name__ == "__main__":
    main()
