"""Deadlines of questions: a flow that lets suspended runs go on when theirs has come.

A run that is suspended with a deadline asks for one run of this flow at that very moment. A rare
sweep finds what was missed, as when the server was down.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import flow, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    State,
    StateType,
)
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Interval
from prefect.states import Completed

from rivya_flows.flows.deploy_blocks import OWNER_TAG, WORK_POOL
from rivya_flows.flows.questions.suspension import WAKER, WAKER_DEPLOYMENT, wake
from rivya_flows.flows.recovery.cancelled import settle_cancelled
from rivya_flows.flows.recovery.lost_runs import start_overlooked
from rivya_flows.flows.run_ids import flow_run_of
from rivya_flows.flows.run_logger import run_logger
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.overdue_questions import is_overdue, maybe_overdue

SWEEP = timedelta(minutes=15)

_PAGE = 200


@flow(name=WAKER, retries=0, persist_result=False)
async def wake_overdue() -> State[None]:
    """Lets each suspended run go on whose deadline has passed, and each that died unnoticed.

    What the deadline decides is written by the run itself, under its lease and after a look at
    the form: a person's answer that came first stands.
    """
    logger = run_logger()
    journal = Journal(read_settings().store_url)
    woken = 0
    try:
        for run_id in await settle_cancelled(journal):
            logger.info("%s: was cancelled while it waited for an answer", run_id)
        for flow_run_id in await start_overlooked(journal.engine):
            logger.info("%s died unnoticed and is started again", flow_run_id)
        now = datetime.now(UTC)
        for run_id, flow_run_id in await _suspended(maybe_overdue(journal, now)):
            if is_overdue(journal, run_id, now) and await wake(flow_run_id):
                woken += 1
                logger.info("%s: its deadline has passed; it goes on", run_id)
    finally:
        journal.close()
    return Completed(message=f"{woken} went on" if woken else "nothing is overdue")


async def _suspended(run_ids: Sequence[str]) -> list[tuple[str, UUID]]:
    """Those of the runs whose flow run is suspended now; one of the command line has none."""
    flow_runs = {found: run_id for run_id in run_ids if (found := flow_run_of(run_id))}
    ids = list(flow_runs)
    paused = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
    waiting: list[tuple[str, UUID]] = []
    async with get_client() as client:
        for first in range(0, len(ids), _PAGE):
            some = FlowRunFilterId(any_=ids[first : first + _PAGE])
            page = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(id=some, state=paused), limit=_PAGE
            )
            waiting += [(flow_runs[one.id], one.id) for one in page]
    return waiting


async def deploy_waker(work_pool: str = WORK_POOL) -> UUID:
    """Deploys the waker, or brings its deployment up to date; gives its id.

    Args:
        work_pool: One whose workers reach the store.
    """
    made = RunnerDeployment.from_entrypoint(
        "rivya_flows.flows.recovery.waker:wake_overdue",
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
