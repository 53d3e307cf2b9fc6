"""Samples a picture between its pixels along bent lines, fast enough for every frame of a film.

Integer arithmetic: positions in 256ths of a pixel, and two neighbours in one word, so that one
look-up and one multiplication serve both. Pillow's mesh of quadrangles takes twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rivya_sandbox.renderers.field import Field

Plane = NDArray[np.uint8]
Pairs = NDArray[np.uint32]

_ROWS = 60  # at a time: what they take stays in a core's cache
_LOW = np.uint32(0xFFFF)


@dataclass(frozen=True)
class Lines:
    """The sample position of each column and row, in pixels of the source.

    Attributes:
        x: Of each column, ``(1, width)``, 0 to the source's width - 1.
        y: Of each row, ``(height, 1)``.
        x_bend: What is added to x at nearness 1, ``(1, width)``.
        y_bend: The same for y, ``(height, 1)``.
    """

    x: Field
    y: Field
    x_bend: Field
    y_bend: Field


def pair_pixels(plane: Plane) -> Pairs:
    """Each pixel in the low half of a word, with its right neighbour in the high half."""
    right = np.concatenate([plane[:, 1:], plane[:, -1:]], axis=1)
    return plane.astype(np.uint32) | right.astype(np.uint32) << np.uint32(16)


def look(sources: Iterable[tuple[Pairs, Plane]], lines: Lines, near: Field) -> None:
    """Fills planes with samples along `lines`, bilinear between the pixels.

    Args:
        sources: Sources of one size, as from `pair_pixels`, each with the plane to fill.
        lines: None may leave the source.
        near: How much the lines bend, 0 to 1, of the planes' shape ``(height, width)``.
    """
    both = list(sources)
    wide = both[0][0].shape[1]
    x, y, x_bend, y_bend = (
        (part * 256).astype(np.float32) for part in (lines.x, lines.y, lines.x_bend, lines.y_bend)
    )
    for top in range(0, len(near), _ROWS):
        rows = slice(top, top + _ROWS)
        across = (near[rows] * x_bend + x).astype(np.int32)
        down = (near[rows] * y_bend[rows] + y[rows]).astype(np.int32)
        at = ((down >> 8) * np.int32(wide) + (across >> 8)).astype(np.intp)
        shares = (across & 255).astype(np.uint32), (down & 255).astype(np.uint32)
        for pairs, plane in both:
            plane[rows] = _between(pairs, at, *shares)


def _between(pairs: Pairs, at: NDArray[np.intp], right: Pairs, below: Pairs) -> Pairs:
    """Values at `at`, moved by shares of a pixel (256ths) to the right and below."""
    upper: Pairs = pairs.ravel().take(at)
    # Under the last row there is none, and its share is 0.
    mixed: Pairs = pairs.ravel().take(at + pairs.shape[1], mode="clip")
    # Differences may wrap around; the sums, of 16 bits each, do not.
    mixed -= upper
    mixed *= below
    upper <<= np.uint32(8)
    mixed += upper
    left = mixed & _LOW
    mixed >>= np.uint32(16)
    mixed -= left
    mixed *= right
    left <<= np.uint32(8)
    mixed += left
    mixed += np.uint32(1 << 15)
    mixed >>= np.uint32(16)
    return mixed
