"""Plain-colour media of the requested kind, aspect ratio and format, without delay."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
from PIL import Image

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.encode import Samples, encode_picture, encode_sound
from rivya_sandbox.renderers.h264 import encode_film, planes_of
from rivya_sandbox.renderers.references import picture_ratio
from rivya_sandbox.renderers.request import Rendered, RenderRequest

_PICTURE_SIDE = 64  # pixels at most
_FILM_SIDE = 128  # pixels at most
_FPS = 12
_RATE = 22050  # samples in a second


def plain(request: RenderRequest) -> list[Rendered]:
    """Tiny media in one colour that depends on the request.

    Images are at most 64 pixels on a side, films last a second and have no sound, audio is a
    soft tone of one and a half seconds.

    Raises:
        ValueError: The aspect ratio is left to a reference that is not a readable picture.
    """
    if request.category == "audio":
        return [encode_sound(_tone(request), _RATE, frame.sound_format(request))]
    if request.category == "video":
        return [_film(request)]
    kind = frame.picture_format(request)
    size = _exact_size(_ratio(request, Fraction(1)), _PICTURE_SIDE, 1)
    return [
        encode_picture(Image.new("RGB", size, _colour(request, index)), kind)
        for index in range(frame.picture_count(request))
    ]


def _ratio(request: RenderRequest, default: Fraction) -> Fraction:
    asked = frame.asked_ratio(request)
    if asked is None and request.references and request.references[0].kind == "image":
        return picture_ratio(request.references[0])
    return asked or default


def _exact_size(ratio: Fraction, longest: int, step: int) -> tuple[int, int]:
    """The largest size of exactly this ratio whose sides are multiples of `step`."""
    width, height = ratio.numerator, ratio.denominator
    scale = max(step, longest // max(width, height) // step * step)
    return width * scale, height * scale


def _colour(request: RenderRequest, index: int = 0) -> tuple[int, int, int]:
    named = f"{request.model}\x1f{request.prompt}\x1f{request.seed}\x1f{index}"
    red, green, blue = hashlib.sha256(named.encode()).digest()[:3]
    return red, green, blue


def _film(request: RenderRequest) -> Rendered:
    width, height = _exact_size(_ratio(request, Fraction(16, 9)), _FILM_SIDE, 2)
    pixels = np.full((height, width, 3), _colour(request), np.uint8)
    return encode_film([planes_of(pixels)] * _FPS, (width, height), fps=_FPS)


def _tone(request: RenderRequest) -> Samples:
    pitch = 220 + _colour(request)[0]  # Hz
    time = np.arange(int(1.5 * _RATE)) / _RATE
    fade = np.minimum(1, np.minimum(time, 1.5 - time) / 0.05)
    return (0.2 * fade * np.sin(2 * np.pi * pitch * time)).astype(np.float32).reshape(1, -1)
