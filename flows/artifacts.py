"""The run's page in Prefect: the plan at the start, ledger and outputs at the end.

An artifact that cannot be written never fails a run: it is a picture, not the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from rivya_flows.plan.mermaid import mermaid
from rivya_flows.plan.planned import Plan

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


async def _safely(writing: Any) -> None:
    try:
        await asyncio.wait_for(writing, _SECONDS)
    except Exception as error:  # whatever Prefect raises, the run goes on
        _logger.warning("an artifact was not written: %s", error)
