"""Signed callbacks to a backend."""

from __future__ import annotations

from typing import Any

from prefect import task
from pydantic import JsonValue

from rivya_flows.assets import Outputs, looks_like_asset
from rivya_flows.callbacks import post_callback
from rivya_flows.engine.run import Run
from rivya_flows.language.canonical import canonical
from rivya_flows.language.syntax.secret_names import names_secret
from rivya_flows.queue.actions import Work
from rivya_flows.queue.queue import is_failing
from rivya_flows.queue.scope import outputs_of
from rivya_flows.queue.state import State
from rivya_flows.steps.notify import NotifyWith
from rivya_flows.tasks.secret_values import revealed


@task(name="notify")
async def post_notice(run: Run, work: Work) -> Outputs:
    """Post the state of the run as JSON, signed if the step names a secret."""
    asked = NotifyWith.model_validate(work.arguments)
    url, secret = str(asked.url), asked.secret
    await post_callback(
        await revealed(url) if names_secret(url) else url,
        canonical(_notice(run.state, work)).encode(),
        None if secret is None else await revealed(secret),
        retry=run.retry(work.step),
        allow_private=run.context.settings.rivya_flows_allow_private_notify,
    )
    return {}


def _notice(state: State, work: Work) -> dict[str, JsonValue]:
    part = state.planned(work.step).part
    status = "failed" if is_failing(state) else "completed"
    return {
        "run_id": state.run_id,
        "name": state.plan.workflow.name,
        "step": work.step,
        "key": work.key,
        "status": "running" if part == "steps" else status,
        "outputs": _without_paths(outputs_of(state).values),
        "credits": {"spent": state.spent, "saved": state.saved, "budget": state.cap},
        "body": work.arguments.get("body"),
    }


def _without_paths(value: Any) -> Any:
    """Remove the paths of assets, which mean nothing on another machine."""
    if isinstance(value, list):
        return [_without_paths(one) for one in value]
    if isinstance(value, dict):
        left_out = {"path"} if looks_like_asset(value) else set()
        return {key: _without_paths(value[key]) for key in value if key not in left_out}
    return value
