"""What stops a run from outside: SIGTERM, wherever Prefect's handler raises."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.exceptions import TerminationSignal

from rivya_flows.engine.run import on_signal

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
        with on_signal(loop, signal.SIGTERM, cancel):
            yield
    finally:
        loop.set_exception_handler(before)
