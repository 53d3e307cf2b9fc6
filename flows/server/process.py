"""The child that `flows.server.local` and `flows.server.kept` start: a Prefect server."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from rivya_flows.runs.last_user import watch


def main() -> None:
    """Serves on a loopback port until the last user is gone.

    Arguments of the command: the lock file of the users, or ``-`` to stay without any; the port;
    and the descriptor of the server's own lock file, locked by the parent for this process.
    """
    users, port, lock = sys.argv[1:]
    os.pwrite(int(lock), port.encode(), 0)
    if users != "-":
        watch(Path(users))
    sys.argv = ["prefect", "--no-prompt", "server", "start", "--host", "127.0.0.1", "--port", port]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main()
