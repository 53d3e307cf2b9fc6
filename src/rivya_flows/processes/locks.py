"""File locks by which processes share a server, and processes that end with the last who holds one.

Each user of a server holds a shared lock on one file, which the kernel drops when its process ends, however it
ends. The file says how many seconds the server waits for the next user; an empty one means none.

`python -m` of this module runs another one that ends with others: a server and a sandbox with their last user,
the worker and the receiver of `up` with the Prefect server. After that died, another user's program may take its
port, and a worker runs what it is given there: so nothing that speaks to the port outlives the server.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from rivya_flows.environment import variables
from rivya_flows.processes.supervisor import MARK, kill

LOOK_SECONDS = 0.5
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
    """The command that runs another one until nobody has held the lock for a while."""
    return (__name__, "users", str(users), *command)


def with_server(lock: Path, *command: str) -> tuple[str, ...]:
    """The command that runs another one until no server holds the lock."""
    return (__name__, "server", str(lock), *command)


def _end_with_last_user(users: Path) -> None:
    """End this process group once nobody has held `users` for as long as it says, or it is gone."""
    with users.open("a+b") as file:
        free_since: float | None = None
        while True:
            if not try_lock(file):
                free_since = None
            else:
                now = time.monotonic()
                free_since = now if free_since is None else free_since
                if now - free_since >= _idle_seconds(file) or not _is_at(file, users):
                    break
                fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(LOOK_SECONDS)
        # The lock is kept to the end, so that no new user joins a server that is shutting down.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_SECONDS)
        os.killpg(os.getpgid(0), signal.SIGKILL)


def _idle_seconds(file: IO[Any]) -> float:
    try:
        return float(os.pread(file.fileno(), 32, 0) or 0)
    except ValueError:
        return 0.0


def _is_at(file: IO[Any], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _end_with_server(lock: Path) -> None:
    with lock.open("rb") as file:
        # Free once the server has ended; no other one can start while this process holds it.
        fcntl.flock(file, fcntl.LOCK_SH)
        # Killed and not asked, this process first: while it ends, it would still speak to the port.
        if os.fork():
            os.kill(os.getpid(), signal.SIGKILL)
        signal.alarm(_KILL_SECONDS)
        kill(variables()[MARK])
        os._exit(0)


def main() -> None:
    """Run a module. Arguments of the command: what ends it, the lock file, the module, and its arguments."""
    _, end, lock, *sys.argv = sys.argv
    end_with = {"users": _end_with_last_user, "server": _end_with_server}[end]
    threading.Thread(target=end_with, args=(Path(lock),), daemon=True).start()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
