"""Free work: reference uploads, and the steps upload, pick, compose, layout, notify
and functions.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from prefect import Task

from rivya_flows.assets import Asset, as_asset
from rivya_flows.client.types import File
from rivya_flows.flows.execution.actions.functions import call_free
from rivya_flows.flows.execution.actions.notify import notify
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.picking import chosen_keys
from rivya_flows.planning.queue.actions import UploadMedium, Work
from rivya_flows.planning.queue.events import Event, FileUploaded, ItemCompleted, UploadedFile
from rivya_flows.tasks.files import Upload, upload_file
from rivya_flows.tasks.media import compose_media, lay_out_media, pick_one
from rivya_flows.tasks.session import hearing


async def upload_reference(run: Run, action: UploadMedium) -> AsyncGenerator[Event]:
    """Upload one medium, once for each model of a run."""
    done = await _uploaded(
        run, action, action.source, action.media, action.model, asset=action.asset
    )
    yield FileUploaded(
        source=action.source,
        media=action.media,
        model=action.model,
        file=UploadedFile.model_validate(done.file.model_dump()),
        asset=done.asset,
    )


async def work(run: Run, action: Work) -> AsyncGenerator[Event]:
    """Do the step and report its outputs."""
    began = time.monotonic()
    outputs = await _WORK.get(action.uses, call_free)(run, action)
    seconds = round(time.monotonic() - began, 3)
    yield ItemCompleted(step=action.step, key=action.key, outputs=outputs, work_seconds=seconds)


async def _upload(run: Run, action: Work) -> dict[str, Any]:
    source = action.arguments["file"]
    asset = as_asset(source)
    if isinstance(source, dict):
        source = asset.sha256 if asset else source.get("file_id") or source.get("url")
    media = action.arguments.get("kind") or (asset.kind if asset else "image")
    done = await _uploaded(run, action, source, media, action.arguments.get("model"), asset=asset)
    file, kept = done.file, done.asset
    made = {**kept.as_json(), "url": file.url} if kept else _remote(file)
    return {"asset": made, "id": file.id, "url": file.url}


async def _uploaded(
    run: Run,
    action: UploadMedium | Work,
    source: str,
    media: str,
    model: str | None,
    *,
    asset: Asset | None,
) -> Upload:
    arguments = {
        "source": source,
        "media": media,
        "model": model,
        "asset": asset,
        **run.current().spec(action.step).retry.model_dump(),
    }
    done: Upload = await run.calls(upload_file, "upload", action.step, action.key, arguments)
    return done


def _remote(file: File) -> dict[str, Any]:
    """A file that only the service has; passing it on needs its id alone."""
    names = {"kind", "url", "mime_type", "duration_seconds"}
    return {**file.model_dump(include=names), "file_id": file.id}


async def _pick(run: Run, action: Work) -> dict[str, Any]:
    keys = list(chosen_keys(action.arguments))
    arguments = {"candidates": action.arguments["from"], "keys": keys}
    picked: dict[str, Any] = await run.calls(pick_one, "pick", action.step, action.key, arguments)
    return picked


async def _compose(run: Run, action: Work) -> dict[str, Any]:
    return await _rendered(run, action, compose_media)


async def _lay_out(run: Run, action: Work) -> dict[str, Any]:
    return await _rendered(run, action, lay_out_media)


async def _rendered(run: Run, action: Work, task: Task[..., Any]) -> dict[str, Any]:
    arguments = {**action.arguments, "timeout_seconds": run.current().spec(action.step).timeout}
    with hearing(partial(run.rendering, action.step, action.key)):
        outputs: dict[str, Any] = await run.calls(
            task, action.uses, action.step, action.key, arguments
        )
    return outputs


_WORK = {
    "upload": _upload,
    "pick": _pick,
    "compose": _compose,
    "layout": _lay_out,
    "notify": notify,
}
