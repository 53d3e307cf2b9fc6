"""Make an asset of a file: probe it and keep it by hash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from rivya_cut.results import Probe
from rivya_flows.assets import Asset
from rivya_flows.errors import LostMediumError
from rivya_flows.media.decoding import draw_poster, probe, probed
from rivya_flows.store.assets import AssetStore, file_hash

T = TypeVar("T")
U = TypeVar("U")

_AT_ONCE = 32


def keep(assets: AssetStore, path: Path) -> Asset:
    """Keep a copy of a file by hash."""
    return _copied(assets, path, probe(path))


async def kept(assets: AssetStore, path: Path) -> Asset:
    """As `keep`, without blocking the event loop; cancelling ends the decoding."""
    return await asyncio.to_thread(_copied, assets, path, await probed(path))


async def take(
    assets: AssetStore,
    path: Path,
    sha256: str | None = None,
    *,
    url: str | None = None,
    found: Probe | None = None,
) -> Asset:
    """Keep a file that was made in `AssetStore.incoming`, without blocking the event loop."""
    probe = found or await probed(path)

    def move() -> Asset:
        digest = sha256 or file_hash(path, sync=True)
        asset = _asset(probe, assets.take(path, digest), digest, url)
        if asset.kind == "video" and asset.path is not None:
            draw_poster(digest, asset.path)  # for the report, which must not wait for it
        return asset

    return await asyncio.to_thread(move)


async def of_kept(assets: AssetStore, sha256: str, *, url: str | None = None) -> Asset:
    """The asset of a medium that the store has, decoded without blocking; LostMediumError without it."""
    path = await asyncio.to_thread(assets.local_path, sha256)
    return _asset(await probed(path), path, sha256, url)


def _copied(assets: AssetStore, path: Path, found: Probe) -> Asset:
    digest = assets.put(path)
    return _asset(found, assets.local_path(digest), digest, None)


def _asset(found: Probe, path: Path, sha256: str, url: str | None) -> Asset:
    return Asset(path=path, url=url, sha256=sha256, **asdict(found))


def put_all_back(
    assets: AssetStore, places: Mapping[str, Sequence[Path]], *, writes: bool
) -> list[str]:
    """Puts back, or without `writes` lends, media that the store lacks; gives those that are lost."""

    def is_back(sha256: str) -> bool:
        if assets.size(sha256) is not None:
            return True
        for place in places[sha256]:
            with suppress(OSError):
                if place.is_file() and file_hash(place) == sha256:
                    if writes:
                        assets.put(place)
                    else:
                        assets.lend(place, sha256)
                    return True
        return False

    with ThreadPoolExecutor(_AT_ONCE) as threads:  # a store elsewhere answers slowly
        found = threads.map(is_back, places)
        return [sha256 for sha256, is_kept in zip(places, found, strict=True) if not is_kept]


def each_found(named: Mapping[str, T], find: Callable[[T], U], hint: str) -> dict[str, U]:
    """What `find` gives for each value; LostMediumError names all for which it raised that, with the hint."""
    found, lost = {}, []
    for name, value in named.items():
        try:
            found[name] = find(value)
        except LostMediumError:
            lost.append(name)
    if lost:
        raise LostMediumError(
            f"files that are not in the asset store: {', '.join(lost)}",
            f"{hint}, or set RIVYA_FLOWS_ASSETS to the store that has them",
        )
    return found
