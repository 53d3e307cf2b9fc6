"""The child that `flows.local_server` starts: a Prefect server that ends with its last user.

Every user of the server holds a shared lock on one file. The kernel drops a lock when its process
ends, however it ends, so this process only has to ask whether it can have the file alone: then
nobody uses the server any more. Runs as a script and before Prefect is imported, so it uses the
standard library alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import runpy
import signal
import sys
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
        time.sleep(GRACE_SECONDS)  # an open page in a browser can hold uvicorn for ever
        os.killpg(os.getpgid(0), signal.SIGKILL)


def main() -> None:
    """Serves on a loopback port until the last user is gone.

    Arguments of the command: the lock file of the users, the port, and the descriptor of the
    server's own lock file, locked by the parent for this process.
    """
    users, port, lock = sys.argv[1:]
    os.pwrite(int(lock), json.dumps({"pid": os.getpid(), "port": int(port)}).encode(), 0)
    threading.Thread(target=end_with_last_user, args=(Path(users),), daemon=True).start()
    sys.argv = ["prefect", "--no-prompt", "server", "start", "--host", "127.0.0.1", "--port", port]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main()
