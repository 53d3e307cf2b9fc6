"""Tasks for calls of the service: its models, an upload, a purchase, and the wait for a job with its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import Task, task

from rivya_flows.engine import files, jobs, purchases
from rivya_flows.engine.run import Run


@task(name="models")
async def list_models(run: Run) -> Mapping[str, Any]:
    """The whole response of ``GET /models``: free, needs no key."""
    return (await run.client.models.list()).payload


upload = Task(files.upload, name="upload")
buy = Task(purchases.submit, name="buy")
collect = Task(jobs.collect_job, name="collect")
