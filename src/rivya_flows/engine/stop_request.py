"""What stops a run from outside: one of several runs of a process, or a signal."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import Any


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
            task.uncancel()  # what is awaited next continues: Prefect informs its server


@contextmanager
def on_signal(
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
