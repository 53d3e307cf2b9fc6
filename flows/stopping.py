"""What stops a run: SIGTERM, wherever Prefect's handler raises, or a request for one run of a process."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import Any

from prefect.exceptions import TerminationSignal

STOPPED = (asyncio.CancelledError, TerminationSignal)
"""What stops an execution from outside."""


class StopRequest:
    """Stops one of the runs of a process, and no other."""

    made = False
    task: asyncio.Task[Any] | None = None

    def make(self) -> None:
        """Stops the run now, or as soon as it begins; call it in the event loop of the run."""
        if self.task is not None and not self.made:
            self.task.cancel()
        self.made = True


class StoppedError(Exception):
    """A run has been stopped by its `StopRequest`."""


_request: ContextVar[StopRequest | None] = ContextVar("stop_request", default=None)


@contextmanager
def stopped_by(request: StopRequest) -> Iterator[None]:
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def stoppable() -> Iterator[None]:
    """What the request of `stopped_by` stops, by a `StoppedError`."""
    request, task = _request.get() or StopRequest(), asyncio.current_task()
    if request.made:
        raise StoppedError
    request.task = task
    try:
        yield
    except asyncio.CancelledError:
        if not request.made:
            raise
        raise StoppedError from None
    finally:
        request.task = None
        if request.made and task is not None:
            task.uncancel()  # what is awaited next goes on: Prefect tells its server


@contextmanager
def caught_terminations() -> Iterator[None]:
    """Cancels this task on SIGTERM.

    Prefect's handler must stay: a worker checks for it before it cancels a run. But what it raises in a callback
    or a task that nobody awaits would be lost, so the event loop gets the signal too. Outside the main
    thread no handler raises: there a `StopRequest` stops a run.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), TerminationSignal):
            cancel()
        else:
            (before or type(loop).default_exception_handler)(loop, context)

    def cancel() -> None:
        # Once: a signal arrives here more than once, and a closing loop cancels all tasks.
        if task is not None and not task.cancelling():
            task.cancel()

    loop.set_exception_handler(handle)
    try:
        with _on_signal(loop, signal.SIGTERM, cancel):
            yield
    finally:
        loop.set_exception_handler(before)


@contextmanager
def _on_signal(
    loop: asyncio.AbstractEventLoop, number: signal.Signals, call: Callable[[], None]
) -> Iterator[None]:
    """Calls `call` in the loop on a signal, whatever its handler does; not if a wakeup descriptor is set."""
    reader, writer = socket.socketpair()
    with closing(reader), closing(writer):
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            yield
            return
        loop.add_reader(reader, lambda: call() if number in reader.recv(256) else None)
        try:
            yield
        finally:
            loop.remove_reader(reader)
            signal.set_wakeup_fd(-1)
