"""What tasks work with: the client, the asset store, and a folder for temporary files.

Tasks take and return immutable data, which Prefect can record; everything that is open (a
connection, a store) comes from the session of the surrounding context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from prefect.cache_policies import NO_CACHE

from rivya_flows.app.signing import Signing
from rivya_flows.client.client import RivyaClient
from rivya_flows.client.job_durations import Watched
from rivya_flows.client.types import File, Generation
from rivya_flows.errors import APIError
from rivya_flows.settings import MAX_JOB_BYTES, MAX_RESULTS
from rivya_flows.store.assets import AssetStore

PLAIN: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False, "retries": 0}
"""Options of every task. The journal alone records a run; Prefect stores no results, and its retries
would multiply those of the transport."""


MAX_DOWNLOADS = 16
"""At once in one run. More are no faster, and the HTTP library looks through all connections for each
request."""


class Wakes(Protocol):
    """Tells early that jobs have ended. Only the pause between two polls depends on it."""

    def waiting(self, task_id: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set once a notification of the job has arrived."""

    def slow(self) -> float | None:
        """Seconds between two polls of a job; None while notifications are not reliable."""


@dataclass(frozen=True)
class Session:
    """Open connections and stores.

    Attributes:
        wakes: Ends waits early by webhooks; None if they are off.
        seen: Jobs as they ended, by id.
        watched: How the waits for jobs went, by id.
        accepted: When jobs were accepted, by id, in seconds of `time.monotonic`.
        downloads: Limits how many run at once: they share the connections of the client.
        shared: Sends a file of this name unless another run has; None sends each.
        signing: Signs what `compose` and `layout` make; None leaves it unsigned.
        shrink: Divides the width and height of what is composed and laid out in a format.
    """

    client: RivyaClient
    assets: AssetStore
    scratch: Path
    wakes: Wakes | None = None
    seen: dict[str, Generation] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    downloads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_DOWNLOADS))
    shared: Callable[[Hashable, Callable[[], Awaitable[File]]], Awaitable[File]] | None = None
    on_poll: Callable[[APIError | None], None] | None = None
    signing: Signing | None = None
    max_results: int = MAX_RESULTS
    max_job_bytes: int = MAX_JOB_BYTES
    shrink: int = 1


_SESSION: ContextVar[Session] = ContextVar("rivya_flows_session")


def session() -> Session:
    """The session of this context; a `LookupError` outside `using`."""
    return _SESSION.get()


@contextmanager
def using(opened: Session) -> Iterator[Session]:
    """Use a session in this context."""
    token = _SESSION.set(opened)
    try:
        yield opened
    finally:
        _SESSION.reset(token)


_HEARS: ContextVar[Callable[[float], None]] = ContextVar("rivya_flows_hears")


def tell_progress(share: float) -> None:
    """Tell whoever called this task how much of its work is done, 0 to 1."""
    if hears := _HEARS.get(None):
        hears(share)


@contextmanager
def hearing(hears: Callable[[float], None]) -> Iterator[None]:
    """Call `hears` with the progress of the tasks that are called in this context."""
    token = _HEARS.set(hears)
    try:
        yield
    finally:
        _HEARS.reset(token)
