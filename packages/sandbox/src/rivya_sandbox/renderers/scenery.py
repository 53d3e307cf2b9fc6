"""A canvas for places: boxes, discs and small things at shares of its width and height."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from rivya_sandbox.renderers.colour import linear, mix, rgb, shift_colour, tint_field, to_bytes
from rivya_sandbox.renderers.field import Field, grid, length, smooth
from rivya_sandbox.renderers.lettering import glyph_mask
from rivya_sandbox.renderers.things import NATURAL_COLOURS

_GLYPH = 128  # pixels; silhouettes are cut at this size


class Scenery:
    """Flat shapes on a transparent canvas, mirrored by chance.

    Positions are shares of width and height; sizes of discs and things are in `unit`, which grows
    with both sides, so that a thing keeps its shape in every format.
    """

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        self.width, self.height = width, height
        self.unit = min(math.sqrt(width * height), 1.15 * min(width, height))
        self.canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.canvas)
        self._mirrored = rng.random() < 0.5
        self._lamps: list[tuple[float, float, float]] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A point in pixels."""
        return (1 - x if self._mirrored else x) * self.width, y * self.height

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Field) -> None:
        """A filled rectangle."""
        self.shape([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def shape(self, points: Sequence[tuple[float, float]], colour: Field) -> None:
        """A filled polygon."""
        self._draw.polygon([self.at(x, y) for x, y in points], fill=to_bytes(colour))

    def disc(self, x: float, y: float, radius: float, colour: Field, flat: float = 1.0) -> None:
        """A filled disc, or with `flat` a lying or standing oval."""
        (cx, cy), reach = self.at(x, y), radius * self.unit
        box = (cx - reach, cy - reach * flat, cx + reach, cy + reach * flat)
        self._draw.ellipse(box, fill=to_bytes(colour))

    def line(self, points: Sequence[tuple[float, float]], thick: float, colour: Field) -> None:
        """A line through the points, `thick` in units."""
        wide = max(1, round(thick * self.unit))
        self._draw.line([self.at(x, y) for x, y in points], to_bytes(colour), wide, "curve")

    def thing(
        self, glyph: str, x: float, y: float, size: float, colour: Field | None = None
    ) -> None:
        """An emoji as a silhouette with its lines; its foot is at the point, `size` in units."""
        outline, inside = _silhouette(glyph)
        tall = max(4, int(size * self.unit))
        wide = max(4, tall * inside.width // inside.height)
        if colour is None:
            named = NATURAL_COLOURS.get(glyph, "8a6a4a").split()[0]
            colour = rgb("c8553d" if named == "main" else named)
        cx, cy = self.at(x, y)
        corner = round(cx - wide / 2), round(cy - tall)
        for mask, tone in ((inside, colour), (outline, shift_colour(colour, -0.16))):
            part = mask.resize((wide, tall), Image.Resampling.BOX)
            self.canvas.paste((*to_bytes(tone), 255), corner, part)

    def lamp(self, x: float, y: float, reach: float) -> None:
        """A light at the point, which `over` lets shine."""
        self._lamps.append((*self.at(x, y), reach * self.unit))

    def over(self, light: Field, strength: float = 1.0) -> Field:
        """Linear light of what is behind, with the canvas before it and its lamps lit."""
        pixels = np.asarray(self.canvas, np.float32) / np.float32(255)
        visible = mix(light, linear(pixels[..., :3]), pixels[..., 3])
        x, y = grid(self.width, self.height)
        warm = linear(rgb("ffc77a"))
        for at_x, at_y, reach in self._lamps:
            away = length(x * self.width - at_x, y * self.height - at_y)
            core = smooth(reach * 0.28, reach * 0.18, away) * 1.4
            visible = visible + tint_field((core + np.exp(-away / reach) * 0.45) * strength, warm)
        return visible.astype(np.float32)


@lru_cache(maxsize=64)
def _silhouette(glyph: str) -> tuple[Image.Image, Image.Image]:
    """The lines of an emoji, and all that lies within them."""
    lines = glyph_mask(glyph, _GLYPH)
    padded = Image.new("L", (lines.width + 2, lines.height + 2), 0)
    padded.paste(lines.point(lambda level: 255 if level > 96 else 0), (1, 1))
    ImageDraw.floodfill(padded, (0, 0), 128)
    inside = padded.point(lambda level: 0 if level == 128 else 255).crop(
        (1, 1, lines.width + 1, lines.height + 1)
    )
    return lines, ImageChops.lighter(inside.filter(ImageFilter.MinFilter(3)), lines)
