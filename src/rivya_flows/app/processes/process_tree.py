"""Processes that outlive the one that started them: known again, and ended with all they started."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "RIVYA_FLOWS_MARK"
"""Variable in the environment of a process and of everything that it starts."""

_OF_THE_MACHINE = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
}

_LOOK_SECONDS = 0.05
_BEGINS_SECONDS = 1.0
_KILLED_SECONDS = 5.0


def machine_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What a program needs of its machine and user to run at all, and nothing else of the variables.

    An allow-list, since a key may stand in a variable of any name. Proxies are not in it: their
    addresses may hold passwords, and what is started with it calls this machine alone.
    """
    return {
        name: value
        for name, value in variables.items()
        if name in _OF_THE_MACHINE or name.startswith("LC_")
    }


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that is never taken for another one.

    Attributes:
        pid: Its number, which the system gives anew one day.
        birth: When it began, which no later process of that number has.
    """

    pid: int
    birth: str


def known(pid: int) -> ProcessIdentity | None:
    """The living process of that number; None if there is none, or it only awaits its parent."""
    birth = _birth(pid)
    return None if birth is None else ProcessIdentity(pid, birth)


def lives(process: ProcessIdentity) -> bool:
    """Whether that very process still runs."""
    return _birth(process.pid) == process.birth


def marked(mark: str) -> list[ProcessIdentity]:
    """Every living process of this user with that mark, but not this one."""
    return list(environments(mark))


def environments(mark: str) -> dict[ProcessIdentity, dict[str, str]]:
    """The same with what each was given as its environment."""
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
    """What a process was given as its environment; that of one that begins is waited for.

    Linux shows none from the moment a program is entered until its stack is laid out, which is
    after its parent heard that it was started (`environ_read` in fs/proc/base.c). A thread of the
    kernel has none either, but no executable.

    Raises:
        psutil.Error: The process is gone, or another user's.
    """

    def begins() -> bool:
        return not process.environ() and bool(process.exe()) and not process.cmdline()

    _await(lambda: not begins(), _BEGINS_SECONDS)
    return process.environ()


def ask_to_end(asked: Collection[ProcessIdentity], *, grace_seconds: float) -> None:
    """Sends SIGTERM, and waits until they are gone, as long as is granted."""
    for process in asked:
        _signal(process, signal.SIGTERM)
    _await(lambda: not any(map(lives, asked)), grace_seconds)


def end(leader: ProcessIdentity, mark: str, *, grace_seconds: float) -> bool:
    """Ends a process, its group, and whatever else bears its mark; True if something lived.

    First the leader is asked (SIGTERM), so that it can end what it started in its own way; then
    what is left of its mark; what has not heeded that in time is killed.

    Args:
        leader: The first process of a group of its own.
        mark: Of the leader and of all that it started, also in groups of their own.
        grace_seconds: How long each of the two may take.
    """
    found = lives(leader)
    if found:
        _signal_group(leader, signal.SIGTERM)
        _await(lambda: not lives(leader), grace_seconds)
    rest = marked(mark)
    for process in rest:
        if process != leader:
            _signal(process, signal.SIGTERM)
    _await(lambda: not any(map(lives, rest)), grace_seconds if len(rest) > 1 else 0)
    if lives(leader):
        _signal_group(leader, signal.SIGKILL)
    # Asked again: what was asked to end may have started something in the meantime.
    killed = [*marked(mark), *rest]
    for process in killed:
        _signal(process, signal.SIGKILL)
    _await(lambda: not any(map(lives, [leader, *killed])), _KILLED_SECONDS)
    return found or bool(rest)


def kill(mark: str) -> None:
    """Kills every process of a mark but this one, and does not wait for their ends."""
    for process in marked(mark):
        _signal(process, signal.SIGKILL)


def _birth(pid: int) -> str | None:
    """Source: proc(5), fields 3 and 22 of ``/proc/PID/stat``.

    Ticks since the machine began, since a time of day would change when the clock is set.
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


def _await(over: Callable[[], bool], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not over() and time.monotonic() < give_up:
        time.sleep(_LOOK_SECONDS)


def words_of(log: Path, lines: int = 12) -> str:
    """The last lines of a log; empty where there is none."""
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").strip().splitlines()[-lines:])
    return ""
