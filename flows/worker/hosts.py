"""The host processes of a worker: started when they are needed, watched, and ended; what a worker and they say to
each other, as lines of JSON; and metrics of the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from prometheus_client import Counter, Gauge

LONGEST = 2**18
"""Bytes of the longest line."""

LONGEST_TEXT = LONGEST // 32
"""Characters of the longest text in a message: JSON writes twelve bytes for some, and there are two."""


@dataclass(frozen=True)
class Execute:
    """To a host: execute a flow run; `spec` is the hash of the deployed one, None: the spec's file as it is."""

    flow_run: str
    attribute: str
    spec: str | None


@dataclass(frozen=True)
class Cancel:
    """To a host: cancel a flow run."""

    flow_run: str


@dataclass(frozen=True)
class Alive:
    """From a host: it lives; `blocked` says why it must end nevertheless, as its event loop does not turn."""

    blocked: str = ""


@dataclass(frozen=True)
class Ended:
    """From a host: it has executed a flow run; `error` is None if Prefect knows its state."""

    flow_run: str
    error: str | None = None
    traceback: str = ""


Message = Execute | Cancel | Alive | Ended

_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (Execute, Cancel, Alive, Ended)}


def line(message: Message) -> bytes:
    return json.dumps([type(message).__name__, asdict(message)]).encode() + b"\n"


def parsed(received: bytes) -> Message:
    """The message of a line; `ValueError` if it is none, or incomplete."""
    try:
        kind, values = json.loads(received)
        return _KINDS[kind](**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no message: {received[:80]!r}") from error


async def next_message(reader: asyncio.StreamReader, silence: float) -> Message | None:
    """The next message of a host, None if it has ended; raises `TimeoutError`, or `ValueError` for a bad line."""
    async with asyncio.timeout(silence):
        received = await reader.readline()
    return parsed(received) if received.endswith(b"\n") else None  # the end, or within a line


SLOTS = Gauge("rivya_flows_worker_slots", "Runs that this worker executes at most")
SLOTS_USED = Gauge("rivya_flows_worker_slots_used", "Runs that this worker executes now")
HOSTS_STARTED = Counter("rivya_flows_worker_hosts_started", "Host processes that were started")
HOSTS_LOST = Counter("rivya_flows_worker_hosts_lost", "Host processes that died or were blocked")


RUNS_PER_HOST = 25
"""Runs that one host executes at once, and that end with it if it dies."""

_RUNS_PER_LIFE = 500  # so that no leak of memory lasts
_IDLE_SECONDS = 60.0  # then a host without a run ends, unless it is the last one
_START_SECONDS = 120.0  # until it has imported everything

SILENT_SECONDS = 30.0
"""A host that said nothing for this time is killed, or whose event loop a step function blocks."""

_logger = logging.getLogger("prefect.rivya_flows.worker")  # shown where Prefect's are


class HostDiedError(Exception):
    """The host of a run has died, and the run with it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _BlockedError(Exception):
    """The event loop of a host does not turn."""


class Host:
    def __init__(
        self,
        environment: Mapping[str, str],
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        folder: tempfile.TemporaryDirectory[str],
    ) -> None:
        self.environment = environment
        self.pid = process.pid
        self.runs: dict[str, asyncio.Future[Ended]] = {}
        self._process = process
        self._writer = writer
        self._folder = folder
        self._taken = 0
        self._is_ending = False
        self._watching = asyncio.create_task(self._watch(reader))

    @classmethod
    async def start(cls, environment: Mapping[str, str]) -> Host:
        """Starts a host; it takes runs at once, and executes them when it has imported everything."""
        ours, theirs = socket.socketpair()
        folder = tempfile.TemporaryDirectory(prefix="campaigns-", ignore_cleanup_errors=True)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "rivya_flows.flows.worker.host_process"),
                str(theirs.fileno()),
                env=dict(environment),
                cwd=folder.name,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST)
        HOSTS_STARTED.inc()
        return cls(environment, process, reader, writer, folder)

    @property
    def lives(self) -> bool:
        return not (self._is_ending or self._watching.done())

    @property
    def is_worn(self) -> bool:
        """Whether it has executed so many runs that it takes no more."""
        return self._taken >= _RUNS_PER_LIFE

    @property
    def has_place(self) -> bool:
        return self.lives and len(self.runs) < RUNS_PER_HOST and not self.is_worn

    def execute(self, order: Execute) -> asyncio.Future[Ended]:
        """Begins to execute a flow run; gives how it ended, or raises `HostDiedError`."""
        ended = self.runs[order.flow_run] = asyncio.get_running_loop().create_future()
        ended.add_done_callback(lambda _: self.runs.pop(order.flow_run))
        self._taken += 1
        self._writer.write(line(order))
        return ended

    def cancel(self, flow_run: str) -> None:
        """Cancels a flow run, if it is here; it ends as cancelled soon."""
        if flow_run in self.runs:
            self._writer.write(line(Cancel(flow_run)))

    def stop(self) -> asyncio.Task[None]:
        """Kills it; the task ends with it."""
        self._is_ending = True
        self._kill(signal.SIGKILL)
        return self._watching

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        reason = ""
        try:
            await self._listen(reader)
        except (TimeoutError, _BlockedError) as error:
            reason = str(error) or "its process did not respond; the worker's log says where it was"
            _logger.error("host %d: %s; it is killed, here is where it was", self.pid, reason)
            self._kill(signal.SIGABRT)  # its traceback goes to the log
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self._process.wait()
        except (OSError, ValueError) as error:  # a broken line too
            reason = f"its process hung up: {error}"
        self._kill(signal.SIGKILL)
        status = await self._process.wait()
        if not self._is_ending:
            HOSTS_LOST.inc()
        self._writer.close()
        self._folder.cleanup()
        for ended in self.runs.values():
            if not ended.done():  # its place is freed in the next turn of the loop
                ended.set_exception(HostDiedError(status or 1, reason or _end(status)))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        silence = _START_SECONDS
        while (message := await next_message(reader, silence)) is not None:
            silence = SILENT_SECONDS
            match message:
                case Ended(flow_run) if flow_run in self.runs:
                    self.runs[flow_run].set_result(message)
                case Alive(blocked) if blocked:
                    raise _BlockedError(blocked)
                case _:
                    pass

    def _kill(self, number: signal.Signals) -> None:
        # `send_signal` looks first whether the process has ended, and takes its exit code away from
        # asyncio, which then says 255.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _end(status: int) -> str:
    if status >= 0:
        return f"its process ended with status {status}"
    memory = ", as the system does when memory runs out" if status == -signal.SIGKILL else ""
    return f"its process was ended by {signal.Signals(-status).name}{memory}"


class Hosts:
    """The hosts of a worker, by the environment that their runs need."""

    def __init__(self) -> None:
        self._hosts: list[Host] = []
        self._starting = asyncio.Lock()

    async def begin(
        self, order: Execute, environment: Mapping[str, str]
    ) -> tuple[int, asyncio.Future[Ended]]:
        """Begins to execute a flow run in a host that has its environment; gives its pid, and see `Host.execute`."""
        async with self._starting:  # two runs do not start a host each
            host = await self._with_place(environment)
            ended = host.execute(order)

        def rest(_: object) -> None:
            if not host.runs:
                pause = 0 if host.is_worn else _IDLE_SECONDS
                asyncio.get_running_loop().call_later(pause, self._retire, host)

        ended.add_done_callback(rest)
        return host.pid, ended

    def cancel(self, flow_run: str) -> None:
        """Cancels a flow run, if it is in one of the hosts."""
        for host in self._hosts:
            host.cancel(flow_run)

    async def end(self) -> None:
        if self._hosts:
            await asyncio.wait([host.stop() for host in self._hosts])

    async def _with_place(self, environment: Mapping[str, str]) -> Host:
        """The fullest one that takes another run, so that the others become idle and end."""
        self._hosts = [host for host in self._hosts if host.lives]
        free = [host for host in self._hosts if host.environment == environment and host.has_place]
        if not free:
            free = [await Host.start(environment)]
            self._hosts += free
        return max(free, key=lambda host: len(host.runs))

    def _retire(self, host: Host) -> None:
        """Ends a host that has had nothing to do; the last one waits for the next run."""
        others = [one for one in self._hosts if one is not host and one.lives]
        if host.lives and not host.runs and (others or host.is_worn):
            host.stop()
