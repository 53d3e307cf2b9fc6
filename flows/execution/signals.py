"""SIGTERM in a flow's process: Prefect raises it wherever it finds the process, also where no one listens."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from prefect.exceptions import TerminationSignal


@contextmanager
def caught_terminations() -> Iterator[None]:
    """Cancels this task when SIGTERM comes.

    Prefect's handler must stay in its place, since a worker asks whether it is there before it
    cancels a run. But what it raises ends whatever happens to run: in a task that nobody awaits
    or a callback it would be forgotten, and the run would go on until it is killed. So the event
    loop hears of the signal too.
    """
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
        # Once: several hear of one signal, and the end of the loop itself cancels all tasks.
        if task is not None and not task.cancelling():
            task.cancel()

    loop.set_exception_handler(handle)
    try:
        with _heard(loop, signal.SIGTERM, cancel):
            yield
    finally:
        loop.set_exception_handler(before)


@contextmanager
def _heard(
    loop: asyncio.AbstractEventLoop, number: signal.Signals, tell: Callable[[], None]
) -> Iterator[None]:
    """Calls `tell` in the loop when a signal comes, whatever its handler does.

    Not where somebody listens in this way already, as the command line does; nor outside the main
    thread, where no handler raises anything.
    """
    hears, told = socket.socketpair()
    with closing(hears), closing(told):
        hears.setblocking(False)
        told.setblocking(False)
        try:
            before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        except ValueError:
            yield
            return
        if before != -1:
            signal.set_wakeup_fd(before)
            yield
            return
        loop.add_reader(hears, lambda: tell() if number in hears.recv(256) else None)
        try:
            yield
        finally:
            loop.remove_reader(hears)
            signal.set_wakeup_fd(-1)
