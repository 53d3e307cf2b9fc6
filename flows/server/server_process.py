"""The child that `rivya_flows.flows.server.local_server` and `rivya_flows.flows.server.background_server` start: a Prefect server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from rivya_flows.app.processes.last_user import watch
from rivya_flows.flows.server.password import new_auth
from rivya_flows.private import UMASK

NOBODY = "-"
"""In the place of the lock file of the users: the server stays without any."""


def started(
    home: Path, users: str, port: int, environment: Mapping[str, str], log: Path, lock: IO[bytes]
) -> subprocess.Popen[bytes]:
    """A server that has just been started, as the owner of `lock`; see `main`.

    Args:
        home: Prefect's home of the server.
        users: The lock file of its users, or `NOBODY`.
        port: Its loopback port.
        environment: All of it, see `rivya_flows.flows.server.environment`.
        log: Where it writes what it has to say.
        lock: The locked lock file; it stays locked as long as the server lives.
    """
    # -P: import no modules from the current folder, which is Prefect's home.
    command = [
        sys.executable,
        "-P",
        "-m",
        "rivya_flows.flows.server.server_process",
        users,
        str(port),
    ]
    with log.open("wb") as out:
        return subprocess.Popen(
            [*command, str(lock.fileno())],
            cwd=home,  # Prefect reads .env and prefect.toml of the current folder
            env=dict(environment),
            umask=UMASK,  # its database holds what runs were given
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C is for the command, which ends the server when it may
        )


def main() -> None:
    """Serves on a loopback port until the last user is gone.

    Arguments of the command: the lock file of the users, or `NOBODY`; the port;
    and the descriptor of the server's own lock file, locked by the parent for this process.
    """
    users, port, lock = sys.argv[1:]
    # Ahead of the port, so that whoever finds a server finds its password.
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = new_auth(Path(os.environ["PREFECT_HOME"]))
    os.pwrite(int(lock), port.encode(), 0)
    if users != NOBODY:
        watch(Path(users))
    serve(int(port))


def serve(port: int) -> None:
    """Serves Prefect's API and UI behind the `Guard`, as `prefect server start` serves them."""
    # Here and not above: the lock file tells the port while Prefect is being imported.
    import uvicorn
    from prefect.settings import get_current_settings

    from rivya_flows.flows.prefect_internals import api_app
    from rivya_flows.flows.server.guard import Guard

    settings = get_current_settings().server
    auth = settings.api.auth_string
    assert auth is not None  # `main` sets it
    uvicorn.run(
        Guard(api_app(), port, auth.get_secret_value()),
        host="127.0.0.1",
        port=port,
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
        server_header=False,
    )


if __name__ == "__main__":
    main()
