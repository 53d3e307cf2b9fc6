"""Asks the service about every job of a run, so that ledger, jobs and wallet can be compared."""

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

_TOLD = {"status", "model", "reserved_credits", "final_credits"}


async def compare_books(
    run: Run, client: RivyaClient, seen: Mapping[str, Generation] = MappingProxyType({})
) -> None:
    """Writes down what the service says of this run's jobs; free, and never fails a run.

    A service that does not answer leaves the comparison out; the receipt then says so.

    Args:
        run: The run.
        client: Of its service.
        seen: What the service said of jobs when they ended, by id: these are not asked again.
    """
    asked = jobs_to_ask(ledger_rows(run.journal.entries(run.run_id), run.current()))
    try:
        told = await asyncio.gather(*(_told(client, task_id, seen) for task_id in asked))
    except RivyaFlowsError:  # also of an id that no request can name
        return
    event = ServiceAsked(jobs=dict(zip(asked, told, strict=True)))
    run.journal.append(run.run_id, event, run.lease.fence)


async def _told(
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
    return job.model_dump(mode="json", include=_TOLD)
