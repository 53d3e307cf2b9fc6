"""What stops one of several runs that a process executes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
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
            task.uncancel()  # what is awaited next goes on: Prefect tells its server
