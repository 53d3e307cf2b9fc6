"""Runs the worker or the receiver of `up`, and ends it with the Prefect server.

After a server died, another user's program may take its port and would be asked for work; a
worker runs what it is given. So nothing that speaks to the port outlives the server. The watcher
starts all of them again, and the runs continue.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import signal
import sys
import threading
from pathlib import Path

from rivya_flows.app.processes.supervisor import MARK, kill
from rivya_flows.environment import variables


def followed(lock: Path, *command: str) -> tuple[str, ...]:
    """The command that runs another command until no server holds the lock."""
    return ("rivya_flows.flows.server.follower", str(lock), *command)


def main() -> None:
    """Run a module until it ends, or until no server holds the lock.

    Arguments of the command: the lock file that the server holds while it lives, the module, and
    the module's arguments.
    """
    _, lock, *sys.argv = sys.argv
    threading.Thread(target=_end_with_server, args=(Path(lock),), daemon=True).start()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_server(lock: Path) -> None:
    with lock.open("rb") as file:
        # The kernel drops the server's lock when its process ends. No other server can start
        # while this process holds it.
        fcntl.flock(file, fcntl.LOCK_SH)
        # Killed and not asked: while it ends, a run would still speak to the port.
        kill(variables()[MARK])
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
