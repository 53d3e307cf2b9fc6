"""The outputs of a spec: their values, and why some of them cannot be evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.planning.expansion.namespaces import Space, scope_in, steps_in
from rivya_flows.planning.expansion.run_scope import known_of
from rivya_flows.planning.queue.state import State, step_status


@dataclass(frozen=True)
class SpecOutputs:
    """The outputs of a spec as far as a run has come.

    Attributes:
        values: By name; null where what an output uses is null, failed, or not there yet.
        failed: By name, why an output cannot be evaluated though all that it uses was made.
    """

    values: Mapping[str, Any]
    failed: Mapping[str, str]


def outputs_of(state: State, space: str = "") -> SpecOutputs:
    """The outputs of the spec of a run, or of the one that an `include` step includes."""
    inside, known = state.plan.spaces[space], known_of(state)
    values: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name, written in inside.workflow.outputs.items():
        values[name] = None
        try:
            values[name] = evaluate(written, scope_in(inside, written, known))
        except UsesNull:
            continue
        except ExpressionError as error:
            if _is_made(state, inside, written):
                failed[name] = str(error)
    return SpecOutputs(values, failed)


def _is_made(state: State, space: Space, written: Any) -> bool:
    """Whether no step that a value uses failed, was skipped, or is still running."""
    used = ((state.planned(one), state.steps[one]) for one in steps_in(space, written))
    return all(step_status(*one) in ("completed", "cached") for one in used)
