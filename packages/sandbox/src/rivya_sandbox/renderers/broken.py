"""Media that are broken, as a service may sell them: black, frozen, silent, and so on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice

import av
import numpy as np
from PIL import Image

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.encode import Samples, encode_picture, encode_sound
from rivya_sandbox.renderers.h264 import Frame, encode_film, planes_in
from rivya_sandbox.renderers.request import How, Rendered, RenderRequest

_SHORT = 0.4  # of the length
_GREY = 128
_COLOURS = {"black": (16, 128, 128), "blank": (_GREY, 128, 128)}  # Y, U, V of limited range


def break_medium(medium: Rendered, request: RenderRequest, how: How) -> Rendered:
    """A finished medium, broken; `how` is one of its kind in `HOWS`."""
    if request.category == "image":
        return _picture(medium.data, frame.picture_format(request), how)
    sound = _sound(medium.data)
    if sound is not None:
        sound = _broken_sound(sound[0], how), sound[1]
    if request.category == "video":
        return _film(medium.data, sound, how)
    return medium if sound is None else encode_sound(*sound, frame.sound_format(request))


def _picture(data: bytes, kind: str, how: How) -> Rendered:
    with Image.open(io.BytesIO(data)) as picture:
        other = picture.convert("RGB").resize(_other_shape(*picture.size))
        blank = Image.new("RGB", picture.size, (_GREY,) * 3)
    return encode_picture(blank if how == "blank" else other, kind)


def _other_shape(width: int, height: int) -> tuple[int, int]:
    """A square; of what is nearly one, 16:9."""
    short, long = sorted((width, height))
    return (short, short) if long > 1.3 * short else (width, width * 9 // 32 * 2)


def _sound(data: bytes) -> tuple[Samples, int] | None:
    """The samples and their rate; None without a sound track."""
    with av.open(io.BytesIO(data), "r") as file:
        if not file.streams.audio:
            return None
        track = file.streams.audio[0]
        resampler = av.AudioResampler("fltp", track.layout, track.rate)
        pieces = [
            piece.to_ndarray()
            for one in (*file.decode(track), None)
            for piece in resampler.resample(one)
        ]
        return np.concatenate(pieces, axis=1), track.rate


def _broken_sound(samples: Samples, how: How) -> Samples:
    if how == "silent":
        return np.zeros_like(samples)
    if how == "clipped":
        # No less would do: encoders lower what is clipped, and a part of it stays at full scale.
        return np.sign(samples)
    return samples[:, : round(samples.shape[1] * _SHORT)] if how == "short" else samples


def _film(data: bytes, sound: tuple[Samples, int] | None, how: How) -> Rendered:
    with av.open(io.BytesIO(data), "r") as file:
        track = file.streams.video[0]
        assert track.average_rate is not None  # as every film of the renderers
        count, size = track.frames, (track.width, track.height)
        if how == "shape":
            size = _other_shape(*size)
        frames: Iterator[Frame] = (
            np.asarray(one.to_ndarray(format="yuv420p", width=size[0], height=size[1]), np.uint8)
            for one in file.decode(track)
        )
        if how == "short":
            frames = islice(frames, max(1, round(count * _SHORT)))
        elif how in ("frozen", *_COLOURS):
            first = next(frames)
            for plane, level in zip(planes_in(first), _COLOURS.get(how, ()), strict=False):
                plane[:] = level
            frames = iter([first] * count)
        return encode_film(frames, size, fps=round(track.average_rate), sound=sound)
