"""Executes many flow runs in one process; started by `processes.hosts`, which it obeys.

One loop has all of them, in a thread that is not the main one: there Prefect would install a handler of SIGTERM
for each run, and those of runs that overlap would replace one another.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import json
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from types import FrameType
from uuid import UUID

from rivya_flows.engine import work
from rivya_flows.engine.run import StopRequest, stopped_by
from rivya_flows.flows.server.environment import report_outages
from rivya_flows.flows.spec_registry import flow_for_run
from rivya_flows.flows.worker.prefect_internals import SharedRuns, ask_often, persist_no_results
from rivya_flows.processes.hosts import LONGEST_TEXT, SILENT_SECONDS, Order, Report, line
from rivya_flows.settings import read_settings

_LINES = 12  # of a stack that are shown
_OURS = ("rivya_flows.", "rivya_client.")
_CALLS = {"call_function", "_call_in_time", "_call_coroutine"}
"""Functions of `engine.work` that call a step function."""

_ALIVE_SECONDS = 5.0

STUCK_SECONDS = 15 * 60.0  # an event loop that did not turn for so long ends its host
_logger = logging.getLogger("prefect.rivya_flows.worker")  # shown where Prefect's are


class LoopWatch:
    """Looks from outside whether an event loop turns, and where it stands."""

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        self._loop = loop
        self._thread = thread
        self._unanswered_since: float | None = None
        self._warned = False

    def look(self) -> str:
        """Why the process of the loop must end, else ""; call it every few seconds."""
        now = time.monotonic()
        asked = self._unanswered_since
        if asked is None:
            self._unanswered_since, self._warned = now, False
            self._loop.call_soon_threadsafe(self._answer)
            return ""
        return self.judge(now - asked, sys._current_frames().get(self._thread))

    def judge(self, seconds: float, frame: FrameType | None) -> str:
        """As `look`, of a loop that has stood for some time: a step function blocks it, or nothing continues."""
        if seconds < SILENT_SECONDS:
            return ""
        if (step := _step(frame)) is not None:
            return f"a step function blocked its process for {seconds:.0f} s: {step}"
        if seconds >= STUCK_SECONDS:
            return f"its process was stuck for {seconds:.0f} s; the worker's log says where"
        if not self._warned:
            stack = "".join(traceback.format_list(traceback.extract_stack(frame)[-_LINES:]))
            text = "host %d: its runs have not gone on for %.0f s; it stands here:\n%s"
            _logger.warning(text, os.getpid(), seconds, stack)
            self._warned = True
        return ""

    def _answer(self) -> None:
        self._unanswered_since = None


def _calls_function(frame: FrameType) -> bool:
    code = frame.f_code.co_name
    return frame.f_globals.get("__name__") == work.__name__ and code in _CALLS


def _step(frame: FrameType | None) -> str | None:
    """The line of a step function at which the loop stands; None if it stands elsewhere."""
    called: FrameType | None = None
    while frame is not None and not _calls_function(frame):
        called, frame = frame, frame.f_back
    if frame is None or called is None:
        return None
    if str(called.f_globals.get("__name__")).startswith(_OURS):  # it prepares a call, as a download
        return None
    code = called.f_code
    return f"{code.co_qualname}, {code.co_filename}:{called.f_lineno}"[-LONGEST_TEXT:]


async def _serve(inbox: asyncio.Queue[Order], outbox: queue.SimpleQueue[Report | None]) -> None:
    stops: dict[str, StopRequest] = {}

    async def execute(order: Order, stop: StopRequest) -> None:
        error = lines = ""
        try:
            settings = read_settings().model_copy(update={"rivya_flows_spec": order.spec})
            with stopped_by(stop):
                known = await shared.execute(
                    UUID(order.flow_run),
                    lambda: flow_for_run(order.attribute, order.flow_run, settings),
                )
            if not known:
                error = "it ended without a final state"
        except BaseException as raised:  # whatever ended it: the worker must get it
            lines = "".join(traceback.format_exception(raised))[-LONGEST_TEXT:]
            error = f"{type(raised).__name__}: {raised}"[:LONGEST_TEXT]
        if stops.get(order.flow_run) is stop:  # and not that of a later execution of the run
            del stops[order.flow_run]
        outbox.put(Report(order.flow_run, error, lines))

    async with (
        SharedRuns() as shared,
        report_outages(str(shared.client.api_url).rstrip("/"), _logger.warning),
        asyncio.TaskGroup() as executions,
    ):
        while True:
            order = await inbox.get()
            if order.attribute:
                stop = stops[order.flow_run] = StopRequest()
                executions.create_task(execute(order, stop))
            elif order.flow_run in stops:
                stops[order.flow_run].make()


def _read(
    connection: socket.socket, loop: asyncio.AbstractEventLoop, inbox: asyncio.Queue[Order]
) -> None:
    with suppress(OSError, ValueError, TypeError), connection.makefile("rb") as lines:
        for received in lines:
            loop.call_soon_threadsafe(inbox.put_nowait, Order(*json.loads(received)))
    # The worker is gone. Another worker may continue these runs now: this process must end.
    os._exit(0)


def _write(
    connection: socket.socket, outbox: queue.SimpleQueue[Report | None], watch: LoopWatch
) -> None:
    """Sends what comes, and every few seconds how the loop does, until None comes."""
    report: Report | None = Report()
    while report is not None:
        connection.sendall(line(report))
        try:
            report = outbox.get(timeout=_ALIVE_SECONDS)
        except queue.Empty:
            report = Report(error=watch.look())


def main() -> None:
    """Serves the connection whose file descriptor is the first argument."""
    faulthandler.enable()  # SIGABRT: where all threads are
    # Of the terminal, or of systemd: the worker gets them too, and decides. Programs that a run starts
    # inherit only what is ignored.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)
    persist_no_results()
    ask_often()
    connection = socket.socket(fileno=int(sys.argv[1]))
    gc.collect()
    gc.freeze()  # what is imported stays
    loop = asyncio.new_event_loop()
    inbox: asyncio.Queue[Order] = asyncio.Queue()
    outbox: queue.SimpleQueue[Report | None] = queue.SimpleQueue()

    def execute() -> None:
        try:
            loop.run_until_complete(_serve(inbox, outbox))
        finally:
            outbox.put(None)

    thread = threading.Thread(target=execute, name="campaigns")
    thread.start()
    threading.Thread(target=_read, args=(connection, loop, inbox), daemon=True).start()
    with suppress(OSError):
        _write(connection, outbox, LoopWatch(loop, thread.ident or 0))
    os._exit(1)


if __name__ == "__main__":
    main()
