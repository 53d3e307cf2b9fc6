"""Free steps: upload, pick, compose, notify, and Python functions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from rivya_flows.assets import as_asset
from rivya_flows.flows.execution.actions.functions import call_free
from rivya_flows.flows.execution.actions.notify import notify
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import Work
from rivya_flows.planning.queue.events import Event, ItemCompleted
from rivya_flows.tasks.files import upload_file
from rivya_flows.tasks.media import compose_media
from rivya_flows.tasks.pick import pick_one


async def work(run: Run, action: Work) -> AsyncGenerator[Event]:
    """Does the step and tells its outputs."""
    outputs = await _DOES.get(action.uses, call_free)(run, action)
    yield ItemCompleted(step=action.step, key=action.key, outputs=outputs)


async def _upload(run: Run, action: Work) -> dict[str, Any]:
    given = action.arguments["file"]
    asset = as_asset(given)
    source = given
    if isinstance(given, dict):
        source = asset.sha256 if asset else given.get("file_id") or given.get("url")
    media = action.arguments.get("kind") or (asset.kind if asset else "image")
    done = await run.calls(
        upload_file,
        "upload",
        action.step,
        action.key,
        {
            "source": source,
            "media": media,
            "model": action.arguments.get("model"),
            "asset": asset,
            **run.current().spec(action.step).retry.model_dump(),
        },
    )
    file, kept = done["file"], done["asset"]
    made = {**kept.as_json(), "url": file["url"]} if kept else _remote(file)
    return {"asset": made, "id": file["id"], "url": file["url"]}


def _remote(file: dict[str, Any]) -> dict[str, Any]:
    """An asset that only the service holds; passing it on needs its id alone."""
    names = ("kind", "url", "mime_type", "duration_seconds")
    return {**{name: file.get(name) for name in names}, "file_id": file["id"]}


async def _pick(run: Run, action: Work) -> dict[str, Any]:
    arguments = {
        "candidates": action.arguments["from"],
        "answer": action.arguments.get("answer"),
    }
    picked: dict[str, Any] = await run.calls(pick_one, "pick", action.step, action.key, arguments)
    return picked


async def _compose(run: Run, action: Work) -> dict[str, Any]:
    arguments = {
        **action.arguments,
        "timeout_seconds": run.current().spec(action.step).timeout,
    }
    film = await run.calls(compose_media, "compose", action.step, action.key, arguments)
    return {"asset": film.as_json()}


_DOES = {"upload": _upload, "pick": _pick, "compose": _compose, "notify": notify}
