"""The process of a Prefect server of our own; `local_server` starts it."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from rivya_flows.environment import set_variables, variables
from rivya_flows.processes.local_api import new_auth
from rivya_flows.processes.supervisor import is_json

_SQLITE = "sqlite+aiosqlite:///"


def main() -> None:
    """Serve on a loopback port.

    Arguments of the command: port and kind, as they are written into `LOCK`; and the descriptor of
    `LOCK`, which the parent has locked for this process.
    """
    gc.disable()  # its imports make 500,000 objects that stay
    shown, lock = sys.argv[1:]
    # Before the port, so that whoever finds a server finds its password.
    auth = new_auth(Path(variables()["PREFECT_HOME"]))
    set_variables({"PREFECT_SERVER_API_AUTH_STRING": auth})
    os.pwrite(int(lock), shown.encode(), 0)
    url = variables()["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    if url.startswith(_SQLITE):
        give_space_back(Path(url.removeprefix(_SQLITE)))
    serve(int(shown.partition(" ")[0]), auth)


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

    from rivya_flows.flows.prefect_internals import UI_PASSWORD_KEY, api_app, write_in_turns
    from rivya_flows.processes.guard import Guard

    settings = get_current_settings().server
    write_in_turns()
    app = Guard(api_app(), port, auth, UI_PASSWORD_KEY)
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
