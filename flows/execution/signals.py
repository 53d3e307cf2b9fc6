"""Cancels a run on SIGTERM, wherever Prefect's handler raises its exception."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from prefect.exceptions import TerminationSignal


@contextmanager
def caught_terminations() -> Iterator[None]:
    """Cancels this task on SIGTERM.

    Prefect's handler must stay installed: a worker checks for it before it cancels a run. But its
    exception ends whatever code is running at that moment; in a callback or a task that nobody
    awaits it would be lost, and the run would continue until it is killed. So the event loop gets
    the signal too.

    Does nothing outside the main thread, where no handler raises: there a `StopRequest` stops a run.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), TerminationSignal):
            cancel()
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

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
    """Calls `call` in the loop on a signal, whatever its handler does.

    Does nothing if a wakeup descriptor is already set, as by the command line.
    """
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
