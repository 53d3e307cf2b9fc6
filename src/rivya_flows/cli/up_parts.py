"""The parts of `up`: how each is started, and when it is ready."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.app.local_sandbox import TIME_SCALE, last_port
from rivya_flows.app.processes.process_tree import words_of
from rivya_flows.app.shared_store_checks import this_machine
from rivya_flows.cli.up_wish import UpOptions, marked_environment
from rivya_flows.errors import UsageError
from rivya_flows.flows.deploy_blocks import WORK_POOL
from rivya_flows.flows.server import background_server
from rivya_flows.flows.server.environment import server_environment
from rivya_flows.flows.server.local_server import free_port
from rivya_flows.private import UMASK

READY_SECONDS = 180.0
PREFECT_PORT = 4200
"""Where people look for a Prefect server."""

RECEIVER_PORT = 8710
"""Where `webhooks listen` listens."""

_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 3.0

# Holding the handles keeps Python from warning about children that outlive this process.
_LEFT: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Launched:
    """A part that has just been started.

    Attributes:
        name: Which part.
        process: Its handle.
        url: Where it will answer; "" if nowhere.
        log: What it says.
    """

    name: str
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def failed(self, what: str) -> UsageError:
        """The error of a part that did not become ready."""
        words = words_of(self.log)
        return UsageError(
            f"{self.name}: {what}" + (f"; it last said:\n{words}" if words else ""),
            f"read {self.log}",
        )

    def await_ready(
        self, ready: Callable[[], bool], *, timeout_seconds: float = READY_SECONDS
    ) -> None:
        """Waits until `ready` says so.

        Raises:
            UsageError: The process ended, or was not ready in time; with the end of its log.
        """
        give_up = time.monotonic() + timeout_seconds
        while True:
            # First: another program may have taken the port, and would answer.
            if self.process.poll() is not None:
                raise self.failed(f"ended with code {self.process.returncode}")
            if ready():
                return
            if time.monotonic() > give_up:
                raise self.failed(f"was not ready within {timeout_seconds:g} s")
            time.sleep(_LOOK_SECONDS)


def launch_sandbox(wish: UpOptions, mark: str) -> Launched:
    """Starts the sandbox of the data folder, on the port that it had last.

    Webhooks may go to this machine: the receiver is here.
    """
    folder = wish.data / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    port = last_port(folder) or free_port()
    command = [sys.executable, "-P", "-m", "rivya_sandbox", "serve", "--json"]
    command += ["--data", str(folder), "--port", str(port), "--time-scale", TIME_SCALE]
    command += ["--allow-local-webhooks"]
    url = f"http://127.0.0.1:{port}"
    return _launch("sandbox", command, marked_environment(os.environ, mark), wish, url)


def launch_server(wish: UpOptions, mark: str, port: int, tell: Callable[[str], None]) -> Launched:
    """Starts the Prefect server.

    Args:
        wish: What is to run.
        mark: Of the part.
        port: Where it listens.
        tell: Is told what is waited for.

    Raises:
        UsageError: A run keeps a server of its own in the data folder.
    """
    environment = server_environment(
        wish.prefect_home,
        port,
        os.environ,
        database_url=wish.postgres,
        redis_url=wish.redis,
    )
    log = _log(wish, "server")
    marked = environment | marked_environment({}, mark)
    process = background_server.launch(wish.prefect_home, port, marked, log, tell=tell)
    return _kept(Launched("server", process, f"http://127.0.0.1:{port}", log))


def launch_receiver(
    wish: UpOptions, environment: Mapping[str, str], port: int, *, register: bool
) -> Launched:
    """Starts the receiver, which serves media and takes webhooks.

    Args:
        wish: What is to run.
        environment: Of the process.
        port: Where it listens.
        register: Let the service send its events there.
    """
    listen = ["webhooks", "listen", "--host", "127.0.0.1", "--port", str(port)]
    command = background_server.followed(wish.prefect_home, "rivya_flows.cli.main", *listen)
    command += ["--register"] if register else []
    return _launch("receiver", command, environment, wish, f"http://127.0.0.1:{port}")


def launch_worker(wish: UpOptions, environment: Mapping[str, str]) -> Launched:
    """Starts one worker of the default work pool."""
    start = ["worker", "start", "--pool", WORK_POOL, "--type", "process", "--name", worker_name()]
    command = background_server.followed(wish.prefect_home, "prefect", *start)
    return _launch("worker", command, environment, wish, "")


def worker_name() -> str:
    """The name of the worker in Prefect's list; the same each time."""
    return f"up@{this_machine()}"  # the machine, so that others can tell where runs are made


def answers(url: str, path: str) -> bool:
    """Whether something on this machine answers there with success."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=_ANSWER_SECONDS
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def chosen_port(wanted: int | None, last: int | None, usual: int | None = None) -> int:
    """The port that is asked for, else the last one, else the usual one, else a free one.

    Args:
        wanted: 0 is a free one; None asks for none.
        last: What it was last time, so that addresses in a browser stay good.
        usual: Where people look first.

    Raises:
        UsageError: The one that is asked for is taken.
    """
    if wanted:
        if not _is_free(wanted):
            raise UsageError(f"port {wanted} is taken", "give another --port, or 0 for a free one")
        return wanted
    for port in (last, usual if wanted is None else None):
        if port and _is_free(port):
            return port
    return free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def _launch(
    name: str, command: list[str], environment: Mapping[str, str], wish: UpOptions, url: str
) -> Launched:
    log = _log(wish, name)
    wish.prefect_home.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=wish.prefect_home,  # programs read .env and prefect.toml of the current folder
            env=dict(environment),
            # The sandbox says its new key here, once; nobody needs it.
            stdout=subprocess.DEVNULL if name == "sandbox" else out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # it outlives this command, and Ctrl-C is not for it
            umask=UMASK,  # what it writes into the data folder is its owner's alone
        )
    return _kept(Launched(name, process, url, log))


def _kept(launched: Launched) -> Launched:
    _LEFT.append(launched.process)
    return launched


def _log(wish: UpOptions, name: str) -> Path:
    """An empty log; what an earlier process of the part said last lies beside it."""
    log = wish.log(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".1.log"))
    return log
