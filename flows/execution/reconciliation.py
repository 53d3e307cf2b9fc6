"""Compares ledger, jobs and wallet at the end of a run: asks about the jobs whose end nobody saw."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any

from rivya_flows.client.client import RivyaClient
from rivya_flows.client.types import Generation
from rivya_flows.errors import APIStatusError, RivyaFlowsError, StoreError
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.ledger.receipt import credits_of
from rivya_flows.ledger.reconciliation import jobs_to_ask
from rivya_flows.planning.queue.events import (
    MOST_OTHER_RUNS,
    OtherRun,
    PoolTotal,
    ServiceAsked,
)
from rivya_flows.store.charges import spent_by_others
from rivya_flows.store.database import in_thread
from rivya_flows.store.pools import Pools

AT_ONCE = 16
"""Questions that are open at the same moment."""

_FIELDS = {"status", "model", "reserved_credits", "final_credits"}


async def reconcile_jobs(
    run: Run, client: RivyaClient, seen: Mapping[str, Generation] = MappingProxyType({})
) -> None:
    """Records what the service says about this run's jobs; free, and never fails a run.

    Without an answer there is no comparison, and the receipt says so.

    Args:
        run: The run.
        client: Of its service.
        seen: What the service said about jobs as they ended, by id; it is not asked again about one
            whose cost it said, since the end of a job is final.
    """
    asked = jobs_to_ask(run.current())
    jobs = {task_id: seen[task_id] for task_id in asked if _is_final(seen.get(task_id))}
    unseen = iter([task_id for task_id in asked if task_id not in jobs])
    told: dict[str, Generation | None] = {**jobs}

    async def ask() -> None:
        for task_id in unseen:
            told[task_id] = await _job(client, task_id)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(asked) - len(jobs))):
                group.create_task(ask())
    except* RivyaFlowsError:  # also for an id that fits in no URL
        told.clear()
    if told or not asked:
        wire = {task_id: _wire(told[task_id]) for task_id in asked}
        others: tuple[OtherRun, ...] = ()
        if (credits_of(run.current()).unexplained or 0) > 0:
            with suppress(StoreError):
                engine, state = run.journal.engine, run.current()
                others = await in_thread(
                    partial(spent_by_others, engine, run.run_id, state.service, state.wallet)
                )
        pools: tuple[PoolTotal, ...] = ()
        with suppress(StoreError):
            pools = await in_thread(partial(_pools, run))
        spent = sum(one.most for one in others)
        most = others[:MOST_OTHER_RUNS]
        event = ServiceAsked(jobs=wire, others=spent, other_runs=most, pools=pools)
        fence = run.lease.fence
        entry = await in_thread(partial(run.journal.append, run.run_id, event, fence))
        run.record(entry, run.current())


def _pools(run: Run) -> tuple[PoolTotal, ...]:
    row = run.journal.run(run.run_id)
    return () if row is None else Pools(run.journal.engine).matching(row.labels, row.service)


def _is_final(job: Generation | None) -> bool:
    """Whether an answer has the end of a job and its cost, which may stay 0 until it is settled."""
    if job is None or not job.ended or job.final_credits is None:
        return False
    return job.status == "failed" or job.final_credits > 0 or not job.reserved_credits


async def _job(client: RivyaClient, task_id: str) -> Generation | None:
    try:
        return await client.generations.retrieve(task_id)
    except APIStatusError as error:
        if error.status == 404:
            return None
        raise


def _wire(job: Generation | None) -> dict[str, Any] | None:
    return None if job is None else job.model_dump(mode="json", include=_FIELDS)
