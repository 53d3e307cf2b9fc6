"""Ctrl-C and SIGTERM: the first cancels what runs, so that it ends well; the second kills."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from rivya_flows.cli.failures import INTERRUPTED
from rivya_flows.cli.output import tell

T = TypeVar("T")


class Interrupts:
    """Turns signals into the cancellation of one task.

    Attributes:
        happened: A signal came.
        say: Tells the person; whoever draws on the terminal puts its own way here.
    """

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.happened = False
        self.say: Callable[[str], object] = tell
        self._task = task

    def listen(self) -> None:
        """Takes both signals over; again, if something else has taken them meanwhile."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)

    def calm(self) -> None:
        """Lets the task go on after its cancellation, to end well."""
        self._task.uncancel()

    def _on_signal(self) -> None:
        if self.happened:
            # No second try to end well: whatever hangs must not be able to stop this.
            os._exit(INTERRUPTED)
        self.happened = True
        self.say("stopping; what was bought is kept (again: at once)")
        self._task.cancel()


def run_interruptibly(work: Callable[[Interrupts], Awaitable[T]]) -> T:
    """Runs a coroutine function in an event loop of its own.

    Raises:
        KeyboardInterrupt: A signal cancelled it.
    """

    async def guarded() -> T:
        task = asyncio.current_task()
        assert task is not None  # this is one
        interrupts = Interrupts(task)
        interrupts.listen()
        return await work(interrupts)

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
