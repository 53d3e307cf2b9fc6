"""An abstract object for prompts that name no thing we can draw."""

from __future__ import annotations

import math

import numpy as np

from rivya_flows.sandbox.renderers.field import Field, blur, resize, slopes, smooth, soften
from rivya_flows.sandbox.renderers.idea import Idea
from rivya_flows.sandbox.renderers.light import Solid, lit, unit

_GRID = 448  # pixels
_BEADS = 230  # along the knot
_KNOTS = ((2, 3), (3, 2), (3, 4))


def sculpture(size: int, idea: Idea, rng: np.random.Generator) -> Solid:
    """A knotted tube in the picture's colours, `size` by `size` pixels."""
    around, twists = _KNOTS[int(rng.integers(len(_KNOTS)))]
    tube, phase = 0.13 + 0.03 * rng.random(), rng.random() * 6
    height, albedo = _beads(around, twists, tube, phase, idea)
    cover = (height > -1e2).astype(np.float32)
    rise = soften(np.where(cover > 0, height, 0).astype(np.float32) * (_GRID / 2), 3)
    albedo = np.where(cover[..., None] > 0, albedo, idea.main_colour)
    albedo = np.stack([soften(albedo[..., channel], 2) for channel in range(3)], axis=-1)
    down, right = slopes(rise)
    normals = unit(np.clip(-right, -2.2, 2.2), np.clip(-down, -2.2, 2.2), np.ones_like(down))
    hollow = np.clip(1 - (blur(rise, 12) - rise) / 70, 0.35, 1.05)[..., None]
    light = lit(albedo, normals, idea.palette, gloss=0.9) * hollow
    return Solid(
        np.clip(resize(light, size, size), 0, None),
        np.clip(smooth(0.3, 0.7, resize(blur(cover, 1.0), size, size)), 0, 1),
    )


def _beads(around: int, twists: int, tube: float, phase: float, idea: Idea) -> tuple[Field, Field]:
    """Height (far below 0 where there is nothing) and display colour of a knot of many balls."""
    axis = np.linspace(-1, 1, _GRID, dtype=np.float32)
    height = np.full((_GRID, _GRID), -1e3, np.float32)
    albedo = np.zeros((_GRID, _GRID, 3), np.float32)
    colours = [idea.main_colour, idea.palette[6], idea.palette[3]]
    for share in np.linspace(0, 1, _BEADS, endpoint=False):
        turn = share * 2 * math.pi
        reach = 0.52 + 0.24 * math.cos(twists * turn + phase)
        x, y = reach * math.cos(around * turn), reach * math.sin(around * turn)
        z = 0.24 * math.sin(twists * turn + phase)
        columns = slice(*np.searchsorted(axis, (x - tube, x + tube)))
        rows = slice(*np.searchsorted(axis, (y - tube, y + tube)))
        off = (axis[None, columns] - x) ** 2 + (axis[rows, None] - y) ** 2
        front = z + np.sqrt(np.maximum(tube * tube - off, 0))
        seen = (off < tube * tube) & (front > height[rows, columns])
        height[rows, columns][seen] = front[seen]
        at = share * 3
        blend = float(smooth(0.35, 0.65, at % 1))
        first, second = colours[int(at) % 3], colours[(int(at) + 1) % 3]
        albedo[rows, columns][seen] = first * (1 - blend) + second * blend
    return height, albedo
