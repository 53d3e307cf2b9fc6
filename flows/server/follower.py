"""The child that `up` starts for its worker and its receiver: it ends them with the Prefect server.

Whoever takes the port of a server that has died would be asked for work in its place, and a worker
runs what it is given. So nothing that speaks to the port outlives the server; the next `up` starts
all of them again, and the runs go on.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from rivya_flows.app.processes.process_tree import MARK, kill


def main() -> None:
    """Runs a module until it ends, or until no server holds the lock any more.

    Arguments of the command: the lock file that the server holds as long as it lives; the module;
    and the arguments of that.
    """
    lock, *module = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        # They go to the whole group: the module ends in its own way, and this with it.
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen([sys.executable, "-P", "-m", *module])
    alone = threading.Event()

    def leave_with_child() -> None:
        code = child.wait()
        if not alone.is_set():
            os._exit(code if code >= 0 else 128 - code)

    threading.Thread(target=leave_with_child, daemon=True).start()
    with Path(lock).open("rb") as file:
        # The kernel drops the server's lock when its process ends. No other server begins while
        # this one is held.
        fcntl.flock(file, fcntl.LOCK_SH)
        alone.set()
        # Killed and not asked: on its way out a run would still speak to the port.
        child.kill()
        kill(os.environ[MARK])


if __name__ == "__main__":
    main()
