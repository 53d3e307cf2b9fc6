"""The service of a run: the real one, or the sandbox of this data folder, started when needed."""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from rivya_flows.app.processes.process_tree import machine_environment
from rivya_flows.app.run_context import ServiceConnection, real_service
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.private import UMASK, private_folder
from rivya_flows.settings import Settings

TIME_SCALE = "0.02"
_RECORD = "serving.json"

LOCK = "lock"
"""What the sandbox holds as long as it serves a folder, see `rivya_sandbox.service.startup`."""
POLL_SECONDS = 0.2
"""First interval between two looks at a job of a sandbox that is fifty times as fast."""


@asynccontextmanager
async def chosen_service(
    settings: Settings, *, sandbox: bool = False, tell: Callable[[str], Any] = lambda _: None
) -> AsyncIterator[ServiceConnection]:
    """The service to buy from: the sandbox if it is asked for or there is no key, else the real.

    Args:
        settings: The settings.
        sandbox: Use the sandbox also where there is a key.
        tell: Is told whom this buys from.

    Raises:
        UsageError: The sandbox is not installed, or cannot be started.
    """
    if settings.rivya_api_key is not None and not sandbox:
        service = real_service(settings)
        tell(f"using {service.base_url}")
        yield service
        return
    need("sandbox", "the local sandbox", otherwise="set RIVYA_API_KEY")
    share = SandboxShare(settings.data / "sandbox")
    try:
        started = await asyncio.to_thread(share.join)
        reason = "" if sandbox else "no RIVYA_API_KEY: "
        tell(f"{reason}using the local sandbox at {started.base_url} (pretend credits)")
        poll = POLL_SECONDS
        if "rivya_poll_seconds" in settings.model_fields_set:
            poll = settings.rivya_poll_seconds
        key = SecretStr(started.api_key)
        yield ServiceConnection(started.base_url, key, started.identity, poll)
    finally:
        share.leave()


@dataclass(frozen=True)
class Joined:
    """A running sandbox."""

    base_url: str
    api_key: str
    identity: str


class SandboxShare:
    """One user's share in the sandbox of a folder; it ends by itself after its last user.

    Args:
        folder: Its data: wallet, jobs, files, and the port that it had last.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._users: IO[str] | None = None

    def join(self) -> Joined:
        """The sandbox of the folder, started unless it runs; blocks until it answers.

        Raises:
            UsageError: It does not start; with its own words.
        """
        try:
            private_folder(self._folder.parent)
            private_folder(self._folder)
            with (self._folder / "start.lock").open("a") as starting:
                fcntl.flock(starting, fcntl.LOCK_EX)
                # Waits here for a sandbox that is just leaving.
                self._users = (self._folder / "users.lock").open("a")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                return self._running() or self._start()
        except OSError as error:
            raise UsageError(
                f"sandbox: {self._folder} cannot be used: {error.strerror or error}",
                "set RIVYA_FLOWS_DATA to a folder that can be written",
            ) from error

    def leave(self) -> None:
        """Gives the share back."""
        if self._users is not None:
            self._users.close()
            self._users = None

    def _running(self) -> Joined | None:
        base_url = serving(self._folder)
        if base_url is None:
            return None
        from rivya_sandbox.service.admin import create_key

        key = create_key(self._folder)
        return Joined(base_url, key["api_key"], self._identity())

    def _start(self) -> Joined:
        line = self._launch()
        if line is None:
            raise self._failed()
        ready = json.loads(line)
        return Joined(ready["base_url"], ready["api_key"], self._identity())

    def _failed(self) -> UsageError:
        log = self._folder / "sandbox.log"
        lines = log.read_text(errors="replace").strip().splitlines()
        words, _, hint = (lines or ["it said nothing"])[-1].partition(" (hint: ")
        return UsageError(
            f"sandbox: it did not start: {words.removeprefix('error: ')[-600:]}",
            hint.removesuffix(")") or f"read {log}",
        )

    def _launch(self) -> str | None:
        """The ready line of a new process, or None if it ended before it wrote one."""
        # -P: the current folder is the user's, or a stranger's, and no source of modules.
        command = [sys.executable, "-P", "-m", "rivya_flows.app.processes.sandbox_process"]
        command += [str(self._folder / "users.lock"), "serve", "--json"]
        command += ["--data", str(self._folder), "--time-scale", TIME_SCALE]
        with (self._folder / "sandbox.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=machine_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                umask=UMASK,
                start_new_session=True,  # Ctrl-C is for the run; jobs may go on meanwhile
            )
        _STARTED.append(process)
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        return line or None

    def _identity(self) -> str:
        path = self._folder / "identity"
        if not path.exists():
            path.write_text(uuid.uuid4().hex[:12])
        return f"sandbox:{path.read_text().strip()}"


# Holding the handle keeps Python from warning about a child that ends by itself.
_STARTED: list[subprocess.Popen[str]] = []


def remember(folder: Path, base_url: str) -> None:
    """Lets the next sandbox of a folder take the same port."""
    (folder / _RECORD).write_text(json.dumps({"base_url": base_url}))


def serving(folder: Path) -> str | None:
    """The address of the sandbox that serves a folder just now, whoever started it; or None.

    Out of the file that it holds locked as long as it listens: what answers at an address of
    before may be another user's program, which would be told prompts and pictures.
    """
    try:
        with (folder / LOCK).open() as lock:
            base_url = _told(lock)
            # The lock is tried only where something answers: one that begins wants it.
            if not base_url or not _answers(base_url) or _is_free(lock):
                return None
            return base_url if _told(lock) == base_url else None
    except OSError:
        return None


def _told(lock: IO[str]) -> str:
    """The address in the lock file of a sandbox; "" until it is complete."""
    lock.seek(0)
    told = lock.read()
    return told.strip().partition(" ")[2] if told.endswith("\n") else ""


def _is_free(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def last_port(folder: Path) -> int:
    """The port that the sandbox of a folder had last, if it can be had again; else 0."""
    last = _read(folder / _RECORD)
    port = (urlsplit(last["base_url"]).port or 0) if last else 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if "base_url" in found else None


def _answers(base_url: str) -> bool:
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=3)
    try:
        connection.request("GET", "/api/v1/models")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
