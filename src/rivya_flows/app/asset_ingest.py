"""A file becomes an asset: proved to be a medium, measured, and kept by hash."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rivya_flows.media.decoding import probe, probed
from rivya_flows.media.measurements import Probe
from rivya_flows.media.suffixes import suffix_of
from rivya_flows.store.assets import AssetStore, file_hash

_NAME_BYTES = 150


def keep(assets: AssetStore, path: Path, *, url: str | None = None) -> dict[str, Any]:
    """The asset that a file is, kept by hash.

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
) -> dict[str, Any]:
    """The same without blocking the event loop.

    Args:
        assets: Where to keep it.
        path: The file; it stays where it is.
        url: Where it came from, or None.
        found: What it holds, where that is known; None looks.
    """
    found = found or await probed(path)
    return await asyncio.to_thread(_kept, assets, path, url, found)


def _kept(assets: AssetStore, path: Path, url: str | None, found: Probe) -> dict[str, Any]:
    digest = assets.put(path, file_hash(path))
    return {
        "kind": found.kind,
        "path": str(assets.local_path(digest)),
        "url": url,
        "mime_type": found.mime_type,
        "width": found.width,
        "height": found.height,
        "duration_seconds": found.duration_seconds,
        "size_bytes": found.size_bytes,
        "sha256": digest,
    }


def file_name(stem: str, asset: Mapping[str, Any]) -> str:
    """A name for people, such as ``stills-neon.png``; safe as one part of a path."""
    plain = re.sub(r"[^\w.-]+", "-", stem, flags=re.UNICODE).strip("-.") or "medium"
    # File systems count bytes; Devanagari takes three for a letter.
    short = plain.encode()[:_NAME_BYTES].decode(errors="ignore")
    return short + suffix_of(str(asset.get("mime_type") or ""))
