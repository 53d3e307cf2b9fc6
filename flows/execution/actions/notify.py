"""Tells a backend how the run stands."""

from __future__ import annotations

from typing import Any

from rivya_flows.assets import as_asset
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.ledger.receipt import outputs_of
from rivya_flows.planning.expansion.phases import has_failed
from rivya_flows.planning.queue.actions import Work
from rivya_flows.planning.queue.state import State
from rivya_flows.tasks.notify import post_notice


async def notify(run: Run, action: Work) -> dict[str, Any]:
    """Posts the notice; the step has no outputs of its own."""
    arguments = {
        "url": str(action.arguments["url"]),
        "notice": notice(run.current(), action),
        "secret": action.arguments.get("secret"),
        **run.current().spec(action.step).retry.model_dump(),
    }
    await run.calls(post_notice, "notify", action.step, action.key, arguments)
    return {}


def notice(state: State, action: Work) -> dict[str, Any]:
    """What is told: the run as it stands now, and the step's own `body`.

    `status` is ``running`` in `steps`; in `on_failure` and `finally` it is how the run will end,
    as far as that is known.
    """
    part = state.planned(action.step).part
    failed = has_failed(state, "steps") or has_failed(state, "finally")
    status = "failed" if failed else "completed"
    return {
        "run_id": state.run_id,
        "name": state.plan.workflow.name,
        "step": action.step,
        "key": action.key,
        "status": "running" if part == "steps" else status,
        "outputs": _without_paths(outputs_of(state)),
        "credits": {"spent": state.spent, "saved": state.saved, "budget": state.cap},
        "body": action.arguments.get("body"),
    }


def _without_paths(value: Any) -> Any:
    """The same with assets as another machine knows them: by URL and hash, without our paths."""
    if isinstance(value, list):
        return [_without_paths(one) for one in value]
    if isinstance(value, dict):
        left_out = {"path"} if as_asset(value) else set()
        return {key: _without_paths(value[key]) for key in value if key not in left_out}
    return value
