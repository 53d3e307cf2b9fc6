"""The options of one execution of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rivya_flows.planning.queue.events import RunResumed, Unpaid


@dataclass(frozen=True)
class RunOptions:
    """What an execution does beside continuing the run.

    Attributes:
        budget: A new cap, or None.
    """

    budget: int | None = None
    regenerate: tuple[str, ...] = ()
    resubmit: tuple[str, ...] = ()
    unpaid: Unpaid | None = None

    def resumed(self, resend_hours: float, trace_id: str | None = None) -> RunResumed:
        """The entry of the journal that says so."""
        return RunResumed(
            at=datetime.now(UTC),
            resend_hours=resend_hours,
            budget=self.budget,
            regenerate=self.regenerate,
            resubmit=self.resubmit,
            unpaid=self.unpaid,
            trace_id=trace_id,
        )
