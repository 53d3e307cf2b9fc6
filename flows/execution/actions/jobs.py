"""Waits for bought jobs and collects their results."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from rivya_flows.client.types import Generation
from rivya_flows.flows.absence import is_absence
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import Collect
from rivya_flows.planning.queue.events import Event, ItemCompleted, ItemFailed, JobEnded
from rivya_flows.tasks.generations import (
    CollectedJob,
    CollectError,
    JobFailedError,
    collect_generation,
)
from rivya_flows.tasks.session import session

MAX_URLS = 1_000
"""Result URLs of one job that the journal keeps."""


async def collect(run: Run, action: Collect) -> AsyncGenerator[Event]:
    """Report how the job ended and what it cost, then its media.

    If a result cannot be downloaded or decoded, the cost is reported all the same, and what was
    downloaded is kept.

    Raises:
        CollectError: A result could not be downloaded since its host is away, and the run outlasts
            that.
    """
    item = run.current().item(action.step, action.key)
    model = None if item.request is None else item.request.model
    run.slots.under_way(action, model)
    bought = None if item.last is None else item.last.intended_at
    earlier = bought is not None and bought < run.began
    arguments = {
        "task_id": action.task_id,
        "media": action.media,
        "model": model,
        "timeout_seconds": action.timeout_seconds,
        "earlier_seconds": (run.clock() - bought).total_seconds() if bought and earlier else None,
        "files": action.files,
    }
    failed = None
    try:
        done: CollectedJob = await run.calls(
            collect_generation, "collect", action.step, action.key, arguments
        )
    except JobFailedError as error:
        yield _ended(run, action, error.generation)
        return
    except CollectError as error:
        failed = error
    finally:
        run.slots.over(action)
    if not action.settled:
        yield _ended(run, action, failed.generation if failed else done.generation)
    of = {"step": action.step, "key": action.key}
    if failed and run.outlasts and is_absence(failed):
        raise failed
    if failed:
        yield ItemFailed(**of, code=failed.code, message=failed.message, files=failed.files)
        return
    assets = [asset.as_json() for asset in done.assets]
    outputs = {"asset": assets[0], "assets": assets, "task_id": action.task_id}
    yield ItemCompleted(**of, outputs=outputs)


def _ended(run: Run, action: Collect, job: Generation) -> JobEnded:
    final = job.final_credits
    if final is None:
        # A cost that the service did not report counts as what was set aside.
        bought = run.current().item(action.step, action.key).last
        final = bought.held if bought else 0
    watched = session().watched.pop(action.task_id, None)
    return JobEnded(
        step=action.step,
        key=action.key,
        n=action.n,
        status=job.status,
        final_credits=final,
        urls=job.result.urls[:MAX_URLS] if job.result else (),
        error=job.error.message if job.error else None,
        error_code=job.error.code if job.error else None,
        model=job.model,
        seconds=watched.seconds if watched else None,
        looks=watched.looks if watched else None,
        late_seconds=watched.late if watched else None,
    )
