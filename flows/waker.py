"""Deadlines of questions: a flow that lets suspended runs go on when theirs has come.

A run that is suspended with a deadline asks for one run of this flow at that very moment. A rare
sweep finds what was missed, as when the server was down.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, State
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Interval
from prefect.states import Completed

from flows.cancelled import settle_cancelled
from flows.deployments import OWNER_TAG, WORK_POOL
from flows.suspending import WAKER, WAKER_DEPLOYMENT, flow_run_of, wake
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.overdue import overdue_runs

SWEEP = timedelta(minutes=15)


@flow(name=WAKER, retries=0, persist_result=False)
async def wake_overdue() -> State[None]:
    """Lets each suspended run go on whose deadline has passed.

    What the deadline decides is written by the run itself, under its lease and after a look at
    the form: a person's answer that came first stands.
    """
    logger = get_run_logger()
    journal = Journal(read_settings().store_url)
    try:
        for run_id in await settle_cancelled(journal):
            logger.info("%s: was cancelled while it waited for an answer", run_id)
        overdue = overdue_runs(journal, datetime.now(UTC))
    finally:
        journal.close()
    woken = 0
    for run_id in overdue:
        flow_run_id = flow_run_of(run_id)
        if flow_run_id is not None and await wake(flow_run_id):
            woken += 1
            logger.info("%s: its deadline has passed; it goes on", run_id)
    return Completed(message=f"{woken} of {len(overdue)} overdue runs go on")


async def deploy_waker(work_pool: str = WORK_POOL) -> UUID:
    """Deploys the waker, or brings its deployment up to date; gives its id.

    Args:
        work_pool: One whose workers reach the store.
    """
    made = RunnerDeployment.from_entrypoint(
        "flows.waker:wake_overdue",
        name=WAKER_DEPLOYMENT,
        description="Lets runs go on whose question nobody answered in time.",
        schedules=[Interval(SWEEP, slug="sweep")],
        # One at a time, and none is dropped: each may be there for a deadline of its own.
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
        ),
        tags=[OWNER_TAG],
        work_pool_name=work_pool,
    )
    deployed: UUID = await made.aapply()
    return deployed
