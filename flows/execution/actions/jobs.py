"""Waits for bought jobs and brings their results home."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import Collect
from rivya_flows.planning.queue.events import (
    BroughtFile,
    Event,
    ItemCompleted,
    ItemFailed,
    JobEnded,
)
from rivya_flows.tasks.generations import CollectError, JobFailedError, collect_generation

_MOST_URLS = 1_000  # that the journal remembers of one job


async def collect(run: Run, action: Collect) -> AsyncGenerator[Event]:
    """Tells the job's end and cost, then its media.

    Results that cannot be fetched or decoded leave the cost told, and what came home kept.
    """
    item = run.current().item(action.step, action.key)
    run.slots.under_way(action, None if item.order is None else item.order.model)
    earlier = item.last is not None and item.last.intended_at < run.began
    try:
        done = await run.calls(
            collect_generation,
            "wait",
            action.step,
            action.key,
            {
                "task_id": action.task_id,
                "media": action.media,
                "timeout_seconds": action.timeout_seconds,
                "earlier": earlier,
                "files": [one.model_dump() for one in action.files],
            },
        )
    except JobFailedError as error:
        yield _ended(run, action, error.generation)
        return
    except CollectError as error:
        if not action.settled:
            yield _ended(run, action, error.generation)
        yield ItemFailed(
            step=action.step,
            key=action.key,
            code=error.code,
            message=error.message,
            files=tuple(BroughtFile.model_validate(one) for one in error.files),
        )
        return
    finally:
        run.slots.over(action)
    if not action.settled:
        yield _ended(run, action, done["generation"])
    assets = [asset.as_json() for asset in done["assets"]]
    outputs = {"asset": assets[0], "assets": assets, "task_id": action.task_id}
    yield ItemCompleted(step=action.step, key=action.key, outputs=outputs)


def _ended(run: Run, action: Collect, generation: dict[str, Any]) -> JobEnded:
    error = generation.get("error") or {}
    final = generation.get("final_credits")
    if final is None:
        # A cost that was not told counts as what was set aside.
        bought = run.current().item(action.step, action.key).last
        final = bought.held if bought and generation["status"] == "succeeded" else 0
    result = generation.get("result") or {}
    return JobEnded(
        step=action.step,
        key=action.key,
        n=action.n,
        status=generation["status"],
        final_credits=final,
        urls=tuple(result.get("urls") or ())[:_MOST_URLS],
        error=error.get("message"),
        error_code=error.get("code"),
    )
