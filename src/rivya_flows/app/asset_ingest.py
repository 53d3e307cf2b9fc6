"""Make an asset of a file: probe it and keep it by hash."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from rivya_flows.assets import Asset, Probe
from rivya_flows.media.decoding import probe, probed
from rivya_flows.mime_types import suffix_of
from rivya_flows.store.assets import AssetStore, file_hash

_MAX_NAME_BYTES = 150


def keep(assets: AssetStore, path: Path, *, url: str | None = None) -> Asset:
    """Keep a file by hash.

    Args:
        assets: Where to keep it.
        path: The file; it stays where it is.
        url: Where it came from, or None.

    Raises:
        MediaError: It is not an image, film or sound that can be read.
        StoreError: It cannot be kept.
    """
    return _kept(assets, path, url, probe(path))


async def kept(
    assets: AssetStore, path: Path, *, url: str | None = None, found: Probe | None = None
) -> Asset:
    """Keep a file by hash, without blocking the event loop.

    Args:
        assets: Where to keep it.
        path: The file; it stays where it is.
        url: Where it came from, or None.
        found: What it holds, if known; None decodes it.
    """
    found = found or await probed(path)
    return await asyncio.to_thread(_kept, assets, path, url, found)


def _kept(assets: AssetStore, path: Path, url: str | None, found: Probe) -> Asset:
    digest = assets.put(path, file_hash(path))
    return Asset(
        kind=found.kind,
        path=assets.local_path(digest),
        url=url,
        mime_type=found.mime_type,
        width=found.width,
        height=found.height,
        duration_seconds=found.duration_seconds,
        size_bytes=found.size_bytes,
        sha256=digest,
    )


def file_name(stem: str, mime_type: str | None) -> str:
    """A name for people, such as ``stills-neon.png``; safe as one part of a path."""
    plain = re.sub(r"[^\w.-]+", "-", stem, flags=re.UNICODE).strip("-.") or "medium"
    # File systems count bytes; Devanagari takes three for a letter.
    short = plain.encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    return short + suffix_of(mime_type)
