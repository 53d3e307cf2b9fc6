"""Local processes, such as the Prefect server and the worker: start them, find them again, end them.

Processes share a server by file locks: each user of a server holds a shared lock on one file, which the kernel drops
when its process ends, however it ends. The file says how many seconds the server waits for the next user; an empty
one means none.

`python -m` of this module runs another one that ends with others: a server and a sandbox with their last user,
the worker and the receiver of `up` with the Prefect server. After that died, another user's program may take its
port, and a worker runs what it is given there: so nothing that speaks to the port outlives the server.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import psutil

from rivya_flows.environment import LOG_FORM, variables
from rivya_flows.errors import UsageError
from rivya_flows.private import UMASK
from rivya_flows.process_identity import ProcessIdentity, find_process, lives

Output = Literal["log", "pipe", "discard"]
T = TypeVar("T")

READY_SECONDS = 180.0


@dataclass(frozen=True)
class StartedProcess:
    """A child process, the leader of a process group of its own."""

    name: str
    log: Path
    handle: subprocess.Popen[bytes]

    @property
    def exit_code(self) -> int | None:
        return self.handle.poll()

    def first_line(self) -> str:
        """Its first line of output, the only one that is read; "" if it ended without one."""
        assert self.handle.stdout is not None
        with self.handle.stdout as output:
            return output.readline().decode(errors="replace").strip()

    def await_ready(
        self, ready: Callable[[], object], *, timeout_seconds: float = READY_SECONDS
    ) -> None:
        # The exit code first: another program may have taken the port, and would answer.
        in_time = wait_until(lambda: self.exit_code is not None or ready(), timeout_seconds)
        if self.exit_code is not None:
            raise start_error(self.name, f"ended with code {self.exit_code}", self.log)
        if not in_time:
            raise start_error(self.name, f"was not ready within {timeout_seconds:g} s", self.log)


def start(
    name: str,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    log: Path,
    *,
    folder: Path | None = None,
    output: Output = "log",
    descriptors: tuple[int, ...] = (),
) -> StartedProcess:
    """Start a module, with its errors in a new log; output to a ``pipe`` is for `StartedProcess.first_line`."""
    outputs = {"pipe": subprocess.PIPE, "discard": subprocess.DEVNULL}
    log.open("wb").close()
    with log.open("ab") as errors:  # appends: `keep_small` empties it while it runs
        handle = subprocess.Popen(
            # -P: no modules from the current folder, which may be a stranger's.
            [sys.executable, "-P", "-m", *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=outputs.get(output, errors),
            stderr=errors,
            pass_fds=descriptors,
            umask=UMASK,  # its files hold what runs were given
            start_new_session=True,  # Ctrl-C is for the command, which ends the process if it may
        )
    # No other thread may wait for it; and Python warns of a child that it forgets while that lives.
    threading.Thread(target=handle.wait, name=f"end of {name}", daemon=True).start()
    return StartedProcess(name, log, handle)


def last_lines(log: Path, count: int = 12) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").strip().splitlines()[-count:])
    return ""


def start_error(name: str, what: str, log: Path, hint: str = "") -> UsageError:
    """The error of a process that did not start, with the end of its log; `what` is as ``ended with code 1``."""
    lines = last_lines(log)
    end = f"; it last said:\n{lines}" if lines else ""
    return UsageError(f"{name}: {what}{end}", f"read {log}{hint}")


_MOST_BYTES = 10 << 20  # of a log


def former(log: Path) -> Path:
    return log.with_suffix(".1.log")


def keep_small(log: Path, most_bytes: int = _MOST_BYTES) -> None:
    """Move what a log holds to the former one, if it is too large; its process, which must append, writes on."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > most_bytes:
            try:
                shutil.copyfile(log, former(log))
            finally:
                os.truncate(log, 0)


def is_json() -> bool:
    return variables().get(LOG_FORM) == "json"


class JsonLines(logging.Formatter):
    """A record as one line of JSON, with those of the names that Prefect's formatter writes."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "created": record.created,
            "severity": record.levelname,
            "name": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            document["exc_info"] = self.formatException(record.exc_info)
        return json.dumps(document)


MARK = "RIVYA_FLOWS_MARK"  # in the environment of a process and of everything that it starts
_LOOK_SECONDS = 0.1
_BEGINS_SECONDS = 1.0
_KILLED_SECONDS = 5.0


def find_marked(mark: str) -> dict[ProcessIdentity, dict[str, str]]:
    """Every other living process of this user with this mark, and the environment that it was started with."""
    found = {}
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = environment_of(one) if one.pid != os.getpid() else {}
            if environment.get(MARK) == mark and (process := find_process(one.pid)):
                found[process] = environment
    return found


def environment_of(process: psutil.Process) -> dict[str, str]:
    """The environment that a process was started with; waits for that of a new process.

    Linux shows none until the stack of a new program is laid out, which is later than its parent knows of it
    (`environ_read` in fs/proc/base.c). Raises `psutil.Error` for one that is gone, or another user's.
    """

    def begins() -> bool:
        return not process.environ() and bool(process.exe()) and not process.cmdline()

    wait_until(lambda: not begins(), _BEGINS_SECONDS)
    return process.environ()


def ask_to_end(asked: Collection[ProcessIdentity], *, grace_seconds: float) -> None:
    """Send SIGTERM, and wait up to `grace_seconds` until all are gone."""
    _signal(asked, signal.SIGTERM)
    wait_until(lambda: not any(map(lives, asked)), grace_seconds)


def end(leader: ProcessIdentity, mark: str, *, grace_seconds: float) -> bool:
    """End a process, its group, and every process with its mark; returns whether any was alive.

    SIGTERM for the group, so that the leader can end its children; then for those with its mark; then SIGKILL.
    """
    found = lives(leader)
    _signal_group(leader, signal.SIGTERM)
    wait_until(lambda: not lives(leader), grace_seconds)
    rest = find_marked(mark)
    ask_to_end([one for one in rest if one != leader], grace_seconds=grace_seconds)
    _signal_group(leader, signal.SIGKILL)
    # Looked up again: a process may have started another one before it ended.
    killed = [*find_marked(mark), *rest]
    _signal(killed, signal.SIGKILL)
    wait_until(lambda: not any(map(lives, [leader, *killed])), _KILLED_SECONDS)
    return found or bool(rest)


def _signal(processes: Collection[ProcessIdentity], number: signal.Signals) -> None:
    for process in filter(lives, processes):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def _signal_group(leader: ProcessIdentity, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if lives(leader) and os.getpgid(leader.pid) == leader.pid:
            os.killpg(leader.pid, number)
        else:
            _signal([leader], number)


def wait_until(condition: Callable[[], T], seconds: float) -> T:
    """What a condition gives once it is true, or last in this time; it is evaluated at least once."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return found


# --- Processes that end with others ---

USERS_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 8.0
_KILL_SECONDS = 10  # for the other processes of `up`


def try_lock(file: IO[Any] | int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file without waiting; returns whether this process now holds the lock."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def set_idle_seconds(file: IO[Any], seconds: float) -> None:
    """Set how long the server of a file of users, open for reading and writing, waits for the next."""
    os.ftruncate(file.fileno(), 0)
    os.pwrite(file.fileno(), f"{seconds:g}".encode() if seconds else b"", 0)


def with_users(users: Path, *command: str) -> tuple[str, ...]:
    """The command that runs another one until no user has held the lock for a while."""
    return (__name__, "users", str(users), *command)


def with_server(lock: Path, *command: str) -> tuple[str, ...]:
    """The command that runs another one until no server holds the lock."""
    return (__name__, "server", str(lock), *command)


def _end_with_last_user(users: Path) -> None:
    """End this process group once no user has held `users` for as long as it says, or it is gone."""
    with users.open("a+b") as file:
        free_since: float | None = None
        while True:
            if not try_lock(file):
                free_since = None
            else:
                now, idle_seconds, is_there = time.monotonic(), 0.0, False
                free_since = now if free_since is None else free_since
                with contextlib.suppress(ValueError):
                    idle_seconds = float(os.pread(file.fileno(), 32, 0) or 0)
                with contextlib.suppress(OSError):
                    is_there = os.path.samestat(os.fstat(file.fileno()), users.stat())
                if now - free_since >= idle_seconds or not is_there:
                    break
                fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(USERS_LOOK_SECONDS)
        # The lock is kept to the end, so that no new user joins a server that is shutting down.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_SECONDS)
        os.killpg(os.getpgid(0), signal.SIGKILL)


def _end_with_server(lock: Path) -> None:
    with lock.open("rb") as file:
        # Free once the server has ended; no other one can start while this process holds it.
        fcntl.flock(file, fcntl.LOCK_SH)
        # Killed and not asked, this process first: while it ends, it would still speak to the port.
        if os.fork():
            os.kill(os.getpid(), signal.SIGKILL)
        signal.alarm(_KILL_SECONDS)
        _signal(find_marked(variables()[MARK]), signal.SIGKILL)
        os._exit(0)


def main() -> None:
    """Run a module. Arguments of the command: what ends it, the lock file, the module, and its arguments."""
    _, end, lock, *sys.argv = sys.argv
    end_with = {"users": _end_with_last_user, "server": _end_with_server}[end]
    threading.Thread(target=end_with, args=(Path(lock),), daemon=True).start()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
