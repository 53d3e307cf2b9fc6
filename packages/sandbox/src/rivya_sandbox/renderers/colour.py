"""Colour arithmetic: linear light, OKLab gradients, tone mapping.

Display values run from 0 to 1. Linear light is display squared: a gamma of 2 costs a multiply
and a square root, and no eye can tell it from sRGB's curve here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rivya_sandbox.renderers.field import Field, by_bands, together

# Source: Björn Ottosson, "A perceptual color space for image processing" (2020).
_TO_CONES = np.array(
    [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]], np.float32
)
_TO_LAB = np.array(
    [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]], np.float32
)
_FROM_LAB = np.array(
    [[1, 0.3963, 0.2158], [1, -0.1056, -0.0639], [1, -0.0895, -1.2915]], np.float32
)
_FROM_CONES = np.array(
    [[4.0767, -3.3077, 0.2310], [-1.2684, 2.6098, -0.3413], [-0.0042, -0.7034, 1.7076]], np.float32
)
_TABLE = 512  # entries of a gradient
_LARGE = 130_000  # pixels; fewer are not worth a second thread


def rgb(code: str) -> Field:
    """Display colour of shape ``(3,)`` from ``rrggbb``."""
    values = [int(code[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    return np.array(values, np.float32)


def linear(display: Field) -> Field:
    """Linear light of a display colour or field."""
    return display * display


def oklab(display: Field) -> Field:
    """Lightness and two colour axes of display colours, last axis of length 3."""
    lab: Field = np.cbrt(linear(display) @ _TO_CONES.T) @ _TO_LAB.T
    return lab


def from_oklab(lab: Field) -> Field:
    """Display colours, clipped to what a display shows."""
    return np.sqrt(np.clip((lab @ _FROM_LAB.T) ** 3 @ _FROM_CONES.T, 0, 1)).astype(np.float32)


def mix(first: Field, second: Field, share: Any) -> Field:
    """`first` where `share` is 0, `second` where it is 1; a scalar field broadcasts over colour."""
    if isinstance(share, np.ndarray) and share.ndim == 2:
        fits = all(end.ndim == 1 or end.shape == (*share.shape, 3) for end in (first, second))
        if fits and share.size >= _LARGE:
            return _mixed_by_bands(first, second, share)
        share = share[..., None]
    blended: Field = first + (second - first) * np.asarray(share, np.float32)
    return blended


def _mixed_by_bands(first: Field, second: Field, share: Field) -> Field:
    """As `mix`; NumPy is slow where a share broadcasts over three values."""
    blended = np.empty((*share.shape, 3), np.float32)
    share = share.astype(np.float32, copy=False)
    fields = first.ndim == second.ndim == 3

    def work(rows: slice) -> None:
        part = share[rows]
        low, high = part.min(), part.max()
        below, above = (end if end.ndim == 1 else end[rows] for end in (first, second))
        if low == high and low in (0, 1):
            blended[rows] = above if low else below
        elif fields:
            np.subtract(above, below, out=blended[rows])
            blended[rows] *= _thrice(part)
            blended[rows] += below
        else:
            for channel in range(3):
                start, end = below[..., channel], above[..., channel]
                blended[rows, :, channel] = start + (end - start) * part

    by_bands(len(share), work)
    return blended


def _thrice(values: Field) -> Field:
    """A scalar field with its values repeated along a last axis of length 3."""
    return np.repeat(values, 3, axis=1).reshape(*values.shape, 3)


def scale_colour(light: Field, strength: Field) -> Field:
    """A colour field times a scalar field."""
    result = np.empty(light.shape, np.float32)

    def work(rows: slice) -> None:
        np.multiply(light[rows], _thrice(strength[rows]), out=result[rows], casting="same_kind")

    by_bands(len(light), work)
    return result


def tint_field(strength: Field, colour: Field) -> Field:
    """A colour as strong as a scalar field says, ``(height, width, 3)``."""
    return together([strength * np.float32(part) for part in colour])


def grey(light: Field) -> Field:
    """The mean of the three channels."""
    mean: Field = light @ np.full(3, 1 / 3, np.float32)
    return mean


def strongest(light: Field) -> Field:
    """The greatest of the three channels."""
    red, green, blue = (light[..., channel] for channel in range(3))
    greatest: Field = np.maximum(np.maximum(red, green), blue)
    return greatest


def gradient(stops: Sequence[Field], position: Field) -> Field:
    """Display colours along evenly spaced `stops` at `position` from 0 to 1."""
    labs = np.stack([oklab(stop) for stop in stops])
    at = np.linspace(0, 1, len(stops))
    fine = np.linspace(0, 1, _TABLE)
    table = from_oklab(
        np.stack([np.interp(fine, at, labs[:, axis]) for axis in range(3)], -1).astype(np.float32)
    )
    picked: Field = table.take((np.clip(position, 0, 1) * (_TABLE - 1)).astype(np.int32), axis=0)
    return picked


def shift_colour(
    display: Field, lighter: float = 0.0, chroma: float = 1.0, hue: float = 0.0
) -> Field:
    """A display colour with more lightness, times `chroma`, turned by `hue` radians."""
    light, a, b = (float(value) for value in oklab(display))
    cosine, sine = math.cos(hue) * chroma, math.sin(hue) * chroma
    light = min(max(light + lighter, 0.02), 0.99)
    turned = [light, a * cosine - b * sine, a * sine + b * cosine]
    return from_oklab(np.array(turned, np.float32))


def with_lightness(display: Field, lightness: float, chroma: float = 1.0) -> Field:
    """The colour at an OKLab lightness from 0 to 1."""
    return shift_colour(display, lightness - float(oklab(display)[0]), chroma)


def brightness(display: Field) -> float:
    """How bright a display colour looks, 0 to 1."""
    return float(np.dot(display, [0.30, 0.59, 0.11]))


def to_bytes(display: Field) -> tuple[int, int, int]:
    """A display colour as Pillow takes it."""
    red, green, blue = (int(value) for value in np.clip(display * 255 + 0.5, 0, 255))
    return red, green, blue


def tone_map(light: Field) -> Field:
    """Display values of linear light of any strength; highlights roll off softly."""
    light = np.maximum(light, 0)
    below = np.float32(0.42) * light
    below += 1
    display: Field = np.float32(0.12 * 1.22) * light
    display += np.float32(1.22)
    display *= light
    display /= below
    np.minimum(display, 1, out=display)
    return np.sqrt(display, out=display)
