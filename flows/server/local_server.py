"""A real Prefect server for a run that was given none: started, shared, and never left behind.

It lives in ``<data>/prefect``, with its database, and ends with its last user. Decision 0003 says
why it is not Prefect's ephemeral mode. Importing this module does not import Prefect, so that the
server can come up while the rest of the program is still loading.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from rivya_flows.errors import UsageError
from rivya_flows.flows.prefect_internals import send_pending
from rivya_flows.flows.server.environment import client_environment, server_environment
from rivya_flows.flows.server.local_api import Loopback
from rivya_flows.flows.server.password import server_auth
from rivya_flows.flows.server.select_server import point, restore
from rivya_flows.flows.server.server_process import started

LOCK = "server.lock"
"""Held by the server as long as it lives; holds its port."""

STARTUP_SECONDS = 90.0
SEND_SECONDS = 10.0
SETTLE_SECONDS = 10.0
# The recorder writes once a second: what has not changed for longer than that is complete.
QUIET_SECONDS = 1.2
STOP_SECONDS = 10.0
LOOK_SECONDS = 0.1
PORTS_TRIED = 3

# Servers that others still use when this process has done with them. Holding the handle keeps
# Python from warning about a child that it has no business to wait for.
_left_to_others: list[subprocess.Popen[bytes]] = []


class LocalServer:
    """One user's share in the Prefect server of a data folder.

    `start` returns at once; `ready` waits for the server and points this process at it; `stop`
    lets the last rows be written, and ends the server unless another process uses it.

    Attributes:
        home: Prefect's home of the server, ``<data>/prefect``.
        port: Its loopback port; 0 until it is known.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = 0
        self._proven: Loopback | None = None
        self._began = datetime.now(UTC)
        self._users: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._replaced: dict[str, str | None] | None = None

    @classmethod
    def start(cls, data: Path) -> LocalServer:
        """A share in the server of `data`, which is started unless it runs already.

        Raises:
            UsageError: The data folder cannot be written.
        """
        # Prefect reads this while it is imported, which may come next.
        os.environ.setdefault("DO_NOT_TRACK", "1")
        server = cls(data.absolute() / "prefect")
        server._join()
        return server

    @property
    def ui_url(self) -> str:
        """Where a browser finds the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """What ``PREFECT_API_URL`` becomes."""
        return f"{self.ui_url}/api"

    @property
    def log(self) -> Path:
        """What the server last said."""
        return self.home / "server.log"

    async def ready(self, *, timeout_seconds: float = STARTUP_SECONDS) -> str:
        """The API's URL, once the server answers; from then on this process uses it.

        Raises:
            UsageError: The server ended, or did not answer in time; with the end of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        starts = 1
        while not (server := await asyncio.to_thread(self._answering)):
            if self._process is not None and self._process.poll() is not None:
                starts += 1
                if starts > PORTS_TRIED or "already in use" not in self._last_words():
                    raise self._failed(f"ended with code {self._process.returncode}")
                self._leave()
            if time.monotonic() > deadline:
                raise self._failed(f"did not answer within {timeout_seconds:g} s")
            if not (self.port and self._alive()):
                self._join()
            await asyncio.sleep(LOOK_SECONDS)
        self._proven = server
        self._replaced = point(
            client_environment(self.api_url, self.home, os.environ, auth=server.auth)
        )
        return self.api_url

    async def settle(self, *, timeout_seconds: float = SETTLE_SECONDS) -> bool:
        """Whether the rows of all runs that ended since `start` are written.

        Task runs reach the database through a queue: a server that is stopped right after a run
        loses its last rows.
        """
        await send_pending(SEND_SECONDS)
        if self._proven is None:
            return True
        deadline = time.monotonic() + timeout_seconds
        seen: tuple[int, int] | None = None
        since = time.monotonic()
        while (now := time.monotonic()) < deadline:
            counts = await asyncio.to_thread(self._proven.task_runs_since, self._began)
            if counts != seen:
                seen, since = counts, now
            still_open = counts[1]
            # Rows that no task will ever close (a run that was cancelled) are not waited for long.
            if now - since >= QUIET_SECONDS * (3 if still_open else 1):
                return not still_open
            await asyncio.sleep(2 * LOOK_SECONDS)
        return False

    async def stop(self) -> None:
        """Ends this share, and the server with the last one; safe to call twice."""
        try:
            if self._replaced is not None:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    await self.settle()
        finally:
            if self._replaced is not None:
                restore(self._replaced)
                self._replaced = None
            try:
                await self._end()
            finally:
                self._leave()

    # --- joining and leaving -------------------------------------------------------------------

    def _answering(self) -> Loopback | None:
        """The server, once it answers and proves that it knows the password of the folder."""
        server = Loopback(self.port, server_auth(self.home))
        return server if self.port and server.healthy() else None

    def _join(self) -> None:
        """Takes part in a running server or starts one; does nothing when it is not the moment."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            if self._users is None:
                self._users = (self.home / "users.lock").open("a")
            # Held alone by a server on its way out, or by the last user who is ending it.
            if locked(self._users, fcntl.LOCK_SH):
                with (self.home / "start.lock").open("a") as starting:
                    if locked(starting, fcntl.LOCK_EX):
                        self._find_or_launch()
        except OSError as error:
            self._leave()
            raise UsageError(
                f"prefect server: {self.home} cannot be used: {error.strerror}",
                "set RIVYA_FLOWS_DATA to a folder that can be written",
            ) from error

    def _find_or_launch(self) -> None:
        descriptor = os.open(self.home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as lock:
            if locked(lock, fcntl.LOCK_EX):
                lock.truncate()
                self._launch(lock)
            elif port := lock.read():  # empty until the server has begun
                self.port = int(port)

    def _launch(self, lock: IO[bytes]) -> None:
        """Starts the server as owner of `lock`: the lock lives as long as the child does."""
        self.port = free_port()
        users = str(self.home / "users.lock")
        environment = server_environment(self.home, self.port, os.environ)
        self._process = started(self.home, users, self.port, environment, self.log, lock)

    def _alive(self) -> bool:
        """Whether the server's process exists: it holds its lock as long as it does."""
        if self._process is not None:
            return self._process.poll() is None
        with (self.home / LOCK).open("a") as lock:
            return not locked(lock, fcntl.LOCK_SH)

    async def _end(self) -> None:
        """Ends a server that this process started and nobody else uses.

        One that another process started sees by itself that its last user is gone.
        """
        process = self._process
        if process is None or self._users is None or not locked(self._users, fcntl.LOCK_EX):
            return
        # Nobody can join while the lock is held.
        _signal(process, signal.SIGTERM)
        try:
            deadline = time.monotonic() + STOP_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(LOOK_SECONDS / 2)
        finally:
            if process.poll() is None:
                _signal(process, signal.SIGKILL)
                process.wait()

    def _leave(self) -> None:
        """Drops the share."""
        if self._process is not None:
            if self._process.poll() is None:
                _left_to_others.append(self._process)
            self._process = None
        if self._users is not None:
            self._users.close()
            self._users = None
        self.port = 0

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").strip().splitlines()[-12:])
        return ""

    def _failed(self, what: str) -> UsageError:
        words = self._last_words()
        return UsageError(
            f"prefect server: {what}" + (f"; it last said:\n{words}" if words else ""),
            f"read {self.log}, or set PREFECT_API_URL to a server that runs",
        )


@contextlib.asynccontextmanager
async def local_server(data: Path, *, api_url: str | None = None) -> AsyncIterator[str]:
    """The API's URL of a Prefect server that this process uses meanwhile.

    Args:
        data: The data folder; the server lives in ``<data>/prefect`` and is shared by all
            processes that use the folder at the same time.
        api_url: A server that the user named (``PREFECT_API_URL``): used as it is, nothing is
            started and nothing ended. None starts one, or joins the one that runs.

    Raises:
        UsageError: The server does not start.
    """
    if api_url is not None:
        yield api_url
        return
    server = LocalServer.start(data)
    try:
        yield await server.ready()
    finally:
        await server.stop()


def locked(file: IO[Any], kind: int) -> bool:
    """Whether the file is now locked by us; never waits."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
