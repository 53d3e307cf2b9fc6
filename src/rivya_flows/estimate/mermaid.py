"""The plan as a Mermaid flow chart, which Prefect, GitHub and many editors render."""

from __future__ import annotations

import re

from rivya_client.catalogue.prices import price_of
from rivya_flows.estimate.estimate import Estimate, StepEstimate, greatest, only_if
from rivya_flows.language.wording import cut
from rivya_flows.plans.plan import RunPlan

_MAX_MODELS = 3
_MAX_LABEL = 80
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset({
    "end", "graph", "flowchart", "subgraph", "direction", "class", "classdef", "style", "linkstyle",
    "click", "href", "call", "default", "interpolate",
})  # fmt: skip
"""Reserved words of Mermaid."""

_ENTITIES = str.maketrans({letter: f"#{ord(letter)};" for letter in '"#&<>`\\$%'})
"""Mermaid writes an entity with `#` and its number in decimal."""


def mermaid(plan: RunPlan, priced: Estimate) -> str:
    """The plan as a chart: steps are nodes with models and credits, dependencies arrows."""
    known = {one.id: one for one in priced.steps}
    # The id of a step if Mermaid can parse it; else a unique one, since no id has a capital.
    nodes = {
        step_id: step_id if _PLAIN.fullmatch(step_id) and step_id not in _RESERVED else f"S{number}"
        for number, step_id in enumerate(plan.steps)
    }
    lines = ["flowchart TD"]
    for part, step_ids in plan.parts.items():
        inside = part != "steps"
        if not step_ids:
            continue
        indent = " " * (8 if inside else 4)
        if inside:
            lines.append(f'    subgraph {part.upper()}["{part}"]')
        for step_id in step_ids:
            label = _label(plan, step_id, known[step_id])
            opening, closing = plan.steps[step_id].kind.brackets
            lines.append(f'{indent}{nodes[step_id]}{opening}"{label}"{closing}')
        if inside:
            lines.append("    end")
    for step_id in plan.steps:
        lines += [f"    {nodes[name]} --> {nodes[step_id]}" for name in plan.follows(step_id)]
    skipped = [nodes[name] for name, planned in plan.steps.items() if planned.skipped]
    if skipped:
        lines += [
            "    classDef skipped stroke-dasharray: 4 4",
            f"    class {','.join(skipped)} skipped",
        ]
    return "\n".join(lines)


def _label(plan: RunPlan, step_id: str, priced: StepEstimate) -> str:
    planned = plan.steps[step_id]
    step = planned.step
    count = "…" if planned.items is None else len(planned.items)
    lines = [f"{step_id} × {count}" if step.fans_out else step_id]
    if step.title:
        lines.append(step.title)
    models = list(dict.fromkeys(item.model for item in priced.items if item.model))
    more = f" and {len(models) - _MAX_MODELS} more" if len(models) > _MAX_MODELS else ""
    first = ", ".join(models[:_MAX_MODELS]) + more
    lines.append(f"{step.uses}: {first}" if models else step.uses)
    if planned.round_of:
        lines.append(only_if(plan, planned))
    if planned.skipped:
        lines.append("skipped")
    elif (most := greatest(item.price for item in priced.items)) != 0:
        least = sum(item.price.min for item in priced.items)
        lines.append(price_of(least, most).replace("–", " to "))
    return "<br/>".join(map(escape, lines))


def escape(text: str) -> str:
    """The text for a label in quotes: one line, shortened."""
    return cut(" ".join(text.split()), _MAX_LABEL).translate(_ENTITIES)
