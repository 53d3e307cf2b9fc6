"""Calls Python functions as steps: free ones, and those that cost credits."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import Buy, Work
from rivya_flows.planning.queue.events import Event, ItemCompleted, JobEnded
from rivya_flows.tasks.functions import call_function


async def call_free(run: Run, action: Work) -> dict[str, Any]:
    """Call a free function; gives its outputs."""
    return await _called(run, action, action.uses, action.arguments, "")


async def call_paid(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Call a function under the key of a purchase; report its cost and outputs.

    An exception leaves the purchase open: only the function knows whether it bought, and a resume
    calls it again with the same arguments under the same key.
    """
    sent = json.loads(action.body)
    arguments, key = sent["arguments"], action.idempotency_key
    outputs = await _called(run, action, sent["model"], arguments, key)
    yield JobEnded(
        step=action.step,
        key=action.key,
        n=action.n,
        status="succeeded",
        final_credits=action.reserve,
    )
    yield ItemCompleted(step=action.step, key=action.key, outputs=outputs)


async def _called(
    run: Run, action: Buy | Work, name: str, arguments: dict[str, Any], idempotency_key: str
) -> dict[str, Any]:
    given: dict[str, Any] = await run.calls(
        call_function,
        name,
        action.step,
        action.key,
        {
            "name": name,
            "arguments": arguments,
            "idempotency_key": idempotency_key,
            "timeout_seconds": run.current().spec(action.step).timeout,
        },
    )
    return given
