"""Reference media on their way to the service."""

from __future__ import annotations

import uuid
from typing import Any

from prefect import task

from rivya_flows.app.asset_ingest import kept
from rivya_flows.assets import Asset, MediaKind
from rivya_flows.language.step_functions import remote_file
from rivya_flows.mime_types import suffix_of
from rivya_flows.tasks.generations import policy
from rivya_flows.tasks.session import PLAIN, dumped, session

MAX_FETCH_BYTES = 100 * 2**20


@task(name="upload", **PLAIN)
async def upload_file(
    source: str,
    media: MediaKind,
    model: str | None = None,
    asset: Asset | None = None,
    attempts: int = 5,
    patience: float | None = None,
) -> dict[str, Any]:
    """Brings one medium to the Files API; free, and safe to repeat.

    Args:
        source: SHA-256 of a kept asset, a URL to fetch, or the id of a file that is there already.
        media: Kind of the medium.
        model: The model it is for, so that its own limits are checked before the file is taken.
        asset: The asset, when it is kept.
        attempts: Requests in all.
        patience: How long to go on in all, in seconds; None is the client's own.

    Returns:
        ``{"file": the service's answer, "asset": the asset or None}``.

    Raises:
        APIError: The service refused the file, or did not answer.
        MediaError: The fetched file is not a medium.
    """
    client = session().client
    if asset is None and source.startswith(("http://", "https://")):
        asset = await fetch(source)
        media = asset.kind
    if asset is None:
        return {"file": dumped(await client.files.retrieve(source)), "asset": None}
    file = await client.files.upload(
        session().assets.local_path(asset.sha256),
        kind=media,
        name=f"{asset.sha256[:12]}{suffix_of(asset.mime_type)}",
        mime_type=asset.mime_type,
        model=model,
        retry=policy(attempts, patience),
    )
    return {"file": dumped(file), "asset": asset}


async def fetched(value: Any) -> Any:
    """Replace each file that a JSON value names by URL or file id with an asset.

    Raises:
        APIError: One could not be fetched.
        MediaError: One is not a medium.
    """
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
    target = session().scratch / f"fetched-{uuid.uuid4().hex}"
    await session().client.download(url, target, max_bytes=MAX_FETCH_BYTES)
    try:
        return await kept(session().assets, target, url=url)
    finally:
        target.unlink(missing_ok=True)
