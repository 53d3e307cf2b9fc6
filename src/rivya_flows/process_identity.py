"""Which process it is, also after its number is reused."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine or container; `birth` is in seconds, with two digits."""

    pid: int
    birth: str


def known(pid: int) -> ProcessIdentity | None:
    """The living process of this pid; None if there is none, or it is a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        # Since the start of the machine: a time of day would change when the clock is set.
        birth = process.create_time() - (psutil.boot_time() if psutil.LINUX else 0)
    except psutil.Error:
        return None
    return ProcessIdentity(pid, f"{birth:.2f}")


def lives(process: ProcessIdentity) -> bool:
    """Whether this very process still runs."""
    return known(process.pid) == process
