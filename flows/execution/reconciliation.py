"""Asks the service about every job of a run, to compare ledger, jobs and wallet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rivya_flows.client.client import RivyaClient
from rivya_flows.client.wire.api_objects import Generation
from rivya_flows.errors import APIStatusError, RivyaFlowsError
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.ledger.reconciliation import jobs_to_ask
from rivya_flows.ledger.rows import ledger_rows
from rivya_flows.planning.queue.events import ServiceAsked

_FIELDS = {"status", "model", "reserved_credits", "final_credits"}


async def reconcile_jobs(
    run: Run, client: RivyaClient, seen: Mapping[str, Generation] = MappingProxyType({})
) -> None:
    """Records what the service says about this run's jobs; free, and never fails a run.

    Without an answer there is no comparison, and the receipt says so.

    Args:
        run: The run.
        client: Of its service.
        seen: Jobs by id as they ended; the service is not asked about them again.
    """
    asked = jobs_to_ask(ledger_rows(run.journal.entries(run.run_id), run.current()))
    try:
        jobs = await asyncio.gather(*(_job(client, task_id, seen) for task_id in asked))
    except RivyaFlowsError:  # also for an id that fits in no URL
        return
    event = ServiceAsked(jobs=dict(zip(asked, jobs, strict=True)))
    run.journal.append(run.run_id, event, run.lease.fence)


async def _job(
    client: RivyaClient, task_id: str, seen: Mapping[str, Generation]
) -> dict[str, Any] | None:
    job = seen.get(task_id)
    if job is None:
        try:
            job = await client.generations.retrieve(task_id)
        except APIStatusError as error:
            if error.status == 404:
                return None
            raise
    return job.model_dump(mode="json", include=_FIELDS)
