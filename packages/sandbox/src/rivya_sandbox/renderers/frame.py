"""Size, duration and file format of a request, in any of the catalogue's spellings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rivya_sandbox.renderers.request import RenderRequest

LONGEST_SIDE = 2048  # pixels; more would take seconds and a gigabyte, without a better rehearsal
LONGEST_FILM = 30.0  # seconds
LONGEST_SOUND = 22.0  # seconds
PICTURE_AREA = 1024 * 1024  # pixels of "1K"

_RATIO_KEYS = ("aspect_ratio", "aspectRatio", "imageSize", "image_size", "size")
_RATIO_WORDS = {"square": Fraction(1), "landscape": Fraction(16, 9), "portrait": Fraction(9, 16)}
_NAMED_RATIO = re.compile(r"(portrait|landscape|square)(?:_(\d+)_(\d+)|_hd)?")
_LINES = {"480p": 480, "512p": 512, "580p": 580, "768p": 768, "1080p": 1080}
_PLAIN_RATIO = re.compile(r"(\d{1,2})\s*[:x/]\s*(\d{1,2})")


def asked_ratio(request: RenderRequest) -> Fraction | None:
    """The requested width over height, or None if it is open (``auto``)."""
    for key in _RATIO_KEYS:
        ratio = _ratio(str(request.params.get(key, "")).strip().lower())
        if ratio is not None:
            return ratio
    return None


def _ratio(text: str) -> Fraction | None:
    if plain := _PLAIN_RATIO.fullmatch(text):
        width, height = int(plain[1]), int(plain[2])
        return _clamp(Fraction(width, height)) if width and height else None
    if named := _NAMED_RATIO.fullmatch(text):
        if not named[2]:
            return _RATIO_WORDS[named[1]]
        # "portrait_16_9" and "portrait_3_4" are both upright: the words decide, not the order of the numbers.
        low, high = sorted((int(named[2]), int(named[3])))
        ratio = Fraction(low, high) if named[1] == "portrait" else Fraction(high, max(low, 1))
        return _clamp(ratio) if low else None
    return None


def _clamp(ratio: Fraction) -> Fraction:
    return min(max(ratio, Fraction(1, 8)), Fraction(8))


def ratio_of(width: int, height: int) -> Fraction:
    """Width over height of a picture, reduced to small numbers and limited to 1:8 to 8:1."""
    return _clamp(Fraction(width, height).limit_denominator(32) or Fraction(1, 8))


def picture_size(request: RenderRequest, ratio: Fraction) -> tuple[int, int]:
    """Width and height in pixels of a still: about 1 MP, in steps of 8.

    2K, a high quality and the professional mode give 2 MP, 4K gives 4 MP, ``square`` a quarter.
    """
    params = request.params
    resolution = str(params.get("resolution") or params.get("image_resolution") or "1K").upper()
    wanted = {"2K": 2 * PICTURE_AREA, "4K": 4 * PICTURE_AREA}.get(resolution, PICTURE_AREA)
    if params.get("quality") == "high" or truth(params.get("enable_pro")):
        wanted = max(wanted, 2 * PICTURE_AREA)
    if params.get("image_size") == "square":  # half the side of "square_hd"
        wanted = PICTURE_AREA // 4
    height = math.sqrt(wanted / ratio)
    width = height * ratio
    shrink = min(1.0, LONGEST_SIDE / max(width, height))
    return _step(width * shrink, 8), _step(height * shrink, 8)


def film_size(request: RenderRequest, ratio: Fraction) -> tuple[int, int]:
    """Width and height in pixels of a film: short side 480 to 1080, as is asked for, both even.

    Beyond 16:9 (or 9:16) the long side is fixed, which bounds the number of pixels.
    """
    params = request.params
    better = params.get("size") == "high" or params.get("mode") == "pro"
    asked = params.get("resolution") or params.get("quality") or ("1080p" if better else "720p")
    short = _LINES.get(str(asked).lower(), 720)
    long = short * Fraction(16, 9)
    shape = max(ratio, 1 / ratio)
    sides = (min(long, short * shape), min(Fraction(short), long / shape))
    width, height = sides if ratio >= 1 else sides[::-1]
    return _step(float(width), 2), _step(float(height), 2)


def _step(length: float, step: int) -> int:
    return max(step, round(length / step) * step)


def film_seconds(request: RenderRequest) -> float:
    """Length of a film in seconds: ``duration`` or ``n_frames`` (which counts seconds), else 5."""
    for key in ("duration", "n_frames"):
        seconds = number(request.params.get(key))
        if seconds is not None:
            return min(max(seconds, 1.0), LONGEST_FILM)
    return 5.0


def sound_seconds(request: RenderRequest, default: float) -> float:
    """Length of a sound in seconds: ``duration_seconds``, or the default."""
    seconds = number(request.params.get("duration_seconds"))
    return min(max(default if seconds is None else seconds, 0.5), LONGEST_SOUND)


def wants_sound(params: Mapping[str, Any]) -> bool:
    """Whether a film with these parameters has a sound bed."""
    return any(truth(params.get(key)) for key in ("sound", "generate_audio"))


def picture_count(request: RenderRequest) -> int:
    """The number of pictures of a request, 1 to 6."""
    return int(min(max(number(request.params.get("max_images")) or 1, 1), 6))


def picture_format(request: RenderRequest) -> str:
    """``png``, ``jpeg`` or ``webp``."""
    asked = str(request.params.get("output_format") or request.params.get("outputFormat") or "png")
    return {"jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}.get(asked.lower(), "png")


def sound_format(request: RenderRequest) -> str:
    """As `encode.encode_sound` reads it, such as ``mp3_44100_128``, ``pcm_24000``, ``wav``."""
    asked = request.params.get("output_format") or request.params.get("outputFormat") or "mp3"
    return str(asked).lower()


def number(value: Any) -> float | None:
    """`value` as a finite number, sent as a number or as text; None if it is neither."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def truth(value: Any) -> bool:
    """`value` as a boolean, sent as a boolean or as text."""
    return str(value).strip().lower() == "true"
