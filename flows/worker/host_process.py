"""Executes many flow runs in one process; started by `hosts`, which it obeys.

Prefect executes a flow run in the event loop of a process of its own. Here one loop has all of
them, in a thread that is not the main one: Prefect installs a handler of SIGTERM for each run in
the main thread, and the handlers of runs that overlap would replace one another.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import threading
from uuid import UUID

from rivya_flows.flows.prefect_internals import SharedRuns
from rivya_flows.flows.server.outage import told_outages
from rivya_flows.flows.spec_registry import flow_for_run
from rivya_flows.flows.stopping import StopRequest, stopped_by
from rivya_flows.flows.worker.messages import (
    LONGEST,
    Alive,
    Cancel,
    Ended,
    Execute,
    Message,
    line,
    next_message,
)
from rivya_flows.settings import read_settings

ALIVE_SECONDS = 5.0
"""How often it says that its loop turns."""

_logger = logging.getLogger("prefect.rivya_flows.worker")


class _Executions:
    """The flow runs that this process executes."""

    def __init__(self, shared: SharedRuns, writer: asyncio.StreamWriter) -> None:
        self._shared = shared
        self._writer = writer
        self._stops: dict[str, StopRequest] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, message: Message) -> None:
        match message:
            case Execute(flow_run):
                stop = self._stops[flow_run] = StopRequest()
                task = asyncio.create_task(self._execute(message, stop))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case Cancel(flow_run):
                if flow_run in self._stops:
                    self._stops[flow_run].make()
            case _:
                raise ValueError(f"unexpected {message}")

    async def say_alive(self) -> None:
        while True:
            self._writer.write(line(Alive()))
            await asyncio.sleep(ALIVE_SECONDS)

    async def _execute(self, order: Execute, stop: StopRequest) -> None:
        settings = read_settings().model_copy(update={"rivya_flows_spec": order.spec})
        try:
            with stopped_by(stop):
                known = await self._shared.execute(
                    UUID(order.flow_run),
                    lambda: flow_for_run(order.attribute, order.flow_run, settings),
                )
        except BaseException:  # whatever ended it: the worker must hear of it
            _logger.exception("flow run %s ended unexpectedly", order.flow_run)
            known = False
        del self._stops[order.flow_run]
        self._writer.write(line(Ended(order.flow_run, 0 if known else 1)))


async def _serve(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=LONGEST)
    async with (
        SharedRuns() as shared,
        told_outages(str(shared.client.api_url).rstrip("/"), _logger.warning),
    ):
        executions = _Executions(shared, writer)
        alive = asyncio.create_task(executions.say_alive())
        with contextlib.suppress(OSError):
            while (message := await next_message(reader, silence=None)) is not None:
                executions.hear(message)
        alive.cancel()
        # The worker is gone. Another one may continue these runs now: nothing here may go on.
        os._exit(0)


def main() -> None:
    """Serves the connection whose file descriptor is the first argument."""
    faulthandler.enable()  # SIGABRT: where all threads are
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the worker gets it too
    connection = socket.socket(fileno=int(sys.argv[1]))
    gc.collect()
    gc.freeze()  # what is imported stays
    thread = threading.Thread(target=lambda: asyncio.run(_serve(connection)), name="campaigns")
    thread.start()
    thread.join()
    os._exit(1)


if __name__ == "__main__":
    main()
