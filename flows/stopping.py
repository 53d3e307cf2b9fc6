"""Stops one of several runs that one process executes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class StopRequest:
    """Stops one of the runs of a process, and no other."""

    def __init__(self) -> None:
        self.made = False
        self._task: asyncio.Task[Any] | None = None

    def make(self) -> None:
        """Stops the run now, or as soon as it begins; call it in the event loop of the run."""
        if self._task is not None and not self.made:
            self._task.cancel()
        self.made = True

    @contextmanager
    def _stops(self, task: asyncio.Task[Any]) -> Iterator[None]:
        if self.made:
            raise StoppedError
        self._task = task
        try:
            yield
        except asyncio.CancelledError:
            if not self.made:
                raise
            raise StoppedError from None
        finally:
            self._task = None
            if self.made:
                task.uncancel()  # what is awaited next goes on: Prefect tells its server


class StoppedError(Exception):
    """A run has been stopped by its `StopRequest`."""


_request: ContextVar[StopRequest | None] = ContextVar("stop_request", default=None)


@contextmanager
def stopped_by(request: StopRequest) -> Iterator[None]:
    """Lets a request stop the run that is executed inside."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def stoppable() -> Iterator[None]:
    """What the request of `stopped_by` stops; without one, nothing.

    Raises:
        StoppedError: It was stopped.
    """
    request, task = _request.get(), asyncio.current_task()
    if request is None or task is None:
        yield
        return
    with request._stops(task):
        yield
