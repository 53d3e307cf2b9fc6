"""The run's page in Prefect: the plan at the start, ledger and outputs at the end.

An artifact that cannot be written never fails a run: it is a picture, not the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from rivya_flows.plan.expand import Plan

_SECONDS = 10.0
_logger = logging.getLogger("rivya_flows.artifacts")


async def show_plan(plan: Plan, run_id: str) -> None:
    """The plan as a Mermaid graph."""
    text = f"```mermaid\n{mermaid(plan)}\n```"
    await _safely(
        acreate_markdown_artifact(markdown=text, key="plan", description=f"Plan of {run_id}")
    )


async def show_end(receipt: Mapping[str, Any]) -> None:
    """The ledger as a table."""
    names = ("step", "key", "n", "model", "status", "reserved", "final", "task_id")
    rows = [{name: row[name] for name in names} for row in receipt["ledger"]]
    if not rows:
        return
    spent = receipt["credits"]["spent"]
    await _safely(
        acreate_table_artifact(table=rows, key="ledger", description=f"{spent} credits spent")
    )


def mermaid(plan: Plan) -> str:
    """The plan as Mermaid text: steps as nodes, their order as arrows."""
    lines = ["flowchart TD"]
    for step_id, planned in plan.steps.items():
        count = len(planned.items) if planned.items is not None else None
        times = "" if count == 1 else f" × {count}" if count is not None else " × …"
        note = "<br/>skipped" if planned.skipped else ""
        lines.append(f'    {step_id}["{step_id}{times}<br/>{planned.step.uses}{note}"]')
        lines += [f"    {name} --> {step_id}" for name in sorted(planned.upstream)]
    return "\n".join(lines)


async def _safely(writing: Any) -> None:
    try:
        await asyncio.wait_for(writing, _SECONDS)
    except Exception as error:  # whatever Prefect raises, the run goes on
        _logger.warning("an artifact was not written: %s", error)
