"""What executes runs, as `app` sees it: `flows` implements it, since `app` knows no Prefect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from rivya_flows.app.report import RunReport, RunReporter
from rivya_flows.app.run_context import RunContext, WalletCredentials
from rivya_flows.planning.questions.question import Answer, Question
from rivya_flows.planning.queue.events import Event, RunResumed, Unpaid
from rivya_flows.planning.queue.state import State
from rivya_flows.settings import Settings

if TYPE_CHECKING:  # draws pages, which most runs do not need
    from rivya_flows.app.batch.summary import BatchResult

Listener = Callable[[Event, State], None]
"""Called with each event after it was written, and the state after it."""

Asker = Callable[[Question], Awaitable[Answer | None]]
"""Gives a person's choice, which the question allows; None when there is no one to ask."""


Rendering = Callable[[str, str, float], None]
"""Called while an item renders, with its step, its key and the share that is done, 0 to 1; nothing
of it is written."""


def ignore_event(event: object, state: State) -> None:
    """A listener that does nothing."""


def ignore_rendering(step: str, key: str, share: float) -> None:
    """Does nothing with it."""


@dataclass(frozen=True)
class RunOptions:
    """What an execution does beside continuing the run; `budget` is a new cap."""

    budget: int | None = None
    regenerate: tuple[str, ...] = ()
    resubmit: tuple[str, ...] = ()
    unpaid: Unpaid | None = None

    def resumed(self, resend_hours: float, trace_id: str | None = None) -> RunResumed:
        return RunResumed(
            at=datetime.now(UTC),
            resend_hours=resend_hours,
            budget=self.budget,
            regenerate=self.regenerate,
            resubmit=self.resubmit,
            unpaid=self.unpaid,
            trace_id=trace_id,
        )


@dataclass(frozen=True)
class Execution:
    """One execution of a run that is in the store.

    Attributes:
        ask: Puts questions to a person; None where there is no one.
        outlasts: Ends without an end of the run where the service is away: somebody executes it again.
    """

    context: RunContext
    reporter: RunReporter
    options: RunOptions = field(default_factory=RunOptions)
    ask: Asker | None = None
    listen: Listener = ignore_event
    rendering: Rendering = ignore_rendering
    notify: Callable[[str], object] = lambda _: None
    in_batch: bool = False
    outlasts: bool = False


class Runner(Protocol):
    """Executes runs in this process."""

    async def with_key(self, settings: Settings) -> Settings:
        """The settings, with the key of a secret block where they have none and name a server."""

    async def wallet(self, settings: Settings, name: str) -> WalletCredentials:
        """The wallet whose credentials have that name on the Prefect server."""

    def started(
        self, settings: Settings, notify: Callable[[str], object] = ...
    ) -> AbstractAsyncContextManager[None]:
        """Runs what `execute` needs, for any number of executions at once."""

    async def execute(self, execution: Execution) -> RunReport:
        """Executes a run to its end, while `started` lasts."""

    async def batch_ended(self, context: RunContext, result: BatchResult) -> None:
        """Tells people, as they asked for, how a batch ended; never raises."""

    async def wake(self, settings: Settings, run_id: str, notify: Callable[[str], object]) -> None:
        """Continues the suspended flow run of a run that was resumed here; never raises."""
