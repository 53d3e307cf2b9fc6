"""A server that several processes share ends itself when the last of them is gone.

Every user holds a shared lock on one file. The kernel drops a lock when its process ends, however
it ends, so the server only has to ask whether it can have the file alone. Standard library alone.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from pathlib import Path

LOOK_SECONDS = 0.5
GRACE_SECONDS = 8.0


def end_with_last_user(users: Path) -> None:
    """Ends this process group once no process holds a lock on `users`; blocks until then."""
    with users.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(LOOK_SECONDS)
        # The lock is kept to the end, so a newcomer waits for this server's death and then
        # starts its own instead of joining one that is about to leave.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os.killpg(os.getpgid(0), signal.SIGKILL)


def watch(users: Path) -> None:
    """`end_with_last_user` beside the server's own work."""
    threading.Thread(target=end_with_last_user, args=(users,), daemon=True).start()
