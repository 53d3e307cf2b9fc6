"""The process of a Prefect server of our own: Prefect's API and pages, and the board of the store."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sqlite3
import sys
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rivya_flows.environment import set_variables, variables
from rivya_flows.processes.local_api import new_auth
from rivya_flows.processes.supervisor import is_json

if TYPE_CHECKING:  # heavy, and first needed when a browser asks
    import uvicorn
    from starlette.types import ASGIApp, Receive, Scope, Send


def main() -> None:
    """Serve; arguments: port and kind for `local_server.LOCK`, and its descriptor, which the parent has locked."""
    gc.disable()  # its imports make 500,000 objects that stay
    entry, lock = sys.argv[1:]
    # Before the port, so that a process that finds a server finds its password.
    auth = new_auth(Path(variables()["PREFECT_HOME"]))
    set_variables({"PREFECT_SERVER_API_AUTH_STRING": auth})
    os.pwrite(int(lock), entry.encode(), 0)
    url, sqlite = variables()["PREFECT_SERVER_DATABASE_CONNECTION_URL"], "sqlite+aiosqlite:///"
    if url.startswith(sqlite):
        give_space_back(Path(url.removeprefix(sqlite)))
    serve(int(entry.partition(" ")[0]), auth)


def give_space_back(database: Path) -> None:
    """Make SQLite return the pages of deleted rows to the file system; rewrites a database that Prefect made once."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(database)) as connection,
    ):
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
    with contextlib.ExitStack() as opened:
        board = StoreBoard(port, auth, UI_PASSWORD_KEY, opened)
        app = Guard(api_app(), port, auth, UI_PASSWORD_KEY, board=board)
        gc.freeze()
        gc.enable()
        board.server = uvicorn.Server(
            uvicorn.Config(
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
        )
        board.server.run()


class StoreBoard:
    """The board of the store that the settings name, which is opened when a browser first asks."""

    server: uvicorn.Server

    def __init__(
        self, port: int, auth: str, password_key: str, opened: contextlib.ExitStack
    ) -> None:
        self._port, self._auth, self._password_key = port, auth, password_key
        self._opened, self._opening = opened, asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opening:
            app = await asyncio.to_thread(lambda: self._app)
        await app(scope, receive, send)

    @cached_property
    def _app(self) -> ASGIApp:
        from rivya_flows.processes.board import Board
        from rivya_flows.runs.execution import deliver
        from rivya_flows.runs.lookup import open_store
        from rivya_flows.settings import read_settings

        journal, assets = self._opened.enter_context(open_store(read_settings()))
        return Board(
            journal,
            assets,
            self._auth,
            self._password_key,
            partial(deliver, journal, wake=self._wake),
            lambda: self.server.should_exit,
        ).app()

    async def _wake(self, run_id: str) -> bool:
        """Resumes the suspended flow run of a run that was answered; False if it is not suspended."""
        from prefect.client.orchestration import PrefectClient

        from rivya_flows.flows.current_run import flow_run_of
        from rivya_flows.flows.prefect_internals import resume_suspended
        from rivya_flows.questions.reading_answers import empty_response
        from rivya_flows.runs.resume import continue_here
        from rivya_flows.settings import read_settings

        flow_run_id = flow_run_of(run_id)
        if flow_run_id is None:
            return await asyncio.to_thread(continue_here, read_settings(), run_id)
        api = f"http://127.0.0.1:{self._port}/api"
        async with PrefectClient(api, auth_string=self._auth) as client:
            return await resume_suspended(client, flow_run_id, empty_response)


if __name__ == "__main__":
    main()
