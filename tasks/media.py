"""Free local work: compose a film, pick one of several candidates."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prefect import task

from rivya_flows.app.asset_ingest import take
from rivya_flows.assets import Asset, as_asset
from rivya_flows.errors import MediaError, UsageError
from rivya_flows.media.decoding import compose
from rivya_flows.planning.pricing.estimate import picked_from
from rivya_flows.tasks.files import fetched
from rivya_flows.tasks.session import PLAIN, session


@task(name="compose", **PLAIN)
async def compose_media(
    video: Any = None,
    images: Any = None,
    audio: Any = None,
    loudness: float = -16.0,
    fit: str = "hold",
    timeout_seconds: float | None = None,
) -> Asset:
    """Compose a film from a film or stills and sounds.

    Args:
        video: An asset, or a file by URL or upload id; None if `images` make the picture.
        images: Stills, one or a list.
        audio: Sounds to mix, one or a list; None keeps the sound of the film.
        loudness: Of the result, in LUFS.
        fit: If the sound is longer than the picture: hold, loop or cut.
        timeout_seconds: None is `MAX_COMPOSE_SECONDS`.

    Raises:
        MediaError: There is no picture, a medium cannot be read, or it takes too long.
        APIError: A file could not be downloaded.
    """
    if video is None and not images:
        raise MediaError("there is no picture: neither `video` nor `images` has a medium")
    video, images, audio = [await fetched(one) for one in (video, images, audio)]
    assets, target = session().assets, session().assets.incoming()
    try:
        async with asyncio.timeout(timeout_seconds):
            films, stills, sounds = await asyncio.to_thread(_paths, target, video, images, audio)
            made = await compose(
                target,
                video=films[0] if films else None,
                images=stills,
                audio=sounds,
                loudness=loudness,
                fit=fit,  # type: ignore[arg-type]  # checked by the spec model
            )
        return await take(assets, target, found=made)
    except TimeoutError as error:
        message = f"the composition took longer than {timeout_seconds:g} s"
        raise MediaError(message, "raise the step's `timeout`") from error
    finally:
        target.unlink(missing_ok=True)


def _paths(target: Path, *media: Any) -> list[list[Path]]:
    """The files of each argument, and a folder for the film; the store may have to fetch them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return [[_path(one) for one in _listed(value)] for value in media]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _path(value: Any) -> Path:
    asset = as_asset(value)
    if asset is None:
        raise MediaError(f"not a kept medium: {str(value)[:60]!r}")
    return session().assets.local_path(asset.sha256)


@task(name="pick", **PLAIN)
async def miss_pick(reason: str) -> None:
    """Fail a pick that nobody answered, so that the graph shows it.

    Raises:
        UsageError: Always; says the reason.
    """
    raise UsageError(reason, "Retry the run, then answer")


@task(name="pick", **PLAIN)
async def pick_one(candidates: list[dict[str, Any]], answer: str | None = None) -> dict[str, Any]:
    """Choose one of several candidates.

    Args:
        candidates: Items of a step; those without an asset are ignored.
        answer: Key of the chosen one; None takes the first.

    Returns:
        ``{"asset", "key", "item"}``.

    Raises:
        UsageError: No candidate has that key, or none has an asset.
    """
    picked = picked_from({"from": candidates, "answer": answer})
    if picked is None:
        keys = ", ".join(str(one.get("key")) for one in candidates if one.get("asset"))
        raise UsageError(f"there is no candidate {answer!r}", f"one of: {keys}")
    return picked
