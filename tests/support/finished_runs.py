"""Runs in the store of the commands that a studio has executed, without Prefect."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from rivya_flows.settings import read_settings
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, customer


def finish(
    sandbox: Sandbox, spec: str, run_id: str, *, identity: str | None = None, **options: Any
) -> Studio:
    """Executes a run to its end, with a wallet of its own; gives its studio.

    Args:
        sandbox: The service.
        spec: The text of the spec.
        run_id: Of the new run.
        identity: What the run calls its service, if not by its address.
        options: As of `Studio.start`.
    """
    studio = customer(sandbox, read_settings().data)
    service = replace(studio.service, identity=identity or sandbox.base_url)
    studio = replace(studio, service=service)
    asyncio.run(studio.start(spec, run_id, **options))
    asyncio.run(studio.execute(run_id))
    return studio
