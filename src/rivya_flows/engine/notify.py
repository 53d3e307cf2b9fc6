"""Callbacks to a backend, signed with secrets that a spec names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import JsonValue, SecretStr

from rivya_flows.assets import Outputs, looks_like_asset
from rivya_flows.callbacks import Revealed, post_callback
from rivya_flows.engine.run import Run
from rivya_flows.errors import UsageError
from rivya_flows.language.canonical import canonical
from rivya_flows.language.syntax.secret_names import RESERVED_HINT, names_secret, refusal
from rivya_flows.queue.actions import Work
from rivya_flows.queue.queue import is_failing
from rivya_flows.queue.scope import outputs_of
from rivya_flows.queue.state import State
from rivya_flows.settings import read_secret
from rivya_flows.steps.notify import NotifyWith

SecretBlocks = Callable[[str], Awaitable[SecretStr | None]]
"""Gives the value of a `Secret` block of Prefect by its name; None if there is none."""


async def notify(run: Run, work: Work) -> Outputs:
    """Post the state of the run as JSON, signed if the step names a secret."""
    asked = NotifyWith.model_validate(work.arguments)
    url, secret = str(asked.url), asked.secret
    await post_callback(
        await revealed(url, run.secret_block) if names_secret(url) else url,
        canonical(_notice(run.state, work)).encode(),
        None if secret is None else await revealed(secret, run.secret_block),
        retry=run.retry(work.step),
        allow_private=run.context.settings.rivya_flows_allow_private_notify,
    )
    return {}


async def revealed(name: str, blocks: SecretBlocks) -> Revealed:
    """The secret named ``env:NAME`` or ``block:NAME``; no message of an error holds it."""
    if reason := refusal(name):
        raise UsageError(reason, RESERVED_HINT)
    source, _, rest = name.partition(":")
    if source == "env":
        found = read_secret(rest)
        missing = f"the secret {name!r} is not set"
        hint = "set the variable where the run is executed, or write it in .env there"
    elif source == "block":
        block = rest.removeprefix("secret/")
        found = await blocks(block)
        missing = f"there is no secret block {name!r}"
        hint = f"create a Secret block named {block} in Prefect"
    else:
        raise UsageError(
            "expected the name of a secret, not the secret itself", "write env:NAME or block:NAME"
        )
    if found is None:
        raise UsageError(missing, hint)
    return Revealed(name, found)


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
