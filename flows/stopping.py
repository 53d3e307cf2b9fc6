"""What stops a run from outside: SIGTERM, wherever Prefect's handler raises."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from prefect.exceptions import TerminationSignal

STOPPED = (asyncio.CancelledError, TerminationSignal)


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
