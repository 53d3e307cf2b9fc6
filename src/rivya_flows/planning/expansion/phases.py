"""When each part of a spec runs: `steps`, then `on_failure`, then `finally`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rivya_flows.language.step_groups import Part
from rivya_flows.planning.expansion.run_outputs import outputs_of
from rivya_flows.planning.names import label
from rivya_flows.planning.queue.items import UNCLOSED
from rivya_flows.planning.queue.state import State, step_status


@dataclass(frozen=True)
class Never:
    """The part does not run in this execution."""

    reason: str


Turn = Literal["now", "later"] | Never


def turn_of(state: State, part: Part) -> Turn:
    """Whether a part may run.

    `on_failure` runs once all of `steps` is settled, a step or an output failed, and no purchase is
    open that may still succeed: without an answer, or a job whose wait was stopped.
    """
    if part == "steps":
        return "now"
    if not _settled(state, "steps"):
        return "later"
    if part == "finally":
        return "now" if _settled(state, "on_failure") else "later"
    if _settled(state, "on_failure"):
        return "now"
    if not has_failed(state, "steps") and not outputs_of(state).failed:
        return Never("nothing failed")
    if still_open := _open_purchase(state):
        return Never(f"{still_open} has not ended; resume the run")
    return "now"


def has_failed(state: State, part: Part) -> bool:
    """Whether a step of a part failed, beyond its allowed failures."""
    return any(
        step_status(state.planned(name), state.steps[name]) == "failed"
        for name in state.plan.parts[part]
    )


def is_failing(state: State) -> bool:
    """Whether the run ends as failed, by what has ended so far.

    `on_failure` adds nothing: it runs where the run has failed already.
    """
    steps = has_failed(state, "steps") or has_failed(state, "finally")
    return steps or bool(outputs_of(state).failed)


def _settled(state: State, part: Part) -> bool:
    return state.totals.unsettled[part] == 0


def _open_purchase(state: State) -> str | None:
    for name in state.plan.parts["steps"]:
        if state.steps[name].tally.unclosed:
            for item in state.steps[name].items or ():
                if item.last is not None and item.last.status in UNCLOSED:
                    return label(name, item.key)
    return None
