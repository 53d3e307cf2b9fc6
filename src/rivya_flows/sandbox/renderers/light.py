"""How lit objects look: a key light, softboxes in the reflections, a rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rivya_flows.sandbox.renderers.colour import linear, mix
from rivya_flows.sandbox.renderers.field import Field, smooth

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


def lit(
    albedo: Field,
    normals: Normals,
    palette: tuple[Field, ...],
    *,
    gloss: float,
    metal: float | Field = 0.0,
) -> Field:
    """Linear light of a surface.

    Args:
        albedo: Display colours, ``(height, width, 3)``.
        normals: Unit vectors; x to the right, y down, z to the viewer.
        palette: Of the picture; its light end colours the rim, its middle the bounced light.
        gloss: 0 is chalk, 1 is lacquer.
        metal: 0 to 1; a metal has its own colour in the reflections.
    """
    nx, ny, nz = normals
    diffuse = np.clip((nx * _KEY[0] + ny * _KEY[1] + nz * _KEY[2]) * 0.62 + 0.40, 0, 1.1)
    base = linear(albedo)
    bounce = np.clip(ny, 0, 1)[..., None] ** 2
    result = base * (diffuse[..., None] + linear(palette[3]) * 0.16)
    result = result + base * linear(palette[2]) * (bounce * 0.35)
    if isinstance(metal, np.ndarray) or metal:
        sky = np.clip(0.5 + 0.5 * np.sin(2 * nz * ny * 3.1 - 0.6) * (1 - 0.25 * np.abs(nx)), 0, 1)
        result = mix(result, base * (0.15 + 1.35 * sky[..., None]), metal)
    shine = _softboxes(nx, ny, nz) * np.float32(gloss)
    rim = (1 - np.clip(nz, 0, 1)) ** 3 * np.float32(0.42)
    result = result + shine[..., None] * np.array([0.62, 0.61, 0.595], np.float32)
    lighted: Field = result + rim[..., None] * linear(palette[4])
    return lighted


def _softboxes(nx: Field, ny: Field, nz: Field) -> Field:
    """What the studio's lamps add to a mirror: a window left, a strip right, a sheet above."""
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


def unit(nx: Field, ny: Field, nz: Field) -> Normals:
    """The vectors at length 1."""
    length = 1 / np.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * length, ny * length, nz * length
