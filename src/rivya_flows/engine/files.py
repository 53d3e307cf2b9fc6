"""Files of a run: media are probed and kept by hash, uploaded to the service, or downloaded by URL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rivya_client.mime_types import MediaKind, suffix_of
from rivya_client.types import File
from rivya_cut.results import Probe
from rivya_flows.assets import Asset, Outputs, as_asset
from rivya_flows.errors import LostMediumError, MediaError
from rivya_flows.language.syntax.media_references import is_url
from rivya_flows.language.wording import preview
from rivya_flows.media import decoding
from rivya_flows.media.decoding import draw_poster, probe, probe_async
from rivya_flows.queue.actions import UploadMedium, Work
from rivya_flows.steps.connections import UploadWith
from rivya_flows.steps.function import remote_file
from rivya_flows.store.assets import AssetStore, file_hash

if TYPE_CHECKING:  # `check` keeps media too, and needs no client
    from rivya_flows.engine.run import Run

MAX_FETCH_BYTES = 100 * 2**20
_AT_ONCE = 32

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Upload:
    """A file that the service has, and the same medium on this side; None if only the service has it."""

    file: File
    asset: Asset | None


async def upload(run: Run, action: UploadMedium) -> Upload:
    """Upload one medium to the Files API; free, and safe to repeat."""
    source, media, asset = action.source, action.media, action.asset
    if action.frame is not None:
        film = asset or await _file_at(run, source.rpartition("#")[0])
        try:
            asset = (await frames_of(run, film, action.frame.of))[action.frame.number - 1]
        except MediaError as error:
            path = f"{await asyncio.to_thread(run.context.assets.local_path, film.sha256)}: "
            reason = error.message.removeprefix(path)
            message = f"{_candidate(run, action, film)}: no frames can be taken of it: {reason}"
            raise MediaError(message, error.hint) from error
    if asset is None and source.startswith(("http://", "https://")):
        asset = await fetch(run, source)
        media = asset.kind
    if asset is None:
        return Upload(await run.client.files.retrieve(source), None)
    stored = asset

    async def send() -> File:
        return await run.client.files.upload(
            await asyncio.to_thread(run.context.assets.local_path, stored.sha256),
            kind=cast("MediaKind", media),
            name=f"{stored.sha256[:12]}{suffix_of(stored.mime_type)}",
            mime_type=stored.mime_type,
            model=action.model,
            retry=run.retry(action.step),
        )

    # The limits of a model are checked when it is sent.
    name = (stored.sha256, media, action.model)
    return Upload(await run.context.uploads.once(run.run_id, name, send), stored)


def _candidate(run: Run, action: UploadMedium, film: Asset) -> str:
    """The candidate of a judge that a film is, as a person knows it."""
    request = run.state.item(action.step, action.key).request
    for one in request.pick.candidates if request else ():
        found = as_asset(one.get("asset"))
        if found is not None and found.sha256 == film.sha256:
            return f"candidate {preview(one['key'])}"
    return f"the film {film.sha256}"


async def upload_step(run: Run, action: Work) -> Outputs:
    """The work of an `upload` step: its outputs."""
    asked = UploadWith.model_validate(action.arguments)
    source, asset = asked.file, as_asset(asked.file)
    if isinstance(source, dict):
        source = asset.sha256 if asset else source.get("file_id") or source.get("url")
    media = asked.kind or (asset.kind if asset else "image")
    medium = UploadMedium(source, media, asked.model, asset, action.step, action.key)
    done = await run.call(upload, "upload", medium)
    file = done.file
    if done.asset:
        made = {**done.asset.as_json(), "url": file.url}
    else:  # only the service has it; passing it on needs its id alone
        names = {"kind", "url", "mime_type", "duration_seconds"}
        made = {**file.model_dump(include=names), "file_id": file.id}
    return {"asset": made, "id": file.id, "url": file.url}


async def fetch_files(run: Run, value: Any) -> Any:
    """Replace each file that a JSON value names by URL or file id with an asset."""
    if isinstance(value, list):
        return [await fetch_files(run, one) for one in value]
    found = remote_file(value)
    if found is None:
        return value
    return (await _file_at(run, found.get("file_id") or found["url"])).as_json()


async def _file_at(run: Run, source: str) -> Asset:
    """The file at a URL, or of an id of the service."""
    if not is_url(source):
        source = (await run.client.files.retrieve(source)).url
    return await fetch(run, source)


async def frames_of(run: Run, film: Asset, count: int) -> tuple[Asset, ...]:
    """So many evenly spaced frames of a film as pictures that are kept, the first and the last among them; the
    middle one, if it is one. They are taken once in a run.
    """
    assets, name = run.context.assets, (film.sha256, count)
    async with run.taking[name]:
        if name not in run.frames:
            folder = assets.incoming()
            try:
                path = await asyncio.to_thread(assets.local_path, film.sha256)
                taken = await decoding.frames(path, folder, count)
                run.frames[name] = tuple([await take(assets, one) for one in taken])
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        return run.frames[name]


async def fetch(run: Run, url: str) -> Asset:
    """Download a medium and keep it by hash."""
    target = run.context.assets.incoming()
    try:
        async with run.downloads:
            got = await run.client.download(url, target, max_bytes=MAX_FETCH_BYTES)
        return await take(run.context.assets, target, got.sha256, url=url)
    finally:
        target.unlink(missing_ok=True)


def keep(assets: AssetStore, path: Path) -> Asset:
    """Keep a copy of a file by hash."""
    return _copy(assets, path, probe(path))


def keep_font(assets: AssetStore, path: Path) -> Asset:
    """Keep a copy of a font by hash; only the process that decodes media reads it."""
    digest, size = assets.put(path), path.stat().st_size
    stored = assets.local_path(digest)
    return Asset(kind="image", path=stored, mime_type="font/sfnt", size_bytes=size, sha256=digest)


async def keep_in_thread(assets: AssetStore, path: Path) -> Asset:
    """As `keep`, without blocking the event loop; cancelling ends the decoding."""
    return await asyncio.to_thread(_copy, assets, path, await probe_async(path))


async def take(
    assets: AssetStore,
    path: Path,
    sha256: str | None = None,
    *,
    url: str | None = None,
    found: Probe | None = None,
) -> Asset:
    """Keep a file that was made in `AssetStore.incoming`, without blocking the event loop."""
    probe = found or await probe_async(path)

    def move() -> Asset:
        digest = sha256 or file_hash(path, sync=True)
        asset = _asset(probe, assets.take(path, digest), digest, url)
        if asset.kind == "video" and asset.path is not None:
            draw_poster(digest, asset.path)  # for the report, which must not wait for it
        return asset

    return await asyncio.to_thread(move)


async def load_stored(assets: AssetStore, sha256: str, *, url: str | None = None) -> Asset:
    """The asset of a medium that the store has, decoded without blocking; LostMediumError without it."""
    path = await asyncio.to_thread(assets.local_path, sha256)
    return _asset(await probe_async(path), path, sha256, url)


def _copy(assets: AssetStore, path: Path, found: Probe) -> Asset:
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
