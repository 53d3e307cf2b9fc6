"""One execution of a run: its options, what executes it, and what stops it from outside.

`flows` executes runs under Prefect, which nothing here knows.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, closing, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol, TypeVar

from pydantic import SecretStr

from rivya_client.client import RivyaClient
from rivya_client.errors import JobTimeoutError
from rivya_client.job_durations import Watched
from rivya_client.retries import RetryPolicy
from rivya_flows.assets import Asset
from rivya_flows.engine.cache import Reuse
from rivya_flows.engine.job_waits import HeldSlots, JobWakes
from rivya_flows.engine.run_context import RunContext, WalletCredentials
from rivya_flows.engine.signing import Signing
from rivya_flows.errors import APIError, StoreUnreachableError, UsageError
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue.actions import Buy, Collect, UploadMedium, Work
from rivya_flows.queue.events import Event, ItemFailed, JobSeen, RunResumed, Unpaid
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReport, RunReporter
from rivya_flows.settings import Settings
from rivya_flows.store.leases import HeldLease

Listener = Callable[[Event, State], None]
"""Called with each event after it was written, and the state after it."""

Asker = Callable[[Question], Awaitable[Answer | None]]
"""Gives a person's choice, which the question allows; None when there is no one to ask."""


Rendering = Callable[[str, str, float], None]
"""Called while an item renders, with its step, its key and the share that is done, 0 to 1; nothing
of it is written."""

MAX_DOWNLOADS = 16
"""At once in one run. More are no faster, and the HTTP library looks through all connections for each
request."""

T = TypeVar("T")
A = TypeVar("A", bound=UploadMedium | Buy | Collect | Work | ItemFailed)


def ignore(*_: object) -> None:
    """Hears nothing."""


async def no_blocks(_: str) -> None:
    """Knows no secret."""


def now() -> datetime:
    return datetime.now(UTC)


def is_absence(
    error: BaseException | None, of_others: Callable[[BaseException], bool] = lambda _: False
) -> bool:
    """Whether an error, or its cause, is that service, store or what `of_others` knows is away."""
    while error is not None:
        if isinstance(error, JobTimeoutError):  # the service answered all the time
            return False
        if isinstance(error, StoreUnreachableError) or of_others(error):
            return True
        if isinstance(error, APIError) and error.retryable:
            return True
        error = error.__cause__
    return False


class Call(Protocol):
    """Makes a call in the name of an action's item, so that a graph shows whose it is and after what."""

    async def __call__(
        self, function: Callable[[Run, A], Awaitable[T]], stage: str, action: A
    ) -> T:
        """What the function gives, which does the action of the run."""


@dataclass(frozen=True)
class RunOptions:
    """What an execution does beside continuing the run; `budget` is a new cap."""

    budget: int | None = None
    regenerate: tuple[str, ...] = ()
    resubmit: tuple[str, ...] = ()
    unpaid: Unpaid | None = None

    def resume_event(
        self, at: datetime, resend_hours: float, trace_id: str | None = None
    ) -> RunResumed:
        return RunResumed(at=at, resend_hours=resend_hours, trace_id=trace_id, **vars(self))


@dataclass(eq=False, repr=False)
class Run:
    """One execution of a run that is in the store: what its caller asks, and all that its calls reach.

    Attributes:
        outlasts: The errors that end this execution and not the run: somebody executes it again.
        lease, client, call, state: Set by the runner; `began` and `resend`, how old a purchase may be
            that is sent again, by the loop. `state` follows each event.
        shrink: Divides the width and height of what is composed and laid out in a format.
        conflict_seconds: How long a purchase is sent again after `idempotency_conflict`, since
            its first request may still be under way.
        look_seconds: How often an open question looks for answers from outside.
        accepted: When jobs were accepted, by id, in seconds of `time.monotonic`.
        downloads: Limits how many run at once: they share the connections of the client.
        frames: Frames that were taken of films, by SHA-256 and number; `taking` has a lock for each.
    """

    context: RunContext
    reporter: RunReporter
    options: RunOptions = field(default_factory=RunOptions)
    ask: Asker | None = None
    listen: Listener = ignore
    rendering: Rendering = ignore
    notify: Callable[[str], object] = ignore
    in_batch: bool = False
    outlasts: Callable[[BaseException], bool] = lambda _: False
    lease: HeldLease = field(init=False)
    client: RivyaClient = field(init=False)
    call: Call = field(init=False)
    began: datetime = field(init=False)
    resend: timedelta = field(init=False)
    state: State = field(init=False)
    stops: tuple[type[BaseException], ...] = (asyncio.CancelledError,)
    goes_on_elsewhere: Callable[[], bool] = lambda: False
    secret_block: Callable[[str], Awaitable[SecretStr | None]] = no_blocks
    slots: HeldSlots = field(default_factory=HeldSlots)
    wakes: JobWakes | None = None
    on_poll: Callable[[APIError | None], None] | None = None
    signing: Signing | None = None
    shrink: int = 1
    conflict_seconds: float = 60.0
    conflict_pause_seconds: float = 2.0
    look_seconds: float = 1.0
    clock: Callable[[], datetime] = now
    seen: dict[str, JobSeen] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    downloads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_DOWNLOADS))
    frames: dict[tuple[str, int], tuple[Asset, ...]] = field(default_factory=dict)
    taking: defaultdict[tuple[str, int], asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    @property
    def run_id(self) -> str:
        return self.reporter.row.run_id

    @cached_property
    def look_up(self) -> Reuse:
        # That of the context may know the runs of another run.
        return Reuse(self.context.assets, self.context.journal)

    def resume_event(self, trace_id: str | None = None) -> RunResumed:
        hours = self.context.settings.rivya_flows_resend_hours
        return self.options.resume_event(self.clock(), hours, trace_id)

    def retry(self, step: str) -> RetryPolicy:
        """How long a step repeats one request."""
        found = self.state.spec(step).retry
        if found.patience is None:
            return RetryPolicy(found.attempts)
        return RetryPolicy(found.attempts, found.patience)


class Runner(Protocol):
    """Executes runs in this process; what a subclass leaves out needs no Prefect."""

    async def with_key(self, settings: Settings) -> Settings:
        """The settings, with the key of a secret block where they have none and name a server."""
        return settings

    async def wallet(self, settings: Settings, name: str) -> WalletCredentials:
        """The wallet whose credentials have that name on the Prefect server."""
        raise UsageError(f"the wallet {name!r} cannot be used in a test", "leave out its name")

    def connect(
        self, settings: Settings, notify: Callable[[str], object] = lambda _: None
    ) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def execute(self, run: Run) -> RunReport:
        """Executes a run to its end, while `connect` lasts."""

    def board(self, run_id: str) -> str | None:
        """A URL that opens the live page of a run in one browser, once, while `connect` lasts; None if there is none."""
        return None

    async def wake(self, settings: Settings, run_id: str, notify: Callable[[str], object]) -> bool:
        """Continues the suspended flow run of a run that was resumed or answered here; never raises. False if
        it has one that is not suspended.
        """
        return True


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
            task.uncancel()  # what is awaited next continues: Prefect informs its server


@contextmanager
def on_signal(
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
