"""Child process of `local_server` and `up`: a Prefect server."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from rivya_flows.app.processes.locks import try_lock, watch
from rivya_flows.app.processes.supervisor import ProcessSpec, StartedProcess, start
from rivya_flows.environment import set_variables, variables
from rivya_flows.flows.server.password import new_auth

LOCK = "server.lock"
"""In Prefect's home: the server holds it while it lives, and writes its port into it."""

USERS = "users.lock"
"""In Prefect's home: each user of the server holds it shared."""

_NO_USERS = "-"
_MODULE = "rivya_flows.flows.server.server_process"


def start_server(
    home: Path,
    port: int,
    environment: Mapping[str, str],
    log: Path,
    *,
    ends_with_users: bool,
) -> StartedProcess | None:
    """Start a server as the owner of `LOCK`; None if another one holds it.

    Args:
        home: Prefect's home of the server, ``<data>/prefect``; it exists.
        port: Its loopback port.
        environment: All of it, see `rivya_flows.flows.server.environment`.
        log: Receives its output.
        ends_with_users: It ends once no process holds `USERS`, else it stays.

    Raises:
        OSError: The folder cannot be used.
    """
    users = str(home / USERS) if ends_with_users else _NO_USERS
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as lock:
        if not try_lock(lock, fcntl.LOCK_EX):
            return None
        lock.truncate()
        spec = ProcessSpec(
            "prefect server",
            (_MODULE, users, str(port), str(descriptor)),
            environment,
            log,
            folder=home,  # Prefect reads .env and prefect.toml of the current folder
            descriptors=(descriptor,),  # it stays locked until the child ends
        )
        return start(spec)


def main() -> None:
    """Serve on a loopback port, if it has users until the last one is gone.

    Arguments of the command: the lock file of the users, or `_NO_USERS`; the port; and the
    descriptor of `LOCK`, which the parent has locked for this process.
    """
    users, port, lock = sys.argv[1:]
    # Before the port, so that whoever finds a server finds its password.
    auth = new_auth(Path(variables()["PREFECT_HOME"]))
    set_variables({"PREFECT_SERVER_API_AUTH_STRING": auth})
    os.pwrite(int(lock), port.encode(), 0)
    if users != _NO_USERS:
        watch(Path(users))
    serve(int(port), auth)


def serve(port: int, auth: str) -> None:
    """Serve Prefect's API and UI behind the `Guard`, as `prefect server start` serves them."""
    # Not at the top: the lock file names the port while Prefect is being imported.
    import uvicorn
    from prefect.settings import get_current_settings

    from rivya_flows.flows.prefect_internals import api_app
    from rivya_flows.flows.server.guard import Guard

    settings = get_current_settings().server
    uvicorn.run(
        Guard(api_app(), port, auth),
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
