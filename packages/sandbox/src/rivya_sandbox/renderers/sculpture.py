"""An abstract object for prompts without a known subject."""

from __future__ import annotations

import math

import numpy as np

from rivya_sandbox.renderers.field import Field, blur, resize, smooth, soften
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.light import Solid, lit, unit

_GRID = 448  # pixels
_BEADS = 230  # along the knot
_KNOTS = ((2, 3), (3, 2), (3, 4))


def sculpture(size: int, idea: Idea, rng: np.random.Generator) -> Solid:
    """A knotted tube in the picture's colours, `size` by `size` pixels."""
    around, twists = _KNOTS[int(rng.integers(len(_KNOTS)))]
    tube, phase = 0.13 + 0.03 * rng.random(), rng.random() * 6
    height, albedo, turned = _beads(around, twists, tube, phase, idea)
    cover = (height > -1e2).astype(np.float32)
    rise = np.where(cover > 0, height, 0).astype(np.float32) * np.float32(_GRID / 2)
    albedo = np.where(cover[..., None] > 0, albedo, idea.main_colour)
    albedo = np.stack([soften(albedo[..., channel], 2) for channel in range(3)], axis=-1)
    nx, ny, nz = (soften(turned[..., axis], 1) for axis in range(3))
    hollow = np.clip(1 - (blur(rise, 12) - rise) / 70, 0.35, 1.05)[..., None]
    light = lit(albedo, unit(nx, ny, np.maximum(nz, 0.05)), idea.palette, gloss=0.6, own_rim=0.7)
    light = light * hollow
    return Solid(
        np.clip(resize(light, size, size), 0, None),
        np.clip(smooth(0.3, 0.7, resize(blur(cover, 1.0), size, size)), 0, 1),
    )


def _beads(
    around: int, twists: int, tube: float, phase: float, idea: Idea
) -> tuple[Field, Field, Field]:
    """A tube strung of many balls: height (far below 0 where nothing is), display colour, normals.

    The normals are those of the tube and not of the balls, which would show as ripples.
    """
    axis = np.linspace(-1, 1, _GRID, dtype=np.float32)
    height = np.full((_GRID, _GRID), -1e3, np.float32)
    albedo = np.zeros((_GRID, _GRID, 3), np.float32)
    normals = np.zeros((_GRID, _GRID, 3), np.float32)
    normals[..., 2] = 1
    colours = [idea.main_colour, idea.palette[6], idea.palette[3]]
    shares = np.linspace(0, 1, _BEADS, endpoint=False)
    turns = shares * 2 * math.pi
    reach = 0.52 + 0.24 * np.cos(twists * turns + phase)
    strung = [reach * np.cos(around * turns), reach * np.sin(around * turns)]
    centres = np.stack([*strung, 0.24 * np.sin(twists * turns + phase)], -1).astype(np.float32)
    along = np.roll(centres, -1, 0) - np.roll(centres, 1, 0)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    for share, (x, y, z), (tx, ty, tz) in zip(
        shares.tolist(), centres.tolist(), along.tolist(), strict=True
    ):
        columns = slice(*np.searchsorted(axis, (x - tube, x + tube)))
        rows = slice(*np.searchsorted(axis, (y - tube, y + tube)))
        right, down = axis[None, columns] - x, axis[rows, None] - y
        off = right**2 + down**2
        out = np.sqrt(np.maximum(tube * tube - off, 0))
        seen = (off < tube * tube) & (z + out > height[rows, columns])
        height[rows, columns][seen] = (z + out)[seen]
        ahead = right * tx + down * ty + out * tz
        normals[rows, columns][seen] = np.stack(
            [right - ahead * tx, down - ahead * ty, out - ahead * tz], -1
        )[seen]
        at = share * 3
        blend = float(smooth(0.35, 0.65, at % 1))
        first, second = colours[int(at) % 3], colours[(int(at) + 1) % 3]
        albedo[rows, columns][seen] = first * (1 - blend) + second * blend
    return height, albedo, normals / np.float32(tube)
