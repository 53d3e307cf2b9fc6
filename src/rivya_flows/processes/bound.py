"""Runs a module in a process that ends with others: a sandbox with its last user, the worker and the receiver of
`up` with the Prefect server.

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

from rivya_flows.environment import variables
from rivya_flows.processes.locks import end_with_last_user
from rivya_flows.processes.supervisor import MARK, kill

_KILL_SECONDS = 10  # for the other processes of `up`


def with_users(users: Path, *command: str) -> tuple[str, ...]:
    """The command that runs another command until nobody has held the lock for a while, see `locks`."""
    return (__name__, "users", str(users), *command)


def with_server(lock: Path, *command: str) -> tuple[str, ...]:
    """The command that runs another command until no server holds the lock."""
    return (__name__, "server", str(lock), *command)


def _end_with_server(lock: Path) -> None:
    with lock.open("rb") as file:
        # The kernel drops the server's lock when its process ends. No other server can start
        # while this process holds it.
        fcntl.flock(file, fcntl.LOCK_SH)
        # Killed and not asked, this process first: while it ends, it would still speak to the port.
        if os.fork():
            os.kill(os.getpid(), signal.SIGKILL)
        signal.alarm(_KILL_SECONDS)
        kill(variables()[MARK])
        os._exit(0)


_ENDS = {"users": end_with_last_user, "server": _end_with_server}


def main() -> None:
    """Run a module. Arguments of the command: what ends it, the lock file, the module, and its arguments."""
    _, end, lock, *sys.argv = sys.argv
    threading.Thread(target=_ENDS[end], args=(Path(lock),), daemon=True).start()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
