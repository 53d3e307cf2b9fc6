"""Which process it is, also after its number is reused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine or container.

    Attributes:
        birth: When it started, to be compared only; "" if it cannot be known.
    """

    pid: int
    birth: str


def find_process(pid: int) -> ProcessIdentity | None:
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
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None
    except (psutil.Error, OSError):  # such as no file that may be opened: it lives, for all we know
        birth = ""
    return ProcessIdentity(pid, birth)


def lives(process: ProcessIdentity) -> bool:
    """Whether this very process still runs, for certain."""
    return process.birth != "" and find_process(process.pid) == process
