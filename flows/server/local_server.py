"""A real Prefect server for a run that was given none: started, shared, and ended some time after
its last user.

It lives in ``<data>/prefect``, with its database. Decision 0003 says why it is not Prefect's
ephemeral mode. Importing this module does not import Prefect, so that the server can start while
the rest of the program is still loading.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import http.client
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO

from rivya_flows.environment import set_default, variables
from rivya_flows.errors import UsageError
from rivya_flows.flows.prefect_internals import send_pending
from rivya_flows.flows.server.environment import client_environment, pointed_at, server_environment
from rivya_flows.flows.server.local_api import Loopback, proven, server_auth
from rivya_flows.flows.server.server_process import (
    STAYS,
    USERS,
    end_idle,
    kind_of,
    lives,
    running,
    start_server,
)
from rivya_flows.processes.locks import set_idle_seconds, try_lock
from rivya_flows.processes.ports import choose_port
from rivya_flows.processes.supervisor import READY_SECONDS, StartedProcess, start_error

SEND_SECONDS = 10.0
LOOK_SECONDS = 0.1


class LocalServer:
    """One user's share in the Prefect server of a data folder.

    `start` returns at once; `ready` waits for the server and points this process at it; `stop` leaves it. A
    server ends by itself when its last user has left, or some time later. `port` is 0 until it is known.
    """

    def __init__(self, home: Path, idle_seconds: float = 0) -> None:
        self.home = home
        self._idle_seconds = idle_seconds
        self.port = 0
        self._proven: Loopback | None = None
        self._began = datetime.now(UTC)
        self._users: IO[bytes] | None = None
        self._process: StartedProcess | None = None
        self._pointed = contextlib.ExitStack()

    @classmethod
    def start(cls, data: Path, *, idle_seconds: float = 0) -> LocalServer:
        """Join the server of `data`, or start it; it waits for its next user for `idle_seconds`."""
        set_default("DO_NOT_TRACK", "1")  # read by Prefect while it is imported
        server = cls(data.absolute() / "prefect", idle_seconds)
        server._join()
        return server

    @cached_property
    def _own_port(self) -> int:
        """Of a server that this process starts."""
        return choose_port(None, None)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    async def ready(self, *, timeout_seconds: float = READY_SECONDS) -> str:
        """The API's URL, once the server answers; from then on this process uses it."""
        deadline = time.monotonic() + timeout_seconds
        while not (server := await asyncio.to_thread(proven, self.home, self.port)):
            if self._process is not None and self._process.exit_code is not None:
                raise self._failed(f"ended with code {self._process.exit_code}")
            if time.monotonic() > deadline:
                raise self._failed(f"did not answer within {timeout_seconds:g} s")
            if not (self.port and lives(self.home)):
                self._join()
            await asyncio.sleep(LOOK_SECONDS)
        await send_pending(SEND_SECONDS)  # Prefect's senders stay with the server they began with
        self._proven = server
        client = client_environment(self.api_url, self.home, variables(), auth=server.auth)
        self._pointed.enter_context(pointed_at(client))
        return self.api_url

    async def stop(self) -> None:
        """End this share, and wait for the end of a server that has no other and does not wait; safe to call twice."""
        was_ready = self._proven is not None
        ends = was_ready and not self._idle_seconds
        try:
            if self._proven is not None and self.serves():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    await send_pending(SEND_SECONDS)
                    if ends:
                        await asyncio.to_thread(self._proven.settle, self._began)
        finally:
            self._proven = None
            self._pointed.close()
            if not was_ready and self._process is not None and self._users is not None:
                set_idle_seconds(self._users, 0)  # it may hang, and the next run would wait for it
            self._leave()
            if ends:
                await asyncio.to_thread(end_idle, self.home)

    def serves(self) -> bool:
        """Whether the server that was `ready` still lives: the next one has another password."""
        known = self._proven
        return known is not None and lives(self.home) and server_auth(self.home) == known.auth

    # --- joining and leaving -------------------------------------------------------------------

    def _join(self) -> None:
        """Join a running server or start one; does nothing while another process starts or ends it."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            if self._users is None:
                self._users = (self.home / USERS).open("a+b")
            # A server that shuts down, or a `down` that ends it, holds this exclusively.
            if try_lock(self._users, fcntl.LOCK_SH):
                with (self.home / "start.lock").open("a") as starting:
                    if try_lock(starting):
                        set_idle_seconds(self._users, self._idle_seconds)
                        self._find_or_start()
        except OSError as error:
            self._leave()
            raise UsageError(
                f"prefect server: {self.home} cannot be used: {error.strerror}",
                "set RIVYA_FLOWS_DATA to a folder that can be written",
            ) from error

    def _find_or_start(self) -> None:
        port, log = self._own_port, self.home / "server.log"
        environment = server_environment(self.home, port, variables())
        started = start_server(self.home, port, environment, log, ends_with_users=True)
        if started is not None:
            self._process, self.port = started, port
        elif found := running(self.home):
            port, kind = found
            if kind in (STAYS, kind_of(environment)) or not self._end_other():
                self.port = port

    def _end_other(self) -> bool:
        """Have a server of another version or with other settings end, unless it is used; whether it ends."""
        assert self._users is not None
        if not try_lock(self._users):
            # What failed dropped the shared lock; without it the next `_join` takes it again.
            return not try_lock(self._users, fcntl.LOCK_SH)
        set_idle_seconds(self._users, 0)
        self._leave()
        return True

    def _leave(self) -> None:
        self._process = None
        if self._users is not None:
            self._users.close()
            self._users = None
        self.port = 0

    def _failed(self, what: str) -> UsageError:
        hint = ", or set PREFECT_API_URL to a server that runs"
        return start_error("prefect server", what, self.home / "server.log", hint)


@contextlib.asynccontextmanager
async def local_server(
    data: Path, *, api_url: str | None = None, idle_seconds: float = 0
) -> AsyncIterator[str]:
    """The API's URL of the Prefect server of a data folder, or of `api_url`, that this process uses in the block."""
    if api_url is not None:
        set_default("DO_NOT_TRACK", "1")  # the same
        yield api_url
        return
    server = LocalServer.start(data, idle_seconds=idle_seconds)
    try:
        yield await server.ready()
    finally:
        await server.stop()
