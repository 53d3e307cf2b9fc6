"""The host processes of a worker: started when they are needed, watched, and ended; and its metrics."""

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
from dataclasses import astuple, dataclass

from prometheus_client import Counter, Gauge

LONGEST = 2**18  # bytes of a line
LONGEST_TEXT = LONGEST // 32  # characters: JSON writes twelve bytes for some, of two texts


@dataclass(frozen=True)
class Order:
    """To a host: execute a flow run, of the campaign with this attribute, or cancel it if that is "".

    `spec`: the hash of the deployed one; None: its file as it is.
    """

    flow_run: str
    attribute: str = ""
    spec: str | None = None


@dataclass(frozen=True)
class Report:
    """From a host: it has executed a flow run, whose state Prefect knows unless there is an error.

    One without a flow run says that the host lives, or in `error` why it must end nevertheless.
    """

    flow_run: str = ""
    error: str = ""
    traceback: str = ""


def line(message: Order | Report) -> bytes:
    return json.dumps(astuple(message)).encode() + b"\n"


SLOTS = Gauge("rivya_flows_worker_slots", "Runs that this worker executes at most")
SLOTS_USED = Gauge("rivya_flows_worker_slots_used", "Runs that this worker executes now")
HOSTS_STARTED = Counter("rivya_flows_worker_hosts_started", "Host processes that were started")
HOSTS_LOST = Counter("rivya_flows_worker_hosts_lost", "Host processes that died or were blocked")


RUNS_PER_HOST = 25  # at once; they end with it if it dies
_RUNS_PER_LIFE = 500  # so that no leak of memory lasts
_IDLE_SECONDS = 60.0  # then a host without a run ends, unless it is the last one
_START_SECONDS = 120.0  # until it has imported everything

SILENT_SECONDS = 30.0  # then a host is killed that says nothing, or that a step function blocks
_logger = logging.getLogger("prefect.rivya_flows.worker")  # shown where Prefect's are


class HostDiedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


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
        self.runs: dict[str, asyncio.Future[Report]] = {}
        self._process = process
        self._writer = writer
        self._folder = folder
        self._taken = 0
        self._is_ending = False
        self._watching = asyncio.create_task(self._watch(reader))

    @classmethod
    async def start(cls, module: str, environment: Mapping[str, str]) -> Host:
        """Starts a host; it takes runs at once, and executes them when it has imported everything."""
        ours, theirs = socket.socketpair()
        folder = tempfile.TemporaryDirectory(prefix="campaigns-", ignore_cleanup_errors=True)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, str(theirs.fileno())),
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
        return self._taken >= _RUNS_PER_LIFE

    @property
    def has_place(self) -> bool:
        return self.lives and len(self.runs) < RUNS_PER_HOST and not self.is_worn

    def execute(self, order: Order) -> asyncio.Future[Report]:
        """Begins to execute a flow run; gives how it ended, or raises `HostDiedError`."""
        ended = self.runs[order.flow_run] = asyncio.get_running_loop().create_future()
        ended.add_done_callback(lambda _: self.runs.pop(order.flow_run))
        self._taken += 1
        self._writer.write(line(order))
        return ended

    def cancel(self, flow_run: str) -> None:
        if flow_run in self.runs:
            self._writer.write(line(Order(flow_run)))

    def stop(self) -> asyncio.Task[None]:
        """Kills it; the task ends with it."""
        self._is_ending = True
        self._kill(signal.SIGKILL)
        return self._watching

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        reason = await self._listen(reader)
        if reason:
            _logger.error("host %d: %s; it is killed, here is where it was", self.pid, reason)
            self._kill(signal.SIGABRT)  # its traceback goes to the log
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self._process.wait()
        self._kill(signal.SIGKILL)
        status = await self._process.wait()
        if not self._is_ending:
            HOSTS_LOST.inc()
        self._writer.close()
        self._folder.cleanup()
        for ended in self.runs.values():
            if not ended.done():  # its place is freed in the next turn of the loop
                ended.set_exception(HostDiedError(status or 1, reason or _end(status)))

    async def _listen(self, reader: asyncio.StreamReader) -> str:
        """Listens to the host until it ends; why it must be killed, or "" if it hung up."""
        silence = _START_SECONDS
        while True:
            try:
                async with asyncio.timeout(silence):
                    received = await reader.readline()
                if not received.endswith(b"\n"):  # the end, or within a line
                    return ""
                report = Report(*json.loads(received))
            except TimeoutError:
                return "its process did not respond; the worker's log says where it was"
            except OSError:
                return ""
            except (ValueError, TypeError) as error:
                return f"its process sent no message: {error}"
            silence = SILENT_SECONDS
            if report.flow_run in self.runs:
                self.runs[report.flow_run].set_result(report)
            elif report.error and not report.flow_run:
                return report.error

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
    """The hosts of a worker, by the environment that their runs need; each runs a module."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._hosts: list[Host] = []
        self._starting = asyncio.Lock()

    async def begin(
        self, order: Order, environment: Mapping[str, str]
    ) -> tuple[int, asyncio.Future[Report]]:
        """Begins to execute a flow run in a host with its environment; gives its pid, and see `Host.execute`."""
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
        for host in self._hosts:
            host.cancel(flow_run)

    async def end(self) -> None:
        if self._hosts:
            await asyncio.wait([host.stop() for host in self._hosts])

    async def _with_place(self, environment: Mapping[str, str]) -> Host:
        """The fullest host that takes another run, so that the rest becomes idle and ends."""
        self._hosts = [host for host in self._hosts if host.lives]
        free = [host for host in self._hosts if host.environment == environment and host.has_place]
        if not free:
            free = [await Host.start(self._module, environment)]
            self._hosts += free
        return max(free, key=lambda host: len(host.runs))

    def _retire(self, host: Host) -> None:
        """Ends a host that has had nothing to do; the last one waits for the next run."""
        is_last = not any(one.lives for one in self._hosts if one is not host)
        if host.lives and not host.runs and (host.is_worn or not is_last):
            host.stop()
