"""Reference media: uploads to the service, and downloads by URL."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from prefect import task

from rivya_flows.app.asset_ingest import take
from rivya_flows.assets import Asset, MediaKind
from rivya_flows.client.types import File
from rivya_flows.language.step_functions import remote_file
from rivya_flows.mime_types import suffix_of
from rivya_flows.tasks.generations import policy
from rivya_flows.tasks.session import PLAIN, session

MAX_FETCH_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Upload:
    """A file that the service has, and the same medium on this side; None if only the service has it."""

    file: File
    asset: Asset | None


@task(name="upload", **PLAIN)
async def upload_file(
    source: str,
    media: MediaKind,
    model: str | None = None,
    asset: Asset | None = None,
    attempts: int = 5,
    patience: float | None = None,
) -> Upload:
    """Upload one medium to the Files API; free, and safe to repeat.

    Args:
        source: SHA-256 of an asset, a URL to download, or the id of a file that the service has.
        asset: The asset, if `source` is one.
        patience: Seconds in all, or None for the client's default.

    Raises:
        APIError: The service refused the file, or did not answer.
        MediaError: The downloaded file is not a medium.
    """
    client = session().client
    if asset is None and source.startswith(("http://", "https://")):
        asset = await fetch(source)
        media = asset.kind
    if asset is None:
        return Upload(await client.files.retrieve(source), None)
    kept = asset

    async def send() -> File:
        return await client.files.upload(
            await asyncio.to_thread(session().assets.local_path, kept.sha256),
            kind=media,
            name=f"{kept.sha256[:12]}{suffix_of(kept.mime_type)}",
            mime_type=kept.mime_type,
            model=model,
            retry=policy(attempts, patience),
        )

    shared = session().shared
    # The limits of a model are checked when it is sent.
    file = await (shared((kept.sha256, media, model), send) if shared else send())
    return Upload(file, kept)


async def fetched(value: Any) -> Any:
    """Replace each file that a JSON value names by URL or file id with an asset."""
    if isinstance(value, list):
        return [await fetched(one) for one in value]
    found = remote_file(value)
    if found is None:
        return value
    if "file_id" in found:
        found = {"url": (await session().client.files.retrieve(found["file_id"])).url}
    return (await fetch(found["url"])).as_json()


async def fetch(url: str) -> Asset:
    """Download a medium and keep it by hash."""
    target = session().assets.incoming()
    try:
        async with session().downloads:
            got = await session().client.download(url, target, max_bytes=MAX_FETCH_BYTES)
        return await take(session().assets, target, got.sha256, url=url)
    finally:
        target.unlink(missing_ok=True)
