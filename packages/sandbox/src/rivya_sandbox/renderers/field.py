"""Smooth random fields and blurs on a pixel grid, all `float32`.

A scalar field has the shape ``(height, width)``, a colour field ``(height, width, 3)``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.floating[Any]]  # float32 in practice; the stubs see float64 too often

_RESAMPLING = {
    "box": Image.Resampling.BOX,
    "linear": Image.Resampling.BILINEAR,
    "cubic": Image.Resampling.BICUBIC,
    "sharp": Image.Resampling.LANCZOS,
}


_BANDS = 8  # small enough for a core's cache, with a megapixel of colour


def by_bands(height: int, work: Callable[[slice], None]) -> None:
    """Calls `work` for bands of rows that cover `height`, two at a time.

    NumPy releases the GIL, so a large field uses both cores. `work` must not call this itself: it
    would wait for its own thread.
    """
    cuts = [height * part // _BANDS for part in range(_BANDS + 1)]
    bands = [slice(cuts[part], cuts[part + 1]) for part in range(_BANDS)]
    for _ in _pool().map(work, bands):
        pass


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, "bands")


def seeded_generator(*parts: Any) -> np.random.Generator:
    """A random generator that depends only on `parts`."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16])))


def smooth(low: float, high: float, values: Any) -> Field:
    """0 up to `low`, 1 from `high`, an S-curve between; `low` may be above `high`."""
    t = np.asarray(values, np.float32) - np.float32(low)
    t *= np.float32(1 / (high - low))
    t = np.clip(t, 0, 1)
    curve: Field = t * np.float32(-2)
    curve += np.float32(3)
    curve *= t
    curve *= t
    return curve


def grid(width: int, height: int) -> tuple[Field, Field]:
    """X of shape ``(1, width)`` and y of shape ``(height, 1)``, both from 0 to 1."""
    x = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(width)
    y = (np.arange(height, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
    return x[None, :], y[:, None]


def apart(colours: Field) -> list[Field]:
    """The three channels of a colour field."""
    return [np.ascontiguousarray(colours[..., channel]) for channel in range(3)]


def together(channels: Sequence[Field]) -> Field:
    """A colour field of three channels."""
    colours = np.empty((*channels[0].shape, 3), np.float32)
    for index, channel in enumerate(channels):
        colours[..., index] = channel
    return colours


def length(x: Field, y: Field) -> Field:
    """As `np.hypot`, which guards against numbers too large for us and takes ten times as long."""
    long: Field = np.sqrt(x * x + y * y)
    return long


def fraction(values: Field) -> Field:
    """The fractional part, as ``values % 1``, which takes ten times as long."""
    rest: Field = values - np.floor(values)
    return rest


def between(values: Field, at: Field) -> Field:
    """A line of evenly spaced `values` at `at`, shares of its length from 0 to 1; linear."""
    values = values.astype(np.float32)
    place = np.clip(at, 0, 1).astype(np.float32) * np.float32(len(values) - 1)
    left = np.minimum(place.astype(np.intp), len(values) - 2)
    steps = np.diff(values)
    found: Field = values.take(left) + steps.take(left) * (place - left.astype(np.float32))
    return found


def resize(
    values: Field, width: int, height: int, how: str = "cubic", rows: slice = slice(None)
) -> Field:
    """A scalar or colour field on another grid; `how` is ``box linear cubic sharp``.

    With `rows` only these rows of the result, which must be at least one.
    """
    if values.ndim == 3:
        return together([resize(channel, width, height, how, rows) for channel in apart(values)])
    first, last, _ = rows.indices(height)
    scale = values.shape[0] / height
    box = (0, first * scale, values.shape[1], min(last * scale, values.shape[0]))
    source = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(source.resize((width, last - first), _RESAMPLING[how], box))


def noise(rng: np.random.Generator, width: int, height: int, cells: float) -> Field:
    """Smooth noise of variance about 1 with `cells` bumps along the longer side."""
    scale = cells / max(width, height)
    columns, rows = math.ceil(width * scale) + 3, math.ceil(height * scale) + 3
    return resize(rng.standard_normal((rows, columns)).astype(np.float32), width, height)


def clouds(
    rng: np.random.Generator,
    width: int,
    height: int,
    cells: float = 3,
    octaves: int = 5,
    gain: float = 0.5,
) -> Field:
    """Noise in octaves of finer detail, each `gain` times as strong as the one before."""
    total = np.zeros((height, width), np.float32)
    strength, sum_of_strengths = 1.0, 0.0
    for _ in range(octaves):
        if cells > max(width, height) / 1.5:
            break
        total += np.float32(strength) * noise(rng, width, height, cells)
        sum_of_strengths += strength
        strength *= gain
        cells *= 2.03
    return total / np.float32(max(sum_of_strengths, 1e-3) * 0.75)


def ridge(
    rng: np.random.Generator, width: int, cells: float, octaves: int = 7, gain: float = 0.5
) -> Field:
    """A jagged line of shape ``(width,)`` around 0, such as the outline of mountains."""
    line = np.zeros(width, np.float32)
    strength = 1.0
    for _ in range(octaves):
        if cells > width / 2:
            break
        heights = rng.standard_normal(int(cells) + 4).astype(np.float32)
        at = np.linspace(0, len(heights) - 1.001, width)
        left = at.astype(int)
        t = smooth(0, 1, at - left)
        line += np.float32(strength) * (heights[left] * (1 - t) + heights[left + 1] * t)
        strength *= gain
        cells *= 2.05
    return line


def soften(values: Field, times: int) -> Field:
    """A scalar field after `times` passes of a 3 by 3 binomial filter."""
    padded = np.pad(values, times, "edge")
    soft = np.empty_like(values)

    def work(rows: slice) -> None:
        part = padded[rows.start : rows.stop + 2 * times]
        # A pass is two sums of neighbours each way; what they grow by is taken away at the end.
        for _ in range(2 * times):
            part = part[:-1] + part[1:]
        for _ in range(2 * times):
            part = part[:, :-1] + part[:, 1:]
        np.multiply(part, 0.0625**times, out=soft[rows])

    by_bands(len(values), work)
    return soft


def blur(values: Field, sigma: float) -> Field:
    """A Gaussian blur, approximately; `sigma` in pixels. Wide blurs work on a reduced grid."""
    height, width = values.shape[:2]
    soft = blurred_small(values, sigma)
    return soft if soft.shape == values.shape else resize(soft, width, height)


def blurred_small(values: Field, sigma: float) -> Field:
    """As `blur`, on the reduced grid, for callers that enlarge it later."""
    if values.ndim == 3:
        return together([blurred_small(channel, sigma) for channel in apart(values)])
    reduction = sigma / 1.7
    if reduction < 1.3:
        return soften(values, max(1, round(2 * sigma * sigma)))
    height, width = values.shape
    small = max(4, round(width / reduction)), max(4, round(height / reduction))
    source = Image.fromarray(np.ascontiguousarray(values, np.float32))
    reduced = np.asarray(source.resize(small, Image.Resampling.BILINEAR, reducing_gap=2.0))
    return soften(reduced, 3)


def slopes(values: Field) -> tuple[Field, Field]:
    """How a scalar field rises downwards and to the right, for each pixel."""
    return np.gradient(values, axis=0), np.gradient(values, axis=1)


def softened_shape(
    size: tuple[int, int], paint: Callable[[ImageDraw.ImageDraw, float], None], sigma: float
) -> Field:
    """What `paint` draws, blurred by `sigma` pixels: a scalar field from 0 to 1.

    Args:
        size: Width and height in pixels.
        paint: Gets a black canvas and the scale to draw at: wide blurs need no fine grid.
        sigma: Of the blur, in pixels of the whole size.
    """
    reduction = max(1, int(sigma / 2.5))
    small = max(1, size[0] // reduction), max(1, size[1] // reduction)
    mask = Image.new("L", small, 0)
    paint(ImageDraw.Draw(mask), 1 / reduction)
    soft = mask.filter(ImageFilter.GaussianBlur(sigma / reduction))
    return mask_of(soft) if reduction == 1 else resize(mask_of(soft), *size, "linear")


def mask_of(picture: Image.Image) -> Field:
    """A mode-L picture as a scalar field from 0 to 1."""
    return np.asarray(picture, np.float32) / np.float32(255)
