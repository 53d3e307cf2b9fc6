"""SIGTERM in a flow's process: Prefect raises it wherever it finds the process, also where no one listens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.exceptions import TerminationSignal


@contextmanager
def caught_terminations() -> Iterator[None]:
    """Cancels this task when the signal was raised in a callback of the event loop.

    There it would be logged and forgotten, and the run would go on until it is killed. Anywhere
    else it ends the loop, which cancels all tasks, or the step that it was raised in.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), TerminationSignal) and task is not None:
            task.cancel()
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)
