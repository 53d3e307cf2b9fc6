"""The order that references and `needs` give to steps, and the cycles that forbid one."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from rivya_flows.spec.expressions import references
from rivya_flows.spec.report import Report
from rivya_flows.spec.values import ExpressionError

_MAX_CYCLES = 10


def upstream(step: Mapping[str, Any]) -> tuple[str, ...]:
    """Ids that a step as written refers to or needs, in the order written, known or not."""
    named: dict[str, None] = {}
    for key in ("matrix", "foreach", "zip", "if", "with", "key"):
        try:
            found = references(step.get(key))
        except ExpressionError:
            continue  # told where expressions are checked
        for reference in sorted(found):
            if reference.namespace == "steps" and reference.path:
                named[reference.path[0]] = None
    needs = step.get("needs")
    for name in needs if isinstance(needs, list) else ():
        if isinstance(name, str):
            named[name] = None
    return tuple(named)


def check_order(data: Mapping[str, Any], report: Report) -> None:
    """Tells of unknown steps in `needs`, and of every cycle by its name."""
    steps = data.get("steps")
    if not isinstance(steps, dict):
        return
    edges: dict[str, list[str]] = {}
    for step_id, step in steps.items():
        if not isinstance(step, dict):
            continue
        edges[step_id] = [name for name in upstream(step) if name in steps]
        needs = step.get("needs")
        for index, name in enumerate(needs if isinstance(needs, list) else ()):
            if isinstance(name, str) and name not in steps:
                place = ("steps", step_id, "needs", index)
                report.unknown(place, "unknown-step", "step", steps, value=name)
    for _ in range(_MAX_CYCLES):
        cycle = _cycle(edges)
        if cycle is None:
            return
        first = min(cycle[:-1], key=list(steps).index)
        turned = cycle.index(first)
        named = [*cycle[turned:-1], *cycle[:turned], first]
        # Each step of the chain waits for the next one.
        hint = "take one of these references away"
        message = f"steps wait for each other: {' → '.join(named)}"
        if len(named) == 2:
            message = f"the step {first!r} refers to itself"
        report.add(("steps", first), "cycle", message, hint, key=True)
        edges[named[0]] = [name for name in edges[named[0]] if name != named[1]]


def _cycle(edges: Mapping[str, list[str]]) -> list[str] | None:
    """One cycle, each member waiting for the next and the last equal to the first; or None."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        found: list[str] = list(error.args[1])
        # graphlib names each member before the one that waits for it.
        return found[::-1]
    return None
