"""Read a batch and price its rows, before anything is written or bought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rivya_flows.app.batch.pricing import BatchOptions, PricedBatch, price_rows
from rivya_flows.app.batch.rows import BatchRow, batch_id_of, read_rows, with_new_runs
from rivya_flows.app.catalogue_cache import read_catalogue
from rivya_flows.app.connect import connect
from rivya_flows.app.run_context import RunContext
from rivya_flows.app.runner import Runner
from rivya_flows.app.spec_file import load_spec
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.errors import BudgetError
from rivya_flows.language.workflow import MAX_LABELS, Workflow
from rivya_flows.planning.names import BATCH_LABEL
from rivya_flows.settings import Settings
from rivya_flows.store.database import in_thread

_MANY = 500


@dataclass(frozen=True)
class ReadBatch:
    """A batch whose rows are read and not priced."""

    batch_id: str
    options: BatchOptions
    workflow: Workflow
    catalogue: Catalogue
    rows: tuple[BatchRow, ...]
    balance: int

    async def priced(self, context: RunContext) -> tuple[tuple[BatchRow, ...], PricedBatch]:
        """The rows with the ids of their runs, and what they need; see `price_rows`."""
        gone = await in_thread(partial(context.journal.removed_ids, f"{self.batch_id}-"))
        rows = with_new_runs(self.rows, gone)
        return rows, price_rows(context, self.options, self.catalogue, self.batch_id, rows)


async def read_batch(
    context: RunContext, options: BatchOptions, say: Callable[[str], object]
) -> ReadBatch:
    """Reads the models, the balance and the rows."""
    async with context.first_client(say) as client:
        catalogue = await read_catalogue(client, context)
        balance = (await client.credits.retrieve()).current_credits
    request, file = options.request, options.table_name
    workflow = load_spec(request.spec, catalogue)
    batch_id = batch_id_of(workflow, request.spec.text, context.service.identity, file)
    names = {**workflow.labels, **request.labels}
    if BATCH_LABEL not in names and len(names) < MAX_LABELS:
        labels = {**request.labels, BATCH_LABEL: batch_id}
        options = replace(options, request=replace(request, labels=labels))
    rows = read_rows(
        options.table,
        file=file,
        workflow=workflow,
        batch_id=batch_id,
        given=request.inputs(workflow),
        keys=options.keys,
    )
    if len(rows) > _MANY:
        say(f"pricing {len(rows)} rows …")
    return ReadBatch(batch_id, options, workflow, catalogue, rows, balance)


@dataclass(frozen=True)
class BatchPlan:
    """What a batch would do and cost.

    Attributes:
        refused: Why nothing of it would run; None if rows would.
    """

    batch_id: str
    rows: tuple[BatchRow, ...]
    priced: PricedBatch
    balance: int
    refused: BudgetError | None

    def as_json(self) -> dict[str, Any]:
        """The document of ``batch --plan --json``."""
        batch = self.priced.batch
        again = {row.run_id for row in self.priced.again}
        return {
            "batch_id": self.batch_id,
            "credits": {
                "min": self.priced.least,
                "max": self.priced.most,
                "spent": batch.spent,
                "budget": batch.budget,
                "balance": self.balance,
            },
            "refused": self.refused and self.refused.message,
            "warnings": [*self.priced.shortages()],
            "rows": [
                {
                    "row": row.number,
                    "name": row.name,
                    "run_id": row.run_id,
                    "status": "completed" if state.status == "completed" else "not_completed",
                    "again": row.run_id in again,
                    "credits": {"min": state.least, "max": state.most},
                }
                for row, state in zip(self.rows, batch.rows, strict=True)
            ],
        }


async def plan_batch(
    options: BatchOptions,
    settings: Settings,
    runner: Runner,
    *,
    sandbox: bool,
    say: Callable[[str], object],
) -> BatchPlan:
    """What `run_batch` would do and cost; reads the models and the balance, and buys nothing."""
    chosen = settings if sandbox else await runner.with_key(settings)
    async with connect(chosen, sandbox=sandbox, notify=say) as context:
        batch = await read_batch(context, options, say)
        rows, priced = await batch.priced(context)
    refused = None
    try:
        priced.refuse_over(batch.balance)
    except BudgetError as error:
        refused = error
    return BatchPlan(batch.batch_id, rows, priced, batch.balance, refused)
