"""The plan as a Mermaid flow chart, which Prefect, GitHub and many editors render."""

from __future__ import annotations

import re

from rivya_client.catalogue.prices import price_of
from rivya_flows.estimate.estimate import Estimate, StepEstimate, greatest
from rivya_flows.plans.plan import PlannedStep, RunPlan

_MAX_MODELS = 3
_MAX_LABEL = 80
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")
_WORDS = frozenset({
    "end", "graph", "flowchart", "subgraph", "direction", "class", "classdef", "style", "linkstyle",
    "click", "href", "call", "default", "interpolate",
})  # fmt: skip
"""Reserved words of Mermaid."""

_ENTITIES = str.maketrans({letter: f"#{ord(letter)};" for letter in '"#&<>`\\$%'})
"""Mermaid writes an entity with `#` and its number in decimal."""


def mermaid(plan: RunPlan, priced: Estimate) -> str:
    """The plan as a chart: steps are nodes with models and credits, dependencies arrows."""
    known = {one.id: one for one in priced.steps}
    nodes = {step_id: _node(step_id, number) for number, step_id in enumerate(plan.steps)}
    lines = ["flowchart TD"]
    for part, step_ids in plan.parts.items():
        inside = part != "steps"
        if not step_ids:
            continue
        indent = " " * (8 if inside else 4)
        if inside:
            lines.append(f'    subgraph {part.upper()}["{part}"]')
        for step_id in step_ids:
            label = _label(step_id, plan.steps[step_id], known[step_id])
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


def _node(step_id: str, number: int) -> str:
    """The id of a step if Mermaid can parse it; else a unique one, since no id has a capital."""
    plain = _PLAIN.fullmatch(step_id) and step_id not in _WORDS
    return step_id if plain else f"S{number}"


def _label(step_id: str, planned: PlannedStep, priced: StepEstimate) -> str:
    step = planned.step
    count = "…" if planned.items is None else len(planned.items)
    lines = [f"{step_id} × {count}" if step.fans_out else step_id]
    if step.title:
        lines.append(step.title)
    models = _models(priced)
    lines.append(f"{step.uses}: {models}" if models else step.uses)
    if planned.round_of:
        lines.append("only if none of the first are picked")
    if planned.skipped:
        lines.append("skipped")
    elif price := _credits(priced):
        lines.append(price)
    return "<br/>".join(map(quoted, lines))


def _models(priced: StepEstimate) -> str:
    named = list(dict.fromkeys(item.model for item in priced.items if item.model))
    more = len(named) - _MAX_MODELS
    return ", ".join(named[:_MAX_MODELS]) + (f" and {more} more" if more > 0 else "")


def _credits(priced: StepEstimate) -> str:
    prices = [item.price for item in priced.items]
    most = greatest(prices)
    told = price_of(sum(one.min for one in prices), most).replace("–", " to ")
    return "" if most == 0 else told


def quoted(text: str) -> str:
    """The text as a quoted label: one line, shortened."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= _MAX_LABEL else f"{flat[: _MAX_LABEL - 1]}…"
    return short.translate(_ENTITIES)
