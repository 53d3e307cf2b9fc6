"""The model list."""

from __future__ import annotations

from typing import Any

from prefect import task

from rivya_flows.tasks.session import PLAIN, session


@task(name="models", task_run_name="models", **PLAIN)
async def list_models() -> dict[str, Any]:
    """The whole response of ``GET /models``: free, needs no key."""
    return dict((await session().client.models.list()).payload)
