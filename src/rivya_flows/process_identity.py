"""Which process it is, also after its number is reused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine or container; `birth` is when it started, to be compared only."""

    pid: int
    birth: str


def known(pid: int) -> ProcessIdentity | None:
    """The living process of this pid; None if there is none, or it is a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if psutil.LINUX:
            # Ticks since the start of the machine, field 22 of proc(5): `create_time` adds a time of
            # day, which changes when the clock is set.
            birth = (
                Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
            )
        else:
            birth = f"{process.create_time():.2f}"
    except (psutil.Error, OSError):
        return None
    return ProcessIdentity(pid, birth)


def lives(process: ProcessIdentity) -> bool:
    """Whether this very process still runs."""
    return known(process.pid) == process
