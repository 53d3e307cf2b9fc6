"""Own line drawings, for objects that the emoji font draws in an outdated form."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw

_FINE = 3  # drawn larger and scaled down, for smooth edges


def _smartphone(size: int) -> Image.Image:
    """The back of a telephone: a slab with three lenses and a lamp on an island."""
    tall, wide = size * _FINE, int(size * _FINE * 0.50)
    mask = Image.new("L", (wide, tall), 0)
    draw = ImageDraw.Draw(mask)
    line = int(tall * 0.028)

    def box(x0: float, y0: float, x1: float, y1: float, round_by: float) -> None:
        ends = [(x0 * wide, y0 * tall), (x1 * wide - 1, y1 * tall - 1)]
        draw.rounded_rectangle(ends, round_by * wide, fill=0, outline=255, width=line)

    def disc(x: float, y: float, reach: float) -> None:
        around = [(x * wide - reach * wide, y * tall - reach * wide),
                  (x * wide + reach * wide, y * tall + reach * wide)]  # fmt: skip
        draw.ellipse(around, fill=255)

    draw.rectangle((0.94 * wide, 0.26 * tall, wide, 0.40 * tall), fill=255)  # a key
    box(0.0, 0.0, 0.97, 1.0, 0.19)
    box(0.08, 0.04, 0.80, 0.40, 0.17)
    for x, y in ((0.29, 0.135), (0.29, 0.305), (0.59, 0.22)):
        disc(x, y, 0.10)
    disc(0.60, 0.335, 0.03)
    return mask.resize((wide // _FINE, tall // _FINE), Image.Resampling.BOX)


# A mask of a given height in pixels for each character that is not drawn as in the font.
DRAWINGS: dict[str, Callable[[int], Image.Image]] = {"📱": _smartphone}
