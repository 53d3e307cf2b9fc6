"""A real Prefect server of a data folder: of a run that was given none, shared, and ended some time after
its last user; or of `up`, which stays. Decision 0003 says why it is not Prefect's ephemeral mode.

Importing this module does not import Prefect, so that the server can start while that still loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import IO

from rivya_flows.environment import set_default, variables
from rivya_flows.errors import UsageError
from rivya_flows.flows.prefect_internals import send_pending
from rivya_flows.flows.server.environment import client_environment, pointed_at, server_environment
from rivya_flows.processes.local_api import Loopback, proven, server_auth
from rivya_flows.processes.ports import choose_port
from rivya_flows.processes.supervisor import (
    READY_SECONDS,
    USERS_LOOK_SECONDS,
    StartedProcess,
    set_idle_seconds,
    start,
    start_error,
    try_lock,
    wait_until,
    with_users,
)

LOCK = "server.lock"  # the server of a home holds it while it lives; its port and kind are in it
USERS = "users.lock"  # each user of the server holds it shared; see `processes.supervisor`
NO_STORE: Mapping[str, str] = MappingProxyType({})
STAYS = "stays"  # the kind of the server of `up`: it ignores its users, and every run joins it
_STARTING, _LOG = "start.lock", "server.log"
_PROCESS = "rivya_flows.flows.server_process"
_SEND_SECONDS, _END_SECONDS, _POLL_SECONDS = 10.0, 20.0, 0.1


class LocalServer:
    """One user's share in the Prefect server of a data folder; `port` is 0 until it is known."""

    def __init__(
        self, data: Path, idle_seconds: float = 0, store: Mapping[str, str] = NO_STORE
    ) -> None:
        self.home = data.absolute() / "prefect"
        self._store = {"RIVYA_FLOWS_DATA": str(data.absolute()), **store}
        self._idle_seconds = idle_seconds
        self.port = self._own_port = 0
        self._proven: Loopback | None = None
        self._began = datetime.now(UTC)
        self._users: IO[bytes] | None = None
        self._process: StartedProcess | None = None
        self._pointed = contextlib.ExitStack()

    @classmethod
    def start(
        cls, data: Path, *, idle_seconds: float = 0, store: Mapping[str, str] = NO_STORE
    ) -> LocalServer:
        """Join the server of `data`, or start it; it waits for its next user for `idle_seconds`.

        `store` are the variables of the store whose runs its board has.
        """
        set_default("DO_NOT_TRACK", "1")  # read by Prefect while it is imported
        server = cls(data, idle_seconds, store)
        server._join()
        return server

    async def ready(self, *, timeout_seconds: float = READY_SECONDS) -> str:
        """The API's URL, once the server answers; from then on this process uses it."""
        deadline = time.monotonic() + timeout_seconds
        while not (server := await asyncio.to_thread(proven, self.home, self.port)):
            problem = None
            if self._process is not None and self._process.exit_code is not None:
                problem = f"ended with code {self._process.exit_code}"
            elif time.monotonic() > deadline:
                problem = f"did not answer within {timeout_seconds:g} s"
            if problem:
                hint = ", or set PREFECT_API_URL to a server that runs"
                raise start_error("prefect server", problem, self.home / _LOG, hint)
            if not (self.port and lives(self.home)):
                self._join()
            await asyncio.sleep(_POLL_SECONDS)
        await send_pending(_SEND_SECONDS)  # Prefect's senders stay with the server they began with
        self._proven = server
        client = client_environment(server.api_url, self.home, variables(), auth=server.auth)
        self._pointed.enter_context(pointed_at(client))
        return server.api_url

    def board(self, run_id: str) -> str | None:
        """As `Loopback.board`, of the server that was `ready`."""
        known = self._proven
        return None if known is None else known.board(run_id)

    async def stop(self) -> None:
        """Leave the server, and wait for its end if it has no other user and does not wait; safe to call twice."""
        server, ends = self._proven, self._proven is not None and not self._idle_seconds
        try:
            if server is not None and self.serves():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    await send_pending(_SEND_SECONDS)
                    if ends:
                        await asyncio.to_thread(server.settle, self._began)
        finally:
            self._proven = None
            self._pointed.close()
            if server is None and self._process is not None and self._users is not None:
                set_idle_seconds(self._users, 0)  # it may hang, and the next run would wait for it
            self._leave()
            if ends:
                await asyncio.to_thread(end_idle, self.home)

    def serves(self) -> bool:
        """Whether the server that was `ready` still lives: the next one has another password."""
        known = self._proven
        return known is not None and lives(self.home) and server_auth(self.home) == known.auth

    def _join(self) -> None:
        """Join a running server or start one; does nothing while another process starts or ends it."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            if self._users is None:
                self._users = (self.home / USERS).open("a+b")
            # A server that shuts down, or a `down` that ends it, holds this exclusively.
            if try_lock(self._users, fcntl.LOCK_SH):
                with (self.home / _STARTING).open("a") as starting:
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
        self._own_port = self._own_port or choose_port(None, None)
        environment = server_environment(self.home, self._own_port, variables(), store=self._store)
        # Its kind changes with its versions and settings, and not with its port.
        settings = {
            name: value
            for name, value in environment.items()
            if name.startswith(("PREFECT_", "RIVYA_"))
            and not name.startswith(("PREFECT_SERVER_API_", "PREFECT_UI_URL"))
        }
        known = [version("rivya-flows"), version("prefect"), sys.prefix, settings]
        kind = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
        log = self.home / _LOG
        started = _start_server(self.home, self._own_port, kind, environment, log)
        if started is not None:
            self._process, self.port = started, self._own_port
        elif (found := running(self.home)) and (found[1] in (STAYS, kind) or not self._end_other()):
            self.port = found[0]

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


@contextlib.asynccontextmanager
async def local_server(
    data: Path, *, api_url: str | None = None, idle_seconds: float = 0
) -> AsyncIterator[str]:
    """The API's URL of the server of a data folder, or `api_url`; this process uses it in the block."""
    if api_url is not None:
        set_default("DO_NOT_TRACK", "1")  # the same
        yield api_url
        return
    server = LocalServer.start(data, idle_seconds=idle_seconds)
    try:
        yield await server.ready()
    finally:
        await server.stop()


def start_alone(
    home: Path, port: int, environment: Mapping[str, str], log: Path
) -> StartedProcess | None:
    """Start the server of `up`; None while a run has one, which is ended if it is idle."""
    with (home / _STARTING).open("a") as starting:
        if not try_lock(starting) or is_idle(home, end=True):
            return None
        return _start_server(home, port, STAYS, environment, log)


def _start_server(
    home: Path, port: int, kind: str, environment: Mapping[str, str], log: Path
) -> StartedProcess | None:
    """Start a server as the owner of `LOCK`; None if another one holds it."""
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as lock:
        if not try_lock(lock, fcntl.LOCK_EX):
            return None
        lock.truncate()
        command = (_PROCESS, f"{port} {kind}", str(descriptor))
        return start(
            "prefect server",
            command if kind == STAYS else with_users(home / USERS, *command),
            environment,
            log,
            folder=home,  # Prefect reads .env and prefect.toml of the current folder
            descriptors=(descriptor,),  # it stays locked until the child ends
        )


def running(home: Path) -> tuple[int, str] | None:
    """Port and kind of the server that holds `LOCK`; None until it has written them."""
    port, _, kind = (home / LOCK).read_text().partition(" ")
    return (int(port), kind) if port else None


def serving(home: Path) -> Loopback | None:
    """The server that lives in a home, once it proves it; None if there is none."""
    found = running(home) if lives(home) else None
    return None if found is None else proven(home, found[0])


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
        if not wait_until(lambda: try_lock(users), USERS_LOOK_SECONDS):
            return not try_lock(users, fcntl.LOCK_SH)  # a server that ends holds it alone
        if end:
            set_idle_seconds(users, 0)
    return True


def end_idle(home: Path) -> bool:
    """End a server that waits for its next user; whether there was one."""
    return is_idle(home, end=True) and wait_until(lambda: not lives(home), _END_SECONDS)


@contextlib.contextmanager
def kept_from_runs(home: Path) -> Iterator[bool]:
    """Whether no run uses the server of `up`; then none begins to in the block."""
    with (home / USERS).open("a+b") as users:
        yield try_lock(users)
