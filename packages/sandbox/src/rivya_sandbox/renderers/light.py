"""Lighting of objects: a key light, softboxes in the reflections, a rim light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rivya_sandbox.renderers.colour import linear, mix
from rivya_sandbox.renderers.field import Field, by_bands, smooth

_SHINE = (0.62, 0.61, 0.595)  # light of a softbox
_KEY = np.array([-0.49, -0.60, 0.63], np.float32)  # towards the light; y points down


@dataclass(frozen=True)
class Solid:
    """An object cut out of the picture.

    Attributes:
        light: Linear light of shape ``(height, width, 3)``.
        cover: 0 to 1, shape ``(height, width)``.
        glow: Of an object that shines: x, y and reach of its light in pixels from its corner.
    """

    light: Field
    cover: Field
    glow: tuple[float, float, float] | None = None


Normals = tuple[Field, Field, Field]
Part = tuple[slice, slice]  # rows and columns


def lit(
    albedo: Field,
    normals: Normals,
    palette: tuple[Field, ...],
    *,
    gloss: float,
    metal: float | Field = 0.0,
    own_rim: float = 0.0,
) -> Field:
    """Linear light of a surface.

    Args:
        albedo: Display colours, ``(height, width, 3)``.
        normals: Unit vectors; x to the right, y down, z to the viewer.
        palette: Of the picture; its light end colours the rim, its middle the bounced light.
        gloss: 0 is chalk, 1 is lacquer.
        metal: 0 to 1; a metal has its own colour in the reflections.
        own_rim: 0 to 1; how much of the light at the rim has passed through the surface and has
            its colour. Where a rim is wide, light of the air alone would lie on it like milk.
    """
    lighted = np.empty(albedo.shape, np.float32)

    def work(rows: slice) -> None:
        nx, ny, nz = (part[rows] for part in normals)
        diffuse = np.clip((nx * _KEY[0] + ny * _KEY[1] + nz * _KEY[2]) * 0.62 + 0.40, 0, 1.1)
        bounce = np.clip(ny, 0, 1) ** 2 * np.float32(0.35)
        shine = _softboxes(nx, ny, nz) * np.float32(gloss)
        rim = (1 - np.clip(nz, 0, 1)) ** 3 * np.float32(0.42)
        air, through = rim * np.float32(1 - own_rim), 1 + rim * np.float32(own_rim)
        share = metal[rows] if isinstance(metal, np.ndarray) else metal
        if metallic:
            sky = 0.5 + 0.5 * np.sin(2 * nz * ny * 3.1 - 0.6) * (1 - 0.25 * np.abs(nx))
            mirrored = 0.15 + 1.35 * np.clip(sky, 0, 1)
        for channel in range(3):
            low, middle, high = (float(palette[index][channel]) ** 2 for index in (2, 3, 4))
            base = linear(albedo[rows, :, channel])
            light = base * (diffuse + middle * 0.16 + bounce * low) * through
            if metallic:
                light += (base * mirrored - light) * share
            lighted[rows, :, channel] = light + shine * _SHINE[channel] + air * high

    metallic = isinstance(metal, np.ndarray) or bool(metal)
    by_bands(len(albedo), work)
    return lighted


def _softboxes(nx: Field, ny: Field, nz: Field) -> Field:
    """Reflections of the studio's lamps: a window left, a strip right, a sheet above."""
    rx, ry = 2 * nz * nx, 2 * nz * ny
    window = smooth(-0.80, -0.62, rx) * smooth(-0.18, -0.36, rx)
    window = window * smooth(-0.95, -0.55, ry) * smooth(0.8, 0.45, ry)
    strip = smooth(0.60, 0.70, rx) * smooth(0.92, 0.84, rx) * smooth(0.9, 0.5, np.abs(ry))
    sheet = smooth(-0.55, -0.95, ry)
    reflected: Field = window * 0.85 + strip * 0.5 + sheet * 0.35
    return reflected


def over(below: Solid, above: Solid) -> Solid:
    """Two objects on the same grid as one; the glow is that of `above`, if it has one."""
    cover = below.cover + above.cover * (1 - below.cover)
    return Solid(mix(below.light, above.light, above.cover), cover, above.glow or below.glow)


def with_part(whole: Solid, at: Part, change: Callable[[Solid], Solid]) -> Solid:
    """`whole` with what lies at these rows and columns changed."""
    light, cover = whole.light.copy(), whole.cover.copy()
    part = change(Solid(light[at], cover[at], whole.glow))
    light[at], cover[at] = part.light, part.cover
    return Solid(light, cover, part.glow)


def unit(nx: Field, ny: Field, nz: Field) -> Normals:
    """The vectors at length 1."""
    length = 1 / np.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * length, ny * length, nz * length
