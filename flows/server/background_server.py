"""The Prefect server that `up` leaves running: the one of the data folder, with nobody to end it.

It stands where `rivya_flows.flows.server.local_server` looks for a server, so every run of the folder joins it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.app.processes import registry
from rivya_flows.errors import UsageError
from rivya_flows.flows.server.local_api import Loopback
from rivya_flows.flows.server.local_server import LOCK, locked
from rivya_flows.flows.server.password import server_auth
from rivya_flows.flows.server.server_process import NOBODY, started

WAIT_SECONDS = 20.0
_LOOK_SECONDS = 0.2


def launch(
    home: Path,
    port: int,
    environment: Mapping[str, str],
    log: Path,
    *,
    tell: Callable[[str], None],
    wait_seconds: float = WAIT_SECONDS,
) -> subprocess.Popen[bytes]:
    """The process of a server that has just been started; it does not answer yet.

    Args:
        home: ``<data>/prefect``.
        port: Its loopback port.
        environment: All of it, see `rivya_flows.flows.server.environment`.
        log: Where it writes what it has to say.
        tell: Is told what is waited for.
        wait_seconds: How long a run may take that has a server of its own here.

    Raises:
        UsageError: A run that is under way keeps its own server.
        OSError: The folder cannot be used.
    """
    home.mkdir(parents=True, exist_ok=True)
    give_up = time.monotonic() + wait_seconds
    told = False
    while True:
        descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as lock, (home / "start.lock").open("a") as starting:
            if locked(starting, fcntl.LOCK_EX) and locked(lock, fcntl.LOCK_EX):
                lock.truncate()
                return started(home, NOBODY, port, environment, log, lock)
        if time.monotonic() > give_up:
            raise UsageError(
                "a run is under way in this data folder, with a Prefect server of its own",
                "wait until it has ended, then call `up` again",
            )
        if not told:
            tell("waiting for a run that has a Prefect server of its own")
            told = True
        time.sleep(_LOOK_SECONDS)


def followed(home: Path, module: str, *arguments: str) -> list[str]:
    """The command of a module that ends with the server; see `rivya_flows.flows.server.follower`."""
    follower = [sys.executable, "-P", "-m", "rivya_flows.flows.server.follower"]
    return [*follower, str(home / LOCK), module, *arguments]


def in_use(home: Path) -> bool:
    """Whether a run of the command line uses the server of a folder just now."""
    if not (home / "users.lock").exists():
        return False
    with (home / "users.lock").open("a") as users:
        return not locked(users, fcntl.LOCK_EX)


def answering(data: Path) -> Loopback | None:
    """The server that `up` left running in a data folder, if it lives and proves that it is the one.

    None too for one that an older version started, which knows no password.
    """
    part = registry.read(data).part("server")
    if part is None:
        return None
    server = Loopback(urlsplit(part.url).port or 0, server_auth(data / "prefect"))
    return server if server.healthy() else None
