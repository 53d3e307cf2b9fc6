"""The order of steps that references and `needs` define, and cycles in it."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.resolve import references
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.step_groups import PARTS, Part, later, seen_from
from rivya_flows.spec.names import WrittenSpec
from rivya_flows.steps.kind import WrittenStep

_MAX_NAMES = 12
_MAX_CYCLES = 10


def upstream(step: WrittenStep) -> tuple[str, ...]:
    """Ids that a step refers to or needs, in the order written, known or not."""
    named: dict[str, None] = {}
    for key in ("matrix", "foreach", "zip", "if", "with", "key", "fallback"):
        try:
            found = references(step.get(key))
        except ExpressionError:
            continue  # reported with the expressions
        for reference in sorted(found):
            if reference.namespace == "steps" and reference.path:
                named[reference.path[0]] = None
    return tuple(named | {name: None for _, name in step.needs})


def check_order(spec: WrittenSpec, report: DiagnosticCollector) -> None:
    """Reports duplicate step names, `needs` that cannot be met, and every cycle."""
    parts: dict[str, Part] = {}
    for step in spec.steps:
        if parts.setdefault(step.id, step.part) != step.part:
            message = f"{step.id!r} is already the name of a step in `{parts[step.id]}`"
            report.add(step.path, "duplicate-name", message, "rename one of them", key=True)
    edges: dict[Part, dict[str, list[str]]] = {part: {} for part in PARTS}
    for step in spec.steps:
        seen = seen_from(step.part)
        own = [name for name in upstream(step) if parts.get(name) == step.part]
        edges[step.part][step.id] = own
        for index, name in step.needs:
            place = (*step.path, "needs", index)
            if name not in parts:
                known = (one for one, other in parts.items() if other in seen)
                report.unknown(place, "unknown-step", "step", known, value=name)
            elif parts[name] not in seen:
                message = f"the step {name!r} runs later, so this step cannot wait for it"
                report.add(place, "out-of-scope", message, later(parts[name]))
    for part in PARTS:
        _check_cycles(edges[part], part, report)


def _check_cycles(edges: dict[str, list[str]], part: Part, report: DiagnosticCollector) -> None:
    place = {step_id: index for index, step_id in enumerate(edges)}
    for _ in range(_MAX_CYCLES):
        cycle = _cycle(edges)
        if cycle is None:
            return
        first = min(cycle[:-1], key=place.__getitem__)
        turned = cycle.index(first)
        named = [*cycle[turned:-1], *cycle[:turned], first]
        # Each step of the chain waits for the next one.
        hint = "remove one of these references"
        shown = named if len(named) <= _MAX_NAMES else [*named[: _MAX_NAMES - 2], "…", first]
        message = f"steps wait for each other: {' → '.join(shown)}"
        if len(named) == 2:
            message, hint = f"the step {first!r} refers to itself", "remove that reference"
        report.add((part, first), "cycle", message, hint, key=True)
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
