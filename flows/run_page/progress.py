"""The progress of a run as a number and a sentence; pure."""

from __future__ import annotations

from dataclasses import dataclass

from rivya_flows.ledger.phrases import credits_of
from rivya_flows.planning.queue.item_state import Phase
from rivya_flows.planning.queue.state import State, StepState

_MOST = 6


@dataclass(frozen=True)
class RunProgress:
    """The progress of a run.

    Attributes:
        percent: Share of the known items that have ended, 0 to 100.
        summary: The active steps and the credits so far.
    """

    percent: float
    summary: str


def progress_of(state: State) -> RunProgress:
    """The progress of a run; its percentage can fall when a fan-out adds items."""
    done = total = 0
    for step_id in state.plan.parts["steps"]:
        items = state.steps[step_id].items
        total += 1 if items is None else len(items)
        done += state.steps[step_id].tally.ended
    percent = 100.0 if state.ended == "completed" else round(100 * done / max(total, 1), 1)
    return RunProgress(percent, f"{done} of {total} done{_active_steps(state)}; {_credits(state)}")


def _active_steps(state: State) -> str:
    if state.ended:
        return f", {state.ended}"
    active = [
        words
        for step_id, step in state.steps.items()
        if (words := _step(step_id, step)) is not None
    ]
    more = len(active) - _MOST
    shown = active[:_MOST] + ([f"{more} more steps"] if more > 0 else [])
    return f"; {', '.join(shown)}" if shown else ""


def _step(step_id: str, step: StepState) -> str | None:
    items, tally = step.items, step.tally
    if items is None or not tally.in_flight:
        return None
    if len(items) == 1:
        return f"{step_id} {_DOES[items[0].phase]}"
    return f"{step_id} {tally.ended} of {len(items)}"


_DOES = {
    Phase.LOOKING: "looks up an earlier result",
    Phase.UPLOADING: "is uploading",
    Phase.BUYING: "is buying",
    Phase.RUNNING: "is running",
}


def _credits(state: State) -> str:
    saved = f", {state.saved} saved" if state.saved else ""
    return f"{credits_of(state.spent)}{saved}"
