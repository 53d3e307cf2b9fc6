"""Reference media on their way to the service."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from prefect import task

from rivya_flows.app.asset_ingest import kept
from rivya_flows.errors import UsageError
from rivya_flows.language.step_functions import remote_file
from rivya_flows.media.suffixes import suffix_of
from rivya_flows.tasks.generations import policy
from rivya_flows.tasks.session import PLAIN, dumped, session

MediaKind = Literal["image", "video", "audio"]
MAX_FETCH_BYTES = 100 * 2**20


@task(name="upload", **PLAIN)
async def upload_file(
    source: str,
    media: MediaKind,
    model: str | None = None,
    asset: dict[str, Any] | None = None,
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
    if asset is not None and asset.get("file_id"):
        return {"file": dumped(await client.files.retrieve(asset["file_id"])), "asset": None}
    if asset is None and source.startswith(("http://", "https://")):
        asset = await fetch(source)
        media = asset["kind"]
    if asset is None:
        return {"file": dumped(await client.files.retrieve(source)), "asset": None}
    if not asset.get("sha256"):
        raise UsageError(f"{source!r} is no kept medium")
    path = session().assets.local_path(asset["sha256"])
    file = await client.files.upload(
        path,
        kind=media,
        name=asset.get("name")
        or f"{asset['sha256'][:12]}{suffix_of(asset.get('mime_type') or '')}",
        mime_type=asset.get("mime_type"),
        model=model,
        retry=policy(attempts, patience),
    )
    return {"file": dumped(file), "asset": asset}


async def fetched(value: Any) -> Any:
    """The same with an asset for each file that is named by its address or its id.

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
    return await fetch(found["url"])


async def fetch(url: str) -> dict[str, Any]:
    """A medium from a URL, kept by hash."""
    target = session().scratch / f"fetched-{uuid.uuid4().hex}"
    await session().client.download(url, target, max_bytes=MAX_FETCH_BYTES)
    try:
        return await kept(session().assets, target, url=url)
    finally:
        target.unlink(missing_ok=True)
