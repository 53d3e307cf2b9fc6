"""Free local work: compose a film, lay out a still, pick one of several candidates."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

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
from rivya_flows.media.edit import Composition, Layout, Rendered
from rivya_flows.planning.picking import available, pick_outputs
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
    """Compose a film from clips, or from a film or stills, and sounds; gives the outputs of the step.

    Args:
        audio: Sounds to mix, one or a list; None keeps the sound of the film.
        loudness: Of the result, in LUFS.
        timeout_seconds: None is `MAX_COMPOSE_SECONDS`.
    """
    if video is None and not images and not more.get("clips"):
        raise MediaError("there is no picture: none of `clips`, `video` and `images` has a medium")
    arguments = {"video": video, "images": _listed(images), "audio": _listed(audio)}
    arguments |= {"loudness": loudness, "fit": fit, **more}
    draw = partial(render, progress=tell_progress)
    return await _drawn(
        "composition", timeout_seconds, arguments, composition_of, draw, film_outputs
    )


@task(name="layout", **PLAIN)
async def lay_out_media(timeout_seconds: float | None = None, **arguments: Any) -> dict[str, Any]:
    """Lay pictures and text over a still, once for each format; gives the outputs of the step.

    `timeout_seconds`: None is `MAX_COMPOSE_SECONDS`.
    """
    if arguments.get("image") is None:
        raise MediaError("there is no picture: `image` has no medium")
    return await _drawn("layout", timeout_seconds, arguments, layout_of, lay_out, layout_outputs)


_Sources = Sequence[tuple[Asset, Path]]
W = TypeVar("W", Composition, Layout)


async def _drawn(
    what: str,
    timeout_seconds: float | None,
    arguments: dict[str, Any],
    work_of: Callable[[Mapping[str, Any], Sequence[Path]], W],
    draw: Callable[[W, Path], Awaitable[Rendered]],
    outputs_of: Callable[[W, Rendered, Mapping[str, Asset]], dict[str, Any]],
) -> dict[str, Any]:
    """The outputs of what is drawn from arguments, whose media are in the store then."""
    arguments = given(arguments)
    target = session().assets.incoming()  # a folder that is not made yet
    try:
        sources = await _sources(arguments)
        work = replace(work_of(arguments, [path for _, path in sources]), shrink=session().shrink)
        try:
            async with asyncio.timeout(timeout_seconds):
                made = await draw(work, target)
        except TimeoutError as error:
            message = f"the {what} took longer than {timeout_seconds:g} s"
            raise MediaError(message, "raise the step's `timeout`") from error
        kept = await _taken(target, made, arguments, sources)
        return outputs_of(work, _told(made, sources), kept)
    finally:
        shutil.rmtree(target, ignore_errors=True)


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
    """Fail a pick that nobody answered, so that the graph shows it."""
    raise UsageError(reason, "Retry the run, then answer")


@task(name="pick", **PLAIN)
async def pick_one(candidates: list[dict[str, Any]], keys: list[str]) -> dict[str, Any]:
    """Choose some of several candidates, by their keys in the order of choice.

    Returns:
        ``{"asset", "key", "item"}`` of the first one, ``{"items", "assets"}`` of all.
    """
    picked = pick_outputs(candidates, keys)
    if picked is None:
        known = ", ".join(str(one.get("key")) for one in available(candidates))
        raise UsageError(f"there are no candidates {', '.join(keys)!r}", f"one of: {known}")
    return picked
