"""Ctrl-C and SIGTERM: the first cancels the run, so that it ends well; the second kills it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rivya_flows.cli.failures import INTERRUPTED
from rivya_flows.cli.output import show_cursor, tell

if TYPE_CHECKING:  # takes a while, and is needed only when a command works
    import asyncio

T = TypeVar("T")


class Interrupts:
    """Turns signals into the cancellation of one task."""

    begun: ClassVar = False  # this process has executed a run, which may have bought

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.say: Callable[[str], object] = tell  # what draws on the terminal replaces it
        self.jobs: Callable[[], Sequence[str]] = tuple  # those that run at this moment, in words
        self._happened = False
        self._resume: str | None = None  # the command that continues; None while there is no run
        self._task = task

    def listen(self) -> None:
        """Handles both signals, also after something else has installed its own handlers."""
        import asyncio

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)

    def begin(self, run_id: str) -> None:
        """From now on there is a run to resume."""
        Interrupts.begun = True
        self._resume = f"rivya-flows resume {run_id}"

    def tell_resume(self) -> None:
        """Names the command that continues, if there is a run."""
        if self._resume:
            tell(f"resume with: {self._resume}")

    def calm(self) -> None:
        """Takes the cancellation back, so that the task can end well."""
        self._task.uncancel()

    def _on_signal(self) -> None:
        if self._happened:
            with contextlib.suppress(Exception):  # whatever state the terminal is in
                show_cursor()
                if jobs := self.jobs():
                    tell(f"still running, and paid for: {', '.join(jobs)}")
                self.tell_resume()
            # Ends at once: nothing that hangs may prevent it.
            os._exit(INTERRUPTED)
        self._happened = True
        kept = "; what was bought is kept" if Interrupts.begun else ""
        self.say(f"stopping{kept} (Ctrl-C again: stop at once)")
        self._task.cancel()


def run_interruptibly(work: Callable[[Interrupts], Awaitable[T]]) -> T:
    """Runs a coroutine function in an event loop of its own; KeyboardInterrupt: a signal cancelled it."""
    import asyncio

    async def guarded() -> T:
        task = asyncio.current_task()
        assert task is not None  # this is one
        interrupts = Interrupts(task)
        interrupts.listen()
        try:
            return await work(interrupts)
        except asyncio.CancelledError:
            interrupts.tell_resume()
            raise

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
