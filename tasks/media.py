"""Free local work: compose a film, lay out a still, pick one of several candidates."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import task

from rivya_flows.app.asset_ingest import take
from rivya_flows.app.compositions import (
    composition_of,
    film_outputs,
    given,
    layout_of,
    layout_outputs,
)
from rivya_flows.app.signing import title_of
from rivya_flows.assets import Asset, as_asset
from rivya_flows.errors import MediaError, UsageError
from rivya_flows.language.final_cut import media_in
from rivya_flows.media.decoding import lay_out, render
from rivya_flows.media.edit import Rendered
from rivya_flows.steps.candidates import available, pick_outputs
from rivya_flows.tasks.files import fetched
from rivya_flows.tasks.session import PLAIN, session, tell_progress


@task(name="compose", **PLAIN)
async def compose_media(
    video: Any = None,
    images: Any = None,
    audio: Any = None,
    loudness: float = -16.0,
    fit: str = "hold",
    timeout_seconds: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Compose a film from clips, or from a film or stills, and sounds.

    Args:
        video: An asset, or a file by URL or upload id.
        images: Stills, one or a list.
        audio: Sounds to mix, one or a list; None keeps the sound of the film.
        loudness: Of the result, in LUFS.
        fit: If the sound is longer than the picture: hold, loop or cut.
        timeout_seconds: None is `MAX_COMPOSE_SECONDS`.
        more: What else a `compose` step takes, such as `clips`, `captions` and `formats`.

    Returns:
        The outputs of the step.

    Raises:
        MediaError: There is no picture, a medium cannot be read, or it takes too long.
        APIError: A file could not be downloaded.
    """
    if video is None and not images and not more.get("clips"):
        raise MediaError("there is no picture: none of `clips`, `video` and `images` has a medium")
    arguments = {"video": video, "images": _listed(images), "audio": _listed(audio)}
    arguments = given({**arguments, "loudness": loudness, "fit": fit, **more})
    with _incoming() as target:
        sources = await _sources(arguments)
        work = composition_of(arguments, [path for _, path in sources])
        work = replace(work, shrink=session().shrink)
        async with _limited("composition", timeout_seconds):
            made = await render(work, target, tell_progress)
        kept = await _taken(target, made, arguments, sources)
        return film_outputs(work, _told(made, sources), kept)


@task(name="layout", **PLAIN)
async def lay_out_media(timeout_seconds: float | None = None, **arguments: Any) -> dict[str, Any]:
    """Lay pictures and text over a still, once for each format.

    Args:
        timeout_seconds: None is `MAX_COMPOSE_SECONDS`.
        arguments: What a `layout` step takes.

    Returns:
        The outputs of the step.

    Raises:
        MediaError: There is no image, a medium cannot be read, or it takes too long.
        APIError: A file could not be downloaded.
    """
    if arguments.get("image") is None:
        raise MediaError("there is no picture: `image` has no medium")
    arguments = given(arguments)
    with _incoming() as target:
        sources = await _sources(arguments)
        work = replace(layout_of(arguments, [path for _, path in sources]), shrink=session().shrink)
        async with _limited("layout", timeout_seconds):
            made = await lay_out(work, target)
        kept = await _taken(target, made, arguments, sources)
        return layout_outputs(work, _told(made, sources), kept)


@contextlib.contextmanager
def _incoming() -> Iterator[Path]:
    """A folder on its way to the asset store, not made yet; nothing is there afterwards."""
    target = session().assets.incoming()
    try:
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


@contextlib.asynccontextmanager
async def _limited(what: str, timeout_seconds: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_seconds):
            yield
    except TimeoutError as error:
        message = f"the {what} took longer than {timeout_seconds:g} s"
        raise MediaError(message, "raise the step's `timeout`") from error


_Sources = Sequence[tuple[Asset, Path]]


async def _sources(arguments: Mapping[str, Any]) -> _Sources:
    """Each medium of arguments in turn, with its file; what is elsewhere is fetched."""
    kept = await fetched([one.value for one in media_in(arguments)])
    return await asyncio.to_thread(lambda: [*map(_source, kept)])


def _told(made: Rendered, sources: _Sources) -> Rendered:
    """The same with names that people know, where the store names files by their hash."""
    lost = made.lost
    for asset, path in sources:
        lost = tuple(one.replace(path.name, title_of(asset)) for one in lost)
    return replace(made, lost=lost)


async def _taken(
    folder: Path, made: Rendered, arguments: Mapping[str, Any], sources: _Sources
) -> dict[str, Asset]:
    """The files of a rendering, signed if the run signs, and moved into the store."""
    kept, assets = {}, [asset for asset, _ in sources]
    for name, found in made.media.items():
        path = folder / name
        if (signing := session().signing) is not None:
            found = await asyncio.to_thread(signing.signed, path, found, arguments, assets)
        kept[name] = await take(session().assets, path, found=found)
    return kept


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _source(value: Any) -> tuple[Asset, Path]:
    asset = as_asset(value)
    if asset is None:
        raise MediaError(f"not a kept medium: {str(value)[:60]!r}")
    return asset, session().assets.local_path(asset.sha256)


@task(name="pick", **PLAIN)
async def miss_pick(reason: str) -> None:
    """Fail a pick that nobody answered, so that the graph shows it.

    Raises:
        UsageError: Always; says the reason.
    """
    raise UsageError(reason, "Retry the run, then answer")


@task(name="pick", **PLAIN)
async def pick_one(candidates: list[dict[str, Any]], keys: list[str]) -> dict[str, Any]:
    """Choose some of several candidates.

    Args:
        candidates: Items of a step; those without a medium or an answer are ignored.
        keys: Keys of the chosen ones, in the order of choice.

    Returns:
        ``{"asset", "key", "item"}`` of the first one, ``{"items", "assets"}`` of all.

    Raises:
        UsageError: There is no candidate with one of these keys, or none is chosen.
    """
    picked = pick_outputs(candidates, keys)
    if picked is None:
        known = ", ".join(str(one.get("key")) for one in available(candidates))
        raise UsageError(f"there are no candidates {', '.join(keys)!r}", f"one of: {known}")
    return picked
