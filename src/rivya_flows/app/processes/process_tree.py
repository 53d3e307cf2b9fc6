"""Processes that outlive the one that started them: find them again, end them with their children."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "RIVYA_FLOWS_MARK"
"""Variable in the environment of a process and of everything that it starts."""

_LOOK_SECONDS = 0.1
_BEGINS_SECONDS = 1.0
_KILLED_SECONDS = 5.0


@dataclass(frozen=True)
class ProcessIdentity:
    """Identifies a process, also after its pid is reused.

    Attributes:
        pid: Its number, which the system may reuse.
    """

    pid: int
    birth: str


def known(pid: int) -> ProcessIdentity | None:
    """The living process of this pid; None if there is none, or it is a zombie."""
    birth = _birth(pid)
    return None if birth is None else ProcessIdentity(pid, birth)


def lives(process: ProcessIdentity) -> bool:
    """Whether this very process still runs."""
    return _birth(process.pid) == process.birth


def marked(mark: str) -> list[ProcessIdentity]:
    """Every other living process of this user with this mark."""
    return list(environments(mark))


def environments(mark: str) -> dict[ProcessIdentity, dict[str, str]]:
    """The same processes, each with its environment."""
    found = {}
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = environment_of(one) if one.pid != os.getpid() else {}
            if environment.get(MARK) == mark:
                process = known(one.pid)
                if process is not None:
                    found[process] = environment
    return found


def environment_of(process: psutil.Process) -> dict[str, str]:
    """The environment that a process was started with; waits for that of a new process.

    Linux shows none until the stack of a new program is laid out, which is after its parent knows
    that it was started (`environ_read` in fs/proc/base.c). A kernel thread has none either, but
    it has no executable.

    Raises:
        psutil.Error: The process is gone, or another user's.
    """

    def begins() -> bool:
        return not process.environ() and bool(process.exe()) and not process.cmdline()

    wait_until(lambda: not begins(), _BEGINS_SECONDS)
    return process.environ()


def ask_to_end(asked: Collection[ProcessIdentity], *, grace_seconds: float) -> None:
    """Send SIGTERM, and wait up to `grace_seconds` until all are gone."""
    for process in asked:
        _signal(process, signal.SIGTERM)
    wait_until(lambda: not any(map(lives, asked)), grace_seconds)


def end(leader: ProcessIdentity, mark: str, *, grace_seconds: float) -> bool:
    """End a process, its group, and every process with its mark; returns whether any was alive.

    The leader gets SIGTERM first, so that it can end its children by itself; then the remaining
    processes with its mark. What still lives after that gets SIGKILL.
    """
    found = lives(leader)
    if found:
        _signal_group(leader, signal.SIGTERM)
        wait_until(lambda: not lives(leader), grace_seconds)
    rest = marked(mark)
    for process in rest:
        if process != leader:
            _signal(process, signal.SIGTERM)
    wait_until(lambda: not any(map(lives, rest)), grace_seconds if len(rest) > 1 else 0)
    if lives(leader):
        _signal_group(leader, signal.SIGKILL)
    # Looked up again: a process may have started another one before it ended.
    killed = [*marked(mark), *rest]
    for process in killed:
        _signal(process, signal.SIGKILL)
    wait_until(lambda: not any(map(lives, [leader, *killed])), _KILLED_SECONDS)
    return found or bool(rest)


def kill(mark: str) -> None:
    """Kill every other process with this mark; does not wait for their ends."""
    for process in marked(mark):
        _signal(process, signal.SIGKILL)


def _birth(pid: int) -> str | None:
    """Source: proc(5), fields 3 and 22 of ``/proc/PID/stat``.

    Ticks since the machine booted: a time of day would change when the clock is set.
    """
    try:
        words = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if words[0] in "ZX" else words[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except OSError:
        return None
    try:  # a system without /proc
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return None


def _signal(process: ProcessIdentity, number: signal.Signals) -> None:
    if lives(process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def _signal_group(leader: ProcessIdentity, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(leader.pid) == leader.pid:
            os.killpg(leader.pid, number)
        else:
            os.kill(leader.pid, number)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition becomes true in time; it is evaluated at least once."""
    deadline = time.monotonic() + seconds
    while not (is_true := condition()) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return is_true
