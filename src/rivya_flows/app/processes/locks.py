"""File locks by which processes share a server, which ends after its last user.

Each user holds a shared lock on one file. The kernel drops a lock when its process ends, however
it ends, so the server only has to test for an exclusive lock. Imports the standard library alone.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
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


def end_with_last_user(users: Path) -> None:
    """End this process group once no process holds a lock on `users`; blocks until then."""
    with users.open("a") as file:
        while not try_lock(file):
            time.sleep(LOOK_SECONDS)
        # The lock is kept to the end: a new user waits for this server's exit and then starts
        # its own, and does not join a server that is shutting down.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os.killpg(os.getpgid(0), signal.SIGKILL)


def watch(users: Path) -> None:
    """Run `end_with_last_user` in a background thread."""
    threading.Thread(target=end_with_last_user, args=(users,), daemon=True).start()
