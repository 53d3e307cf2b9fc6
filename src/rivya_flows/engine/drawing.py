"""Final cuts: compose a film, lay out a still."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rivya_cut.composition import Composition, Layout
from rivya_cut.results import GIF, POSTER, Rendered, clean_name, film_names
from rivya_flows.assets import Asset, as_asset
from rivya_flows.engine.files import fetched, take
from rivya_flows.engine.run import Run
from rivya_flows.engine.signing import title_of
from rivya_flows.errors import MediaError
from rivya_flows.language.final_cut import media_in, with_media
from rivya_flows.media import decoding
from rivya_flows.queue.actions import Work


async def compose(run: Run, work: Work) -> dict[str, Any]:
    """Compose a film from clips, or from a film or stills, and sounds; gives the outputs of the step."""
    given = _without_nulls(work.arguments)
    if not given.get("captions", {}).get("text", True):
        del given["captions"]["text"]  # of a subtitle file
    return await _drawn(run, work, given, Composition)


async def lay_out(run: Run, work: Work) -> dict[str, Any]:
    """Lay pictures and text over a still, once for each format; as `compose`."""
    given = _without_nulls(work.arguments)
    if "image" not in given:
        raise MediaError("there is no picture: `image` has no medium")
    return await _drawn(run, work, given, Layout)


async def _drawn(
    run: Run, work: Work, arguments: dict[str, Any], kind: type[Composition | Layout]
) -> dict[str, Any]:
    seconds = run.state.spec(work.step).timeout
    target = run.context.assets.incoming()  # a folder that is not made yet
    try:
        sources = await _sources(run, arguments)
        paths = (path for _, path in sources)
        try:
            made = with_media(arguments, lambda _: next(paths))
            film = kind.model_validate({**made, "shrink": run.shrink})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise MediaError(
                f"{where}: {first['msg']}", "correct the `with` of the step"
            ) from error
        try:
            async with asyncio.timeout(seconds):
                progress = partial(run.rendering, work.step, work.key)
                found = await decoding.render(film, target, progress)
        except TimeoutError as error:
            message = f"the {type(film).__name__.lower()} took longer than {seconds:g} s"
            raise MediaError(message, "raise the step's `timeout`") from error
        kept = await _taken(run, target, found, arguments, [asset for asset, _ in sources])
        return _outputs(film, found, kept, _lost(found, sources))
    finally:
        shutil.rmtree(target, ignore_errors=True)


async def _sources(run: Run, arguments: Mapping[str, Any]) -> Sequence[tuple[Asset, Path]]:
    """Each medium of arguments in turn, with its file; what is elsewhere is fetched."""

    def found(value: Any) -> tuple[Asset, Path]:
        asset = as_asset(value)
        if asset is None:
            raise MediaError(f"not a kept medium: {str(value)[:60]!r}")
        return asset, run.context.assets.local_path(asset.sha256)

    kept = await fetched(run, [one.value for one in media_in(arguments)])
    return await asyncio.to_thread(lambda: [*map(found, kept)])


def _lost(made: Rendered, sources: Sequence[tuple[Asset, Path]]) -> list[str]:
    """What is lost, with names that people know, where the store names files by their hash."""
    lost = [*made.lost]
    for asset, path in sources:
        lost = [one.replace(path.name, title_of(asset)) for one in lost]
    return lost


async def _taken(
    run: Run, folder: Path, made: Rendered, arguments: Mapping[str, Any], sources: Sequence[Asset]
) -> dict[str, Asset]:
    """The files of a rendering, signed if the run signs, and moved into the store."""
    kept = {}
    for name, found in made.media.items():
        path = folder / name
        if run.signing is not None:
            found = await asyncio.to_thread(run.signing.signed, path, found, arguments, sources)
        kept[name] = await take(run.context.assets, path, found=found)
    return kept


def _outputs(
    film: Composition | Layout, made: Rendered, kept: Mapping[str, Asset], lost: list[str]
) -> dict[str, Any]:
    found = {name: asset.as_json() for name, asset in kept.items()}
    is_film = isinstance(film, Composition)
    names = film_names(film.formats, ".mp4" if is_film else ".png")
    first = kept[names[0]]
    formats = film.formats or [f"{first.width}x{first.height}"]
    clean = [{"clean": found.get(clean_name(name))} if is_film else {} for name in names]
    by = {
        one: {"asset": found[name], **more}
        for one, name, more in zip(formats, names, clean, strict=True)
    }
    outputs: dict[str, Any] = {
        "asset": found[names[0]],
        "assets": [found[name] for name in names],
        "by": by,
    }
    if isinstance(film, Composition):
        cues = {"cues": [asdict(cue) for cue in made.cues], "estimated": made.estimated}
        outputs |= {
            "captions": film.captions and {**cues, "language": film.captions.language},
            "poster": found.get(POSTER),
            "gif": found.get(GIF),
            "loudness": made.loudness and asdict(made.loudness),
        }
    return {**outputs, "lost": lost}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(one) for one in value if one is not None]
    return value
