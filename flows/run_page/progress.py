"""How far a run is, as a number and a sentence; pure."""

from __future__ import annotations

from dataclasses import dataclass

from rivya_flows.ledger.phrases import credits_of
from rivya_flows.planning.queue.state import TERMINAL, ItemState, Phase, State, StepState

_MOST = 6


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes:
        percent: Items that have ended, of all that are known, 0 to 100.
        words: Steps under way and the credits so far.
    """

    percent: float
    words: str


def standing(state: State) -> RunProgress:
    """The standing of a run; its number can fall when a fan-out turns out to be larger."""
    done = total = 0
    for step_id in state.plan.parts["steps"]:
        items = state.steps[step_id].items
        total += 1 if items is None else len(items)
        done += sum(item.phase in TERMINAL for item in items or ())
    percent = 100.0 if state.ended == "completed" else round(100 * done / max(total, 1), 1)
    return RunProgress(percent, f"{done} of {total} done{_under_way(state)}; {_credits(state)}")


def _under_way(state: State) -> str:
    if state.ended:
        return f", {state.ended}"
    told = [
        words
        for step_id, step in state.steps.items()
        if (words := _step(step_id, step)) is not None
    ]
    more = len(told) - _MOST
    shown = told[:_MOST] + ([f"{more} more steps"] if more > 0 else [])
    return f"; {', '.join(shown)}" if shown else ""


def _step(step_id: str, step: StepState) -> str | None:
    active = [item for item in step.items or () if _is_active(item)]
    if not active:
        return None
    items = step.items or ()
    if len(items) == 1:
        return f"{step_id} {_DOES[active[0].phase]}"
    done = sum(item.phase in TERMINAL for item in items)
    return f"{step_id} {done} of {len(items)}"


def _is_active(item: ItemState) -> bool:
    return item.phase in _DOES


_DOES = {
    Phase.LOOKING: "looks for an earlier result",
    Phase.UPLOADING: "uploads",
    Phase.BUYING: "is being bought",
    Phase.RUNNING: "is at work",
}


def _credits(state: State) -> str:
    saved = f", {state.saved} saved" if state.saved else ""
    return f"{credits_of(state.spent)}{saved}"
