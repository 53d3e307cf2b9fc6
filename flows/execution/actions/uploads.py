"""Brings reference media to the Files API."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import UploadMedium
from rivya_flows.planning.queue.events import Event, FileUploaded
from rivya_flows.tasks.files import upload_file


async def upload(run: Run, action: UploadMedium) -> AsyncGenerator[Event]:
    """Uploads one medium, once for each model of a run."""
    done = await run.calls(
        upload_file,
        "upload",
        action.step,
        action.key,
        {
            "source": action.source,
            "media": action.media,
            "model": action.model,
            "asset": action.asset,
            **run.current().spec(action.step).retry.model_dump(),
        },
    )
    yield FileUploaded(
        source=action.source,
        media=action.media,
        model=action.model,
        file=done["file"],
        asset=done["asset"],
    )
