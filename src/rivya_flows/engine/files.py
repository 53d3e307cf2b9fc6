"""Files of a run: uploads to the service, and downloads by URL."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from rivya_client.mime_types import MediaKind, suffix_of
from rivya_client.types import File
from rivya_flows.assets import Asset
from rivya_flows.engine.asset_ingest import take
from rivya_flows.engine.run import Run
from rivya_flows.queue.actions import UploadMedium
from rivya_flows.steps.function import remote_file

MAX_FETCH_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Upload:
    """A file that the service has, and the same medium on this side; None if only the service has it."""

    file: File
    asset: Asset | None


async def upload(run: Run, action: UploadMedium) -> Upload:
    """Upload one medium to the Files API; free, and safe to repeat."""
    source, media, asset = action.source, action.media, action.asset
    if asset is None and source.startswith(("http://", "https://")):
        asset = await fetch(run, source)
        media = asset.kind
    if asset is None:
        return Upload(await run.client.files.retrieve(source), None)
    kept = asset

    async def send() -> File:
        return await run.client.files.upload(
            await asyncio.to_thread(run.context.assets.local_path, kept.sha256),
            kind=cast("MediaKind", media),
            name=f"{kept.sha256[:12]}{suffix_of(kept.mime_type)}",
            mime_type=kept.mime_type,
            model=action.model,
            retry=run.retry(action.step),
        )

    # The limits of a model are checked when it is sent.
    name = (kept.sha256, media, action.model)
    return Upload(await run.context.uploads.once(run.run_id, name, send), kept)


async def fetched(run: Run, value: Any) -> Any:
    """Replace each file that a JSON value names by URL or file id with an asset."""
    if isinstance(value, list):
        return [await fetched(run, one) for one in value]
    found = remote_file(value)
    if found is None:
        return value
    if "file_id" in found:
        found = {"url": (await run.client.files.retrieve(found["file_id"])).url}
    return (await fetch(run, found["url"])).as_json()


async def fetch(run: Run, url: str) -> Asset:
    """Download a medium and keep it by hash."""
    target = run.context.assets.incoming()
    try:
        async with run.downloads:
            got = await run.client.download(url, target, max_bytes=MAX_FETCH_BYTES)
        return await take(run.context.assets, target, got.sha256, url=url)
    finally:
        target.unlink(missing_ok=True)
