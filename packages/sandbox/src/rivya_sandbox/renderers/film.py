"""Films from a prompt, or from one or more stills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from PIL import Image

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.atmosphere import Atmosphere
from rivya_sandbox.renderers.audio import sound_bed
from rivya_sandbox.renderers.camera import (
    MOVES,
    STILL,
    Move,
    Shot,
    move_for,
    shot_of,
    shot_size,
    view_at,
)
from rivya_sandbox.renderers.h264 import Frame, encode_film, planes_in
from rivya_sandbox.renderers.mark import mark_masks
from rivya_sandbox.renderers.references import open_picture
from rivya_sandbox.renderers.request import Rendered, RenderRequest
from rivya_sandbox.renderers.restyle import join_pictures
from rivya_sandbox.renderers.sound import RATE
from rivya_sandbox.renderers.still import draw
from rivya_sandbox.renderers.wording import drawn_prompt, watermark

Mark = tuple[Image.Image, Image.Image, tuple[int, int]]

FPS = 24
_MOST_SHOTS = 4
_DRAWN_SHOTS = 3  # of a film in several shots without references
_DISSOLVE = 0.8  # seconds at most
_FADE_IN = 0.3  # seconds
_WORKERS = 2
_BLACK, _WHITE, _GREY = 16, 235, 128  # of limited range; no colour is grey


@dataclass(frozen=True)
class _Reel:
    """Shots of equal length that dissolve into each other.

    Attributes:
        shots: In order, at least one.
        seconds: Of the whole film.
        atmosphere: Dust and a sweep of light over everything.
        marks: Masks of ground and letters, and their corner.
    """

    shots: tuple[Shot, ...]
    seconds: float
    atmosphere: Atmosphere
    marks: tuple[Mark, ...]


def render_film(request: RenderRequest) -> list[Rendered]:
    """One MP4: from the references in their order, or from a still drawn for the prompt.

    Raises:
        ValueError: A reference cannot be used.
    """
    usable = [one for one in request.references if one.kind != "audio"][:_MOST_SHOTS]
    pictures = [open_picture(one) for one in usable]
    ratio = frame.asked_ratio(request)
    if ratio is None:
        ratio = frame.ratio_of(*pictures[0].size) if pictures else Fraction(16, 9)
    size = frame.film_size(request, ratio)
    seconds = frame.film_seconds(request)
    if not pictures:
        prompt = drawn_prompt(request)
        count = _DRAWN_SHOTS if frame.truth(request.params.get("multi_shots")) else 1
        pictures = [
            draw(prompt, request.seed + index, shot_size(size), marked=False)
            for index in range(count)
        ]
    elif _as_references(request) and len(pictures) > 1:
        pictures = [join_pictures(pictures, shot_size(size))]
    moves = _moves(request)
    shots = tuple(
        shot_of(picture, size, move, request.seed + index)
        for index, (picture, move) in enumerate(zip(pictures, moves, strict=False))
    )
    text = watermark(request)
    marks = (mark_masks(size), *([mark_masks(size, text)] if text else []))
    reel = _Reel(shots, seconds, Atmosphere.of(size, request.prompt, request.seed), marks)
    frames = _in_parallel(lambda index: _frame(reel, index / FPS), max(1, round(seconds * FPS)))
    sound = None
    if frame.wants_sound(request.params):
        sound = sound_bed(request.prompt, seconds, request.seed), RATE
    return [encode_film(frames, size, fps=FPS, sound=sound)]


def _as_references(request: RenderRequest) -> bool:
    """Whether the pictures are shown together instead of one after the other."""
    params = request.params
    return (
        params.get("generationType") == "REFERENCE_2_VIDEO"
        or params.get("seedance_scene") == "reference"
    )


def _moves(request: RenderRequest) -> list[Move]:
    """The camera move of each shot: from the prompt, then by the seed."""
    if frame.truth(request.params.get("fixed_lens")):
        return [STILL] * _MOST_SHOTS
    rest = list(MOVES.values())
    return [
        move_for(request.prompt),
        *(rest[(request.seed + index) % 4] for index in range(1, _MOST_SHOTS)),
    ]


def _in_parallel(make: Callable[[int], Frame], count: int) -> Iterator[Frame]:
    """Frames in order, rendered by a few threads just ahead of the encoder.

    NumPy releases the GIL; at most six frames exist at a time.
    """
    ahead = _WORKERS * 3
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: list[Future[Frame]] = []
        try:
            for index in range(count):
                waiting.append(pool.submit(make, index))
                if len(waiting) == ahead:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def _frame(reel: _Reel, time: float) -> Frame:
    """The finished planes at `time` seconds, of shape ``(height * 3 / 2, width)``."""
    span = reel.seconds / len(reel.shots)
    index = min(len(reel.shots) - 1, int(time / span))
    local = time - index * span
    # All shots but the last keep moving during the dissolve.
    dissolve = min(_DISSOLVE, span * 0.6)
    tail = dissolve if len(reel.shots) > 1 else 0.0
    frame = view_at(reel.shots[index], min(1.0, local / (span + tail)))
    if index and local < dissolve:
        before = view_at(reel.shots[index - 1], min(1.0, (local + span) / (span + tail)))
        share = local / dissolve
        frame = _blend(before, frame, share * share * (3 - 2 * share))
    reel.atmosphere.shine(frame, time, reel.seconds)
    if time < _FADE_IN:
        black = np.empty_like(frame)
        for plane, level in zip(planes_in(black), (_BLACK, _GREY, _GREY), strict=True):
            plane[:] = level
        frame = _blend(black, frame, 0.5 + 0.5 * time / _FADE_IN)
    for mark in reel.marks:
        _set_mark(frame, mark)
    return frame


def _blend(first: Frame, second: Frame, share: float) -> Frame:
    of_second = round(share * 256)
    sums = first * np.uint16(256 - of_second)
    sums += second * np.uint16(of_second)
    return (sums >> 8).astype(np.uint8)


def _set_mark(frame: Frame, mark: Mark) -> None:
    pill, letters, (x, y) = mark
    luma, *chroma = planes_in(frame)
    _paste(luma, _BLACK, (x, y), pill)
    _paste(luma, _WHITE, (x, y), letters)
    half = pill.resize((pill.width // 2, pill.height // 2), Image.Resampling.BOX)
    for plane in chroma:
        _paste(plane, _GREY, (x // 2, y // 2), half)


def _paste(plane: Frame, level: int, at: tuple[int, int], mask: Image.Image) -> None:
    """Sets `plane` to `level` where `mask` is white; parts outside the plane are clipped."""
    x, y = at
    part = plane[y : y + mask.height, x : x + mask.width]
    share = np.asarray(mask, np.uint16)[: part.shape[0], : part.shape[1]]
    part[:] = (part * (255 - share) + level * share + 127) // 255
