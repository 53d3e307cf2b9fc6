"""Plain media of the requested kind, aspect ratio, length and format, without delay."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import cycle, islice

import numpy as np
from PIL import Image

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.encode import Samples, encode_picture, encode_sound
from rivya_sandbox.renderers.h264 import Frame, encode_film, planes_of
from rivya_sandbox.renderers.references import picture_ratio
from rivya_sandbox.renderers.request import Rendered, RenderRequest

_PICTURE_SIDE = 64  # pixels at most
_FILM_SIDE = 128  # pixels at most
_FPS = 12
_STEPS = 11  # of the stripe of a film through its picture: after a second it is elsewhere
_RATE = 22050  # samples in a second


def plain(request: RenderRequest) -> list[Rendered]:
    """Tiny media in colours that depend on the request, with no fault that is measured in media.

    Images are at most 64 pixels on a side, a stripe moves through films, audio is a soft tone of one and a half
    seconds if no length is asked for.

    Raises:
        ValueError: The aspect ratio is left to a reference that is not a readable picture.
    """
    if request.category == "audio":
        tone = _tone(request, frame.sound_seconds(request, 1.5))
        return [encode_sound(tone, _RATE, frame.sound_format(request))]
    if request.category == "video":
        return [_film(request)]
    kind = frame.picture_format(request)
    size = _exact_size(_ratio(request, Fraction(1)), _PICTURE_SIDE, 1)
    return [
        encode_picture(Image.fromarray(_pixels(request, size, index)), kind)
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
    return red, max(green, 64), blue  # never black


def _pixels(
    request: RenderRequest, size: tuple[int, int], index: int = 0, stripe: int = 64
) -> Frame:
    """One colour, and a stripe of another, the width divided by `stripe`: to a judge a plain picture, to a measurement
    none of one colour.
    """
    width, height = size
    colour = np.array(_colour(request, index), np.uint8)
    pixels = np.full((height, width, 3), colour)
    pixels[:, : max(1, width // stripe)] = colour + np.uint8(128)  # modulo 256: lighter or darker
    return pixels


def _film(request: RenderRequest) -> Rendered:
    size = _exact_size(_ratio(request, Fraction(16, 9)), _FILM_SIDE, 2)
    pixels, seconds = _pixels(request, size, stripe=16), frame.film_seconds(request)
    turn = [planes_of(np.roll(pixels, size[0] * step // _STEPS, 1)) for step in range(_STEPS)]
    frames = islice(cycle(turn), round(seconds * _FPS))
    sound = None
    if frame.wants_sound(request.params):
        sound = _tone(request, seconds).repeat(2, axis=0), _RATE
    return encode_film(frames, size, fps=_FPS, sound=sound)


def _tone(request: RenderRequest, seconds: float) -> Samples:
    pitch = 220 + _colour(request)[0]  # Hz
    time = np.arange(int(seconds * _RATE)) / _RATE
    fade = np.minimum(1, np.minimum(time, seconds - time) / 0.05)
    return (0.2 * fade * np.sin(2 * np.pi * pitch * time)).astype(np.float32).reshape(1, -1)
