"""Decodes untrusted media in a separate process, within bounds.

It has no secrets in its environment, and ends with its bounds, with Ctrl-C, with a cancelled task, and
with this process. Its answers are validated as untrusted input. A medium that is missing, broken, of
the wrong kind or beyond a bound is a `MediaError`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import json
import math
import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from rivya_client.mime_types import mime_type_of_suffix, suffix_of
from rivya_cut.composition import Composition, Layout
from rivya_cut.measures import Measures
from rivya_cut.metadata import MAX_LOST
from rivya_cut.results import (
    GIF,
    POSTER,
    POSTER_SIDE,
    TIMELINE,
    Probe,
    Rendered,
    clean_name,
    film_names,
    poster_names,
)
from rivya_cut.subtitles import MAX_SUBTITLE_CHARACTERS, MAX_SUBTITLES
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import MAX_MEASURED, MAX_POSTERS
from rivya_flows.media.content_credentials import Credentials
from rivya_flows.media.decoder import DecoderCall

MAX_LOST_CHARACTERS = 500
_MAX_TIMELINE_BYTES = 8 << 20  # with as many captions, clips and repetitions as there may be
_PROBE = TypeAdapter(Probe)
_RENDERED = TypeAdapter(Rendered)
_MEASURES = TypeAdapter(Measures)
_NAMES = TypeAdapter(tuple[str, ...])
_Made = TypeVar("_Made")
_CREDENTIALS = TypeAdapter(Credentials | None)

_POSTERS: dict[str, Future[bytes | None]] = {}
_MEASURED: dict[tuple[int, ...], Future[Measures]] = {}
os.register_at_fork(after_in_child=_POSTERS.clear)
os.register_at_fork(after_in_child=_MEASURED.clear)

_Form = Literal["jpeg", "webp"]


def probe(path: Path) -> Probe:
    """Probe a file by its bytes, not its name."""
    return _probe_of(path).wait()


async def probe_async(path: Path) -> Probe:
    """Probe a file from an event loop; cancelling ends the decoding."""
    return await _probe_of(path).wait_async()


def _probe_of(path: Path) -> DecoderCall[Probe]:
    arguments = {"path": str(path)}
    return DecoderCall(
        "probe", path, arguments, lambda found: checked_probe(_PROBE.validate_python(found))
    )


def poster(path: Path, side: int = POSTER_SIDE, form: _Form = "jpeg") -> bytes | None:
    """A small picture of a picture, or from inside a film; None if none can be made.

    `side` is the most pixels of its longer side.
    """
    return _poster_of(path, side, form).wait()


def draw_poster(sha256: str, path: Path) -> Future[bytes | None]:
    """Start to draw the poster of a film or picture as WebP in the background, once in a process."""
    drawn = _POSTERS.get(sha256)
    if drawn is None:
        drawn = _POSTERS[sha256] = _poster_of(path, POSTER_SIDE, "webp").submit()
        if len(_POSTERS) > MAX_POSTERS:
            _POSTERS.pop(next(iter(_POSTERS)), None)
    return drawn


def _poster_of(path: Path, side: int, form: _Form) -> DecoderCall[bytes | None]:
    def read(found: Any) -> bytes | None:
        return base64.b64decode(found, validate=True) if isinstance(found, str) else None

    return DecoderCall("poster", path, {"path": str(path), "side": side, "form": form}, read)


async def measure(path: Path) -> Measures:
    """What is black, still, silent, clipped or of one colour in a medium; once for a file that stays as it is."""
    try:
        about = await asyncio.to_thread(path.stat)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    mark = about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
    measured = _MEASURED.get(mark)
    if measured is None or (measured.done() and measured.exception()):
        call = DecoderCall("measure", path, {"path": str(path)}, checked_measures)
        measured = _MEASURED[mark] = call.submit()
        if len(_MEASURED) > MAX_MEASURED:
            _MEASURED.pop(next(iter(_MEASURED)), None)
    return await asyncio.shield(asyncio.wrap_future(measured))  # others may wait for it too


async def frames(path: Path, folder: Path, count: int) -> tuple[Path, ...]:
    """Write frames of a film or picture, see `rivya_cut.frames`; cancelling ends the decoding.

    The folder must not exist. On success it has exactly the frames, and is gone after an error.
    """
    arguments = {"path": str(path), "folder": str(folder), "count": count}
    call = DecoderCall(
        "frames", path, arguments, lambda found: checked_frames(found, folder, count)
    )
    return await _filling(folder, call)


def credentials(path: Path) -> Credentials | None:
    """The content credentials of a file; None if it has none. Needs the extra ``c2pa``."""
    return DecoderCall(
        "credentials", path, {"path": str(path)}, _CREDENTIALS.validate_python
    ).wait()


async def render(
    work: Composition | Layout, folder: Path, progress: Callable[[float], object] = lambda _: None
) -> Rendered:
    """Render a film or a still once for each format, with its extras, see `rivya_cut.final_cut`.

    The folder must not exist. On success it has exactly the files of the result, and is gone after an
    error or a cancellation. `progress` is called in the event loop with the share of a film that is
    done, 0 to 1, at most 99 times.
    """
    about = Path(f"the {type(work).__name__.lower()}")  # as errors name it
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()

    def report(share: float) -> None:  # in a thread, which has no context of its own
        if not call.ended:
            with contextlib.suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(progress, share, context=context)

    arguments = {"work": work.model_dump_json(), "folder": str(folder)}
    name = "render" if isinstance(work, Composition) else "lay_out"
    call = DecoderCall(
        name, about, arguments, lambda found: checked_rendered(found, work, folder), report
    )
    return await _filling(folder, call)


async def _filling(folder: Path, call: DecoderCall[_Made]) -> _Made:
    """What a call makes in a new folder, which is gone if it makes nothing."""
    folder.mkdir(parents=True)
    try:
        return await call.wait_async()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def wanted_names(work: Composition | Layout) -> tuple[frozenset[str], frozenset[str]]:
    """The files that a rendering must leave, and those that it may leave too."""
    if isinstance(work, Layout):
        return frozenset(film_names(work.formats, ".png")), frozenset()
    films = film_names(work.formats, platforms=work.platforms)
    extras = [name for one, name in (("poster", POSTER), ("gif", GIF)) if one in work.extras]
    clean = map(clean_name, films if "clean" in work.extras else ())
    posters = poster_names(work.posters)[1:] if "poster" in work.extras else ()
    return frozenset([*films, *extras]), frozenset([*clean, *posters])


def checked_probe(probe: Probe) -> Probe:
    """The same probe; ValueError if its type has no file suffix, or its length is no number."""
    # File names are made from the type, and JSON has no infinity.
    if not suffix_of(probe.mime_type) or not math.isfinite(probe.duration_seconds or 0):
        raise ValueError("not a medium")
    return probe


def checked_measures(found: object) -> Measures:
    """The measures, if they can be those of a medium."""
    measures = _MEASURES.validate_python(found)
    shares = measures.black, measures.blank, measures.silent, measures.clipped
    lengths = measures.seconds, measures.still, measures.width, measures.height
    levels = measures.loudness, measures.peak
    if not (
        all(0 <= share <= 1 for share in shares if share is not None)
        and all(length >= 0 for length in lengths if length is not None)
        and all(math.isfinite(one) for one in (*lengths, *levels) if one is not None)
    ):
        raise ValueError("measures out of bounds")
    return measures


def checked_frames(found: object, folder: Path, count: int) -> tuple[Path, ...]:
    """The frames that were written; ValueError if there are others than those asked for."""
    names = _NAMES.validate_python(found)
    wanted = tuple(f"{number:04}.png" for number in range(1, len(names) + 1))
    regular = {one.name for one in folder.iterdir() if stat.S_ISREG(one.lstat().st_mode)}
    if names != wanted or not 1 <= len(names) <= count or regular != {*names}:
        raise ValueError("other frames than those asked for")
    return tuple(folder / name for name in names)


def checked_rendered(found: object, work: Composition | Layout, folder: Path) -> Rendered:
    """What was rendered, if it is what was asked for; deletes every other file of the folder."""
    rendered = _RENDERED.validate_python(found)
    must, may = wanted_names(work)
    if not must <= rendered.media.keys() <= must | may:
        raise ValueError("other files than those asked for")
    for name, probe in rendered.media.items():
        about = (folder / name).lstat()
        whole = stat.S_ISREG(about.st_mode) and about.st_size == checked_probe(probe).size_bytes
        if not whole or probe.mime_type != mime_type_of_suffix(Path(name).suffix):
            raise ValueError(f"{name} is not what it is said to be")
    sound = rendered.loudness
    if sound and not (math.isfinite(sound.lufs) and math.isfinite(sound.true_peak)):
        rendered = replace(rendered, loudness=None)  # silence: minus infinity
    numbers = [number for cue in rendered.cues for number in (cue.start, cue.end)]
    texts = [cue.text for cue in rendered.cues]
    if not (
        all(map(math.isfinite, numbers))
        and all(0 <= cue.start <= cue.end for cue in rendered.cues)
        and len(texts) <= MAX_SUBTITLES
        and max(map(len, texts), default=0) <= MAX_SUBTITLE_CHARACTERS
        and len(rendered.lost) <= MAX_LOST
        and max(map(len, rendered.lost), default=0) <= MAX_LOST_CHARACTERS
    ):
        raise ValueError("captions or lost metadata out of bounds")
    timeline = rendered.timeline
    if timeline is not None:
        about = (folder / timeline).lstat()
        if (
            timeline != TIMELINE
            or not isinstance(work, Composition)
            or "otio" not in work.extras
            or not stat.S_ISREG(about.st_mode)
            or about.st_size > _MAX_TIMELINE_BYTES
        ):
            raise ValueError("a timeline that was not asked for, or out of bounds")
        try:
            is_map = isinstance(json.loads((folder / timeline).read_text("utf-8")), dict)
        except RecursionError:
            is_map = False
        if not is_map:
            raise ValueError("a timeline that is no JSON object")
    for path in folder.iterdir():
        if path.name not in (*rendered.media, timeline):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return rendered
