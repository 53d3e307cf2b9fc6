"""Child process of `up` that runs its worker or receiver, and ends it with the Prefect server.

After a server died, another user's program may take its port and would be asked for work; a
worker runs what it is given. So nothing that speaks to the port outlives the server. The next
`up` starts all of them again, and the runs continue.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
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
    lock, *module = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        # The whole group gets them: the module ends by itself, and this process with it.
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen([sys.executable, "-P", "-m", *module])
    alone = threading.Event()

    def leave_with_child() -> None:
        code = child.wait()
        if not alone.is_set():
            os._exit(code if code >= 0 else 128 - code)

    threading.Thread(target=leave_with_child, daemon=True).start()
    with Path(lock).open("rb") as file:
        # The kernel drops the server's lock when its process ends. No other server can start
        # while this process holds it.
        fcntl.flock(file, fcntl.LOCK_SH)
        alone.set()
        # Killed and not asked: while it ends, a run would still speak to the port.
        child.kill()
        kill(variables()[MARK])


if __name__ == "__main__":
    main()
