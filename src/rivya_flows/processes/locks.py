"""File locks by which processes share a server, which ends some time after its last user.

Each user holds a shared lock on one file. The kernel drops a lock when its process ends, however
it ends, so the server only has to test for an exclusive lock. The file holds how many seconds the
server waits for the next user, as its last user wanted; an empty one means none. Imports the
standard library alone.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import IO, Any

LOOK_SECONDS = 0.5
GRACE_SECONDS = 8.0


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


def _idle_seconds(file: IO[Any]) -> float:
    try:
        return float(os.pread(file.fileno(), 32, 0) or 0)
    except ValueError:
        return 0.0


def end_with_last_user(users: Path) -> None:
    """End this process group once no process has held a lock on `users` for as long as it says.

    Blocks until then. Also ends without users once the file is gone: nobody can join any more.
    """
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
        # The lock is kept to the end: a new user waits for this server's exit and then starts
        # its own, and does not join a server that is shutting down.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os.killpg(os.getpgid(0), signal.SIGKILL)


def _is_at(file: IO[Any], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
