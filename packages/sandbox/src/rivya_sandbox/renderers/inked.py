"""Line drawings that keep their lines: flat colour under black ink, enamel between ridges of metal."""

from __future__ import annotations

import numpy as np

from rivya_sandbox.renderers.colour import linear, mix, rgb
from rivya_sandbox.renderers.field import Field, blur, grid, slopes, smooth, soften
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.light import Normals, lit, unit
from rivya_sandbox.renderers.palettes import COLOURS

_INK = rgb("16131f")
_METALS = ("gold", "golden", "silver", "copper", "brass", "bronze", "black")
_NEAR = 0.28  # difference of display colours up to which two look alike
_SUN = (-0.55, -0.62)  # where the light of a drawing comes from; y points down


def ink_drawing(albedo: Field, ink: Field, normals: Normals, idea: Idea) -> Field:
    """Linear light of a drawing: flat colours, one step of shade, black lines.

    Args:
        albedo: Display colours, ``(height, width, 3)``.
        ink: The lines, 0 to 1.
        normals: Of the body, which say where its shaded side is.
        idea: A comic has deeper shade than a flat illustration.
    """
    towards = normals[0] * np.float32(_SUN[0]) + normals[1] * np.float32(_SUN[1])
    deep = 0.42 if "comic" in idea.looks else 0.26
    shade = 1 - np.float32(deep) * smooth(-0.42, -0.50, blur(towards, 2.0))
    return mix(linear(albedo) * shade[..., None] * np.float32(1.12), linear(_INK), ink)


def enamel_pin(albedo: Field, ink: Field, cover: Field, idea: Idea) -> tuple[Field, Field]:
    """Linear light and cover of an enamel pin: its lines and its border are raised metal.

    Args:
        albedo: Display colours of the enamel, ``(height, width, 3)``.
        ink: The lines, 0 to 1.
        cover: Of the drawing, 0 to 1; the border goes round it.
        idea: Names the metal; otherwise it is gold, or silver round golden enamel.
    """
    whole = smooth(0.10, 0.22, blur(cover, 6.0))
    ridge = np.clip(np.maximum(smooth(0.25, 0.65, ink), 1 - smooth(0.55, 0.95, cover)), 0, 1)
    metal = _metal(idea, albedo[cover > 0.5])
    # The ridges are round, the enamel between them lies a little lower, the pin's edge falls off.
    height = blur(ridge, 2.4) * np.float32(7) + blur(whole, 5.0) * np.float32(16)
    down, right = slopes(soften(height, 2))
    x, y = grid(cover.shape[1], cover.shape[0])
    # Polished metal mirrors the room: its normals lean a little, more so towards the border.
    lean = ridge * np.float32(0.5)
    nx = -right + lean * (x - np.float32(0.5))
    ny = -down + lean * (y - np.float32(0.35)) + lean * np.float32(0.2) * np.sin(x * 21 + y * 13)
    colours = mix(albedo, metal, ridge)
    light = lit(
        colours,
        unit(nx, ny, np.full_like(nx, 1.1)),
        idea.palette,
        gloss=0.5,
        metal=ridge * np.float32(0.75),
        own_rim=0.7,
    )
    # Enamel is glass: a soft band of the sky lies across it.
    band = smooth(0.16, 0.0, np.abs(x * 0.5 + y - 0.42)) * (1 - ridge)
    return light + (band * np.float32(0.10))[..., None], whole


def _metal(idea: Idea, enamel: Field) -> Field:
    """Display colour of the ridges; `enamel` are the colours between them, ``(n, 3)``."""
    named = next((word for word in idea.words if word in _METALS), None)
    if named is None and len(enamel):
        off = np.abs(enamel - COLOURS["gold"]).max(axis=1)
        named = "silver" if float((off < _NEAR).mean()) > 0.4 else None
    return COLOURS[named or "gold"]
