"""A run while it executes: everything that the engine and its actions reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from rivya_flows.app.cache import Reuse
from rivya_flows.app.run_context import RunContext
from rivya_flows.app.runner import Asker, Listener, Rendering, ignore_event, ignore_rendering
from rivya_flows.flows.server.limits import HeldSlots
from rivya_flows.planning.queue.events import Stamped
from rivya_flows.planning.queue.state import State
from rivya_flows.store.leases import HeldLease

if TYPE_CHECKING:
    from prefect import Task


class Calls(Protocol):
    """Calls a task in the name of an item, so that the graph shows whose it is and after what."""

    async def __call__(
        self, task: Task[..., Any], stage: str, step: str, key: str, arguments: Mapping[str, Any]
    ) -> Any:
        """The task's result."""


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Run:
    """One execution of a run.

    Attributes:
        ask: Puts a question to a person; None where there is no one.
        clock: UTC now.
        conflict_seconds: How long a purchase is sent again after `idempotency_conflict`, since
            its first request may still be under way.
    """

    run_id: str
    context: RunContext
    lease: HeldLease
    calls: Calls
    ask: Asker | None = None
    listen: Listener = ignore_event
    rendering: Rendering = ignore_rendering
    record: Callable[[Stamped, State], None] = ignore_event
    slots: HeldSlots = field(default_factory=HeldSlots)
    outlasts: bool = False
    clock: Callable[[], datetime] = now
    began: datetime = field(default_factory=now)
    conflict_seconds: float = 60.0
    conflict_pause_seconds: float = 2.0
    state: State | None = field(default=None, repr=False)

    @cached_property
    def look_up(self) -> Reuse:
        """Finds finished work of an equal request of an earlier run."""
        context = self.context  # whose own one may know the runs of another run
        return Reuse(context.results, context.assets, context.journal)

    def current(self) -> State:
        if self.state is None:
            raise RuntimeError("the run has not begun")
        return self.state
