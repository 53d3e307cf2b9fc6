"""The visible side of a turned object."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rivya_sandbox.renderers.field import Field, between, soften
from rivya_sandbox.renderers.light import Normals, Part, unit
from rivya_sandbox.renderers.profiles import TurnedProfile

_STEPS = 800  # of an outline


@dataclass(frozen=True)
class Surface:
    """The visible side of a turned object; all fields share one grid.

    Attributes:
        height: Of the object, pixels.
        x: Pixels right of the axis, ``(1, width)``.
        y: Pixels below the top, ``(rows, 1)``.
        down: Distance from the top in heights, bent by the view from above.
        across: -1 at the left edge, 1 at the right.
        normals: Unit vectors.
        cover: 0 to 1.
        top_radius: Pixels.
        tilt: Sine of the angle from above.
    """

    height: float
    x: Field
    y: Field
    down: Field
    across: Field
    normals: Normals
    cover: Field
    top_radius: float
    tilt: float


def surface_of(profile: TurnedProfile, height: float, tilt: float, kind: str) -> Surface:
    """The surface of an object `height` pixels tall, seen from `tilt` (a sine) above.

    The grid leaves room for what `kind` adds: the handle of a cup, a flame.
    """
    radii = np.array([radius for _, radius in profile.outline])
    widest = float(radii.max()) * height
    side = height * (0.34 if kind == "cup" else 0.06)
    above = height * {"cup": 0.14, "candle": 0.45}.get(kind, 0.06)  # a cup's rim reaches up
    # Both sides are alike: the right one is worked out, with the axis as its first column.
    x = np.arange(0, math.ceil(widest + side) + 1, dtype=np.float32)[None, :]
    y = np.arange(-int(above), int(height * 1.14), dtype=np.float32)[:, None]

    def both(right: Field, sign: int = 1) -> Field:
        return np.concatenate([sign * right[:, :0:-1], right], axis=1)

    at = np.linspace(0, 1, _STEPS)
    outline = np.interp(at, [down for down, _ in profile.outline], radii)
    window = np.hanning(profile.rounding) / np.hanning(profile.rounding).sum()
    outline = np.convolve(np.pad(outline, profile.rounding // 2, "edge"), window, "valid")
    slope = np.gradient(outline, at)

    def radius(down: Field) -> Field:
        return between(outline, down) * np.float32(height)

    # A point nearer to the viewer appears lower, so the height under a pixel depends on the
    # radius there, which depends on the height: a few rounds settle it.
    down = np.broadcast_to(y / np.float32(height), (y.size, x.size))
    for _ in range(4):
        depth = np.sqrt(np.clip(radius(down) ** 2 - x * x, 0, None))
        down = (y - np.float32(tilt) * depth) / np.float32(height)
    wide = radius(down)
    across = np.clip(x / np.maximum(wide, 1e-3), -1, 1)
    inside = np.clip(down * height + 0.5, 0, 1) * np.clip((1 - down) * height + 0.5, 0, 1)
    # Where the outline steps in, its lower edge would be a staircase without the softening.
    cover = soften(both(np.clip(wide - x + 0.5, 0, 1) * inside), 1)
    steep = between(slope, down)
    flat = 1 / np.sqrt(1 + steep * steep)
    nx, ny, nz = unit(across * flat, 0.10 - steep * flat, np.sqrt(1 - across * across) * flat)
    return Surface(
        height=height,
        x=both(x, -1),
        y=y,
        down=both(down),
        across=both(across, -1),
        normals=(both(nx, -1), both(ny), both(nz)),
        cover=cover.astype(np.float32),
        top_radius=float(outline[0]) * height,
        tilt=tilt,
    )


def part_between(
    surface: Surface, x: tuple[float, float], y: tuple[float, float]
) -> tuple[Surface, Part]:
    """The surface's grid between two columns and two rows, and where that part is on the grid.

    `x` and `y` are in pixels right of the axis and below the top; only the fields of these names
    are those of the part.
    """
    columns, rows = (
        slice(*(int(end) for end in np.searchsorted(places, ends)))
        for places, ends in ((surface.x[0], x), (surface.y[:, 0], y))
    )
    return replace(surface, x=surface.x[:, columns], y=surface.y[rows]), (rows, columns)


def ellipse(surface: Surface, radius: float, centre_y: float = 0.0) -> Field:
    """Cover of a horizontal disc around the axis, in pixels of softness at its border."""
    flat = max(radius * surface.tilt, 1.0)
    inside = 1 - (surface.x / max(radius, 1.0)) ** 2 - ((surface.y - centre_y) / flat) ** 2
    return np.clip(inside * flat * 0.5 + 0.5, 0, 1)
