"""Notifies a backend of the status of the run."""

from __future__ import annotations

from typing import Any

from rivya_flows.assets import looks_like_asset
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.expansion.run_scope import outputs_of
from rivya_flows.planning.queue.actions import Work
from rivya_flows.planning.queue.queue import is_failing
from rivya_flows.planning.queue.state import State
from rivya_flows.tasks.notify import post_notice


async def notify(run: Run, action: Work) -> dict[str, Any]:
    """Post the notification; the step has no outputs."""
    arguments = {
        "url": str(action.arguments["url"]),
        "notice": notice(run.current(), action),
        "secret": action.arguments.get("secret"),
        **run.current().spec(action.step).retry.model_dump(),
    }
    await run.calls(post_notice, "notify", action.step, action.key, arguments)
    return {}


def notice(state: State, action: Work) -> dict[str, Any]:
    """The document: the current state of the run, and the `body` of the step.

    `status` is ``running`` in `steps`; in `on_failure` and `finally` it is the expected end of the
    run.
    """
    part = state.planned(action.step).part
    status = "failed" if is_failing(state) else "completed"
    return {
        "run_id": state.run_id,
        "name": state.plan.workflow.name,
        "step": action.step,
        "key": action.key,
        "status": "running" if part == "steps" else status,
        "outputs": _without_paths(outputs_of(state).values),
        "credits": {"spent": state.spent, "saved": state.saved, "budget": state.cap},
        "body": action.arguments.get("body"),
    }


def _without_paths(value: Any) -> Any:
    """Remove the paths of assets, which mean nothing on another machine."""
    if isinstance(value, list):
        return [_without_paths(one) for one in value]
    if isinstance(value, dict):
        left_out = {"path"} if looks_like_asset(value) else set()
        return {key: _without_paths(value[key]) for key in value if key not in left_out}
    return value
