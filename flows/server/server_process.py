"""Child process of `local_server` and `up`: a Prefect server."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from rivya_flows.environment import set_variables, variables
from rivya_flows.flows.server.local_api import new_auth
from rivya_flows.processes.bound import with_users
from rivya_flows.processes.locks import LOOK_SECONDS, set_idle_seconds, try_lock
from rivya_flows.processes.supervisor import StartedProcess, is_json, start, wait_until

_OF_PORT = ("PREFECT_SERVER_API_", "PREFECT_UI_URL")
LOCK = "server.lock"
"""In Prefect's home: the server holds it while it lives, and writes its port and kind into it."""

USERS = "users.lock"
"""In Prefect's home: each user of the server holds it shared; see `rivya_flows.processes.locks`."""

END_SECONDS = 20.0

STAYS = "stays"
"""The kind of a server that `up` started: it ignores its users, and every run joins it."""

_SQLITE = "sqlite+aiosqlite:///"
_MODULE = "rivya_flows.flows.server.server_process"


def start_server(
    home: Path, port: int, environment: Mapping[str, str], log: Path, *, ends_with_users: bool
) -> StartedProcess | None:
    """Start a server as the owner of `LOCK`; None if another one holds it."""
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as lock:
        if not try_lock(lock, fcntl.LOCK_EX):
            return None
        lock.truncate()
        kind = kind_of(environment) if ends_with_users else STAYS
        command = (_MODULE, f"{port} {kind}", str(descriptor))
        return start(
            "prefect server",
            with_users(home / USERS, *command) if ends_with_users else command,
            environment,
            log,
            folder=home,  # Prefect reads .env and prefect.toml of the current folder
            descriptors=(descriptor,),  # it stays locked until the child ends
        )


def kind_of(environment: Mapping[str, str]) -> str:
    """Changes with the versions and the settings of a server, and not with its port."""
    ours = {
        name: value
        for name, value in environment.items()
        if name.startswith("PREFECT_") and not name.startswith(_OF_PORT)
    }
    known = [version("rivya-flows"), version("prefect"), sys.prefix, ours]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def running(home: Path) -> tuple[int, str] | None:
    """Port and kind of the server that holds `LOCK`; None until it has written them."""
    port, _, kind = (home / LOCK).read_text().partition(" ")
    return (int(port), kind) if port else None


def lives(home: Path) -> bool:
    if not (home / LOCK).exists():
        return False
    with (home / LOCK).open("a") as lock:
        return not try_lock(lock, fcntl.LOCK_SH)


def is_idle(home: Path, *, end: bool = False) -> bool:
    """Whether a server lives that waits for its next user, or ends since none came."""
    if not lives(home) or (running(home) or (0, STAYS))[1] == STAYS:
        return False
    with (home / USERS).open("a+b") as users:
        # The server itself holds the lock for a moment each time that it looks for users.
        if not wait_until(lambda: try_lock(users), LOOK_SECONDS):
            return not try_lock(users, fcntl.LOCK_SH)  # a server that ends holds it alone
        if end:
            set_idle_seconds(users, 0)
    return True


def end_idle(home: Path) -> bool:
    """End a server that waits for its next user; whether there was one."""
    return is_idle(home, end=True) and wait_until(lambda: not lives(home), END_SECONDS)


@contextlib.contextmanager
def kept_from_runs(home: Path) -> Iterator[bool]:
    """Whether no run uses the server of `up`; then none begins to in the block."""
    with (home / USERS).open("a+b") as users:
        yield try_lock(users)


def main() -> None:
    """Serve on a loopback port.

    Arguments of the command: port and kind, as they are written into `LOCK`; and the descriptor of
    `LOCK`, which the parent has locked for this process.
    """
    gc.disable()  # its imports make 500,000 objects that stay
    shown, lock = sys.argv[1:]
    port = shown.partition(" ")[0]
    # Before the port, so that whoever finds a server finds its password.
    auth = new_auth(Path(variables()["PREFECT_HOME"]))
    set_variables({"PREFECT_SERVER_API_AUTH_STRING": auth})
    os.pwrite(int(lock), shown.encode(), 0)
    url = variables()["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    if url.startswith(_SQLITE):
        give_space_back(Path(url.removeprefix(_SQLITE)))
    serve(int(port), auth)


def give_space_back(database: Path) -> None:
    """Make SQLite return the pages of deleted rows to the file system; rewrites a database of others once."""
    with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(database)) as connection:
        if connection.execute("PRAGMA auto_vacuum").fetchone() == (0,):
            connection.execute("PRAGMA auto_vacuum = FULL")
            connection.execute("VACUUM")


def serve(port: int, auth: str) -> None:
    """Serve Prefect's API and UI behind the `Guard`, as `prefect server start` serves them."""
    # Not at the top: the lock file names the port while Prefect is being imported.
    import uvicorn
    from prefect.settings import get_current_settings
    from uvicorn.config import LOGGING_CONFIG

    from rivya_flows.flows.prefect_internals import api_app, write_in_turns
    from rivya_flows.flows.server.guard import Guard

    settings = get_current_settings().server
    write_in_turns()
    app = Guard(api_app(), port, auth)
    gc.freeze()
    gc.enable()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
        server_header=False,
        log_config=None if is_json() else LOGGING_CONFIG,  # None: as Prefect has set it up
    )


if __name__ == "__main__":
    main()
