"""What captions, overlays and end cards are made of: the safe area, plates, shadows, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from rivya_cut.composition import Look, TextLook
from rivya_cut.drawing.colours import (
    INK,
    READABLE,
    WHITE,
    Colour,
    colour_of,
    contrast,
    ground_of,
    mean,
    mix_colours,
    readable,
    text_on,
)
from rivya_cut.drawing.type import Box as Box, Style
from rivya_cut.platforms import Frame
from rivya_cut.reading import upright

Size = tuple[int, int]

SIDE = 0.05  # of the width and height: the graphics safe area of EBU R 95
# Ours, for films that phones show upright: apps put their names above and their buttons below.
_TALL, _TALL_TOP, _TALL_BOTTOM = 1.6, 0.12, 0.20
OUTLINE = 0.075  # of letters, in em
_SHADOW = 0.16  # in em
PADDING = (0.55, 0.42)  # of plates, across and along, in em
_NEUTRAL: Colour = (24, 26, 32)


@dataclass(frozen=True)
class Part:
    """A picture, and how many pixels around it are only its shadow."""

    image: Image.Image
    edge: int = 0

    @property
    def size(self) -> Size:
        """Without the shadow."""
        return self.image.width - 2 * self.edge, self.image.height - 2 * self.edge


def safe_area(size: Size) -> Box:
    """What no app and no screen covers of a frame of that size."""
    width, height = size
    if isinstance(size, Frame):
        covered = size.covered
        # Alike at both sides: captions stand in the middle of the frame.
        side = round(width * max(covered.left, covered.right))
        return (
            side,
            round(height * covered.top),
            width - side,
            height - round(height * covered.bottom),
        )
    tall = height / width >= _TALL
    top, bottom = (_TALL_TOP, _TALL_BOTTOM) if tall else (SIDE, SIDE)
    side = round(width * SIDE)
    return side, round(height * top), width - side, height - round(height * bottom)


def middle(size: Size) -> int:
    """Height of the middle of a frame, or of what an app leaves of it."""
    if not isinstance(size, Frame):
        return size[1] // 2
    _, top, _, bottom = safe_area(size)
    return (top + bottom) // 2


def clear_top(box: Box, area: Box, taken: Sequence[Box], gap: int) -> int | None:
    """The top nearest to that of the box at which it covers nothing; None if the area has no room."""
    left, top, right, bottom = box
    height = bottom - top
    beside = [one for one in taken if one[0] < right and left < one[2]]

    def is_free(y: int) -> bool:
        return all(y + height <= one[1] or one[3] <= y for one in beside)

    if is_free(top):
        return top
    tops = [y for one in beside for y in (one[1] - gap - height, one[3] + gap)]
    inside = (y for y in tops if area[1] <= y <= area[3] - height and is_free(y))
    # Rather above: what is in the middle would go to either side by a pixel.
    return min(inside, key=lambda y: abs(y - top) - gap * (y < top), default=None)


def layer_at(part: Part, x: int, y: int) -> Layer:
    """The part on the frame; x and y are of its corner without the shadow, which may be cut there."""
    box = x, y, x + part.size[0], y + part.size[1]
    x, y = x - part.edge, y - part.edge
    image = (
        part.image.crop((max(0, -x), max(0, -y), *part.image.size)) if min(x, y) < 0 else part.image
    )
    return Layer(image, max(0, x), max(0, y), box)


def read_picture(path: Path, width: int, height: int) -> Image.Image:
    """An image file, as large as fits, RGBA."""
    image = upright(path).convert("RGBA")
    return ImageOps.contain(image, (width, height), Image.Resampling.LANCZOS)


def with_shadow(letters: Image.Image, em: float) -> Part:
    """Outlined letters above their soft shadow."""
    return _add_shadow(letters, em * _SHADOW, INK, 0.7)


def lift(logo: Image.Image, short: int) -> Part:
    """A logo above a soft shadow that sets it off where the film has its colour."""
    colour = mean(logo)
    if colour is None or logo.getchannel("A").getextrema()[0] == 255:
        return Part(logo)
    dark, light = contrast(colour, INK), contrast(colour, WHITE)
    # A colour between black and white is seen on both, and needs less.
    strength = 0.8 if min(dark, light) < 2.5 else 0.4
    return _add_shadow(logo, short * 0.008, INK if dark >= light else WHITE, strength)


def _add_shadow(image: Image.Image, blur: float, colour: Colour, strength: float) -> Part:
    edge = round(2.5 * blur)
    size = image.width + 2 * edge, image.height + 2 * edge
    alpha = Image.new("L", size, 0)
    alpha.paste(image.getchannel("A"), (edge, edge + round(blur * 0.2)))
    alpha = alpha.filter(ImageFilter.GaussianBlur(blur))
    layer = Image.new("RGBA", size, (*colour, 0))
    layer.putalpha(alpha.point(lambda value: round(value * strength)))
    layer.alpha_composite(image, (edge, edge))
    return Part(layer, edge)


def on_plate(
    inside: Image.Image,
    em: float,
    colour: Colour,
    opacity: float,
    *,
    radius: float,
    padding: tuple[float, float] = PADDING,
) -> Part:
    """A picture on a plate with rounded corners; `radius` and `padding` in em."""
    if not inside.getbbox():  # no plate without a text
        return Part(inside)
    across, along = (round(em * one) for one in padding)
    size = inside.width + 2 * across, inside.height + 2 * along
    layer = Image.new("RGBA", size, (*colour, 0))
    layer.putalpha(rounded_mask(size, em * radius).point(lambda value: round(value * opacity)))
    layer.alpha_composite(inside, (across, along))
    return Part(layer)


def rounded_mask(size: Size, radius: float) -> Image.Image:
    """A mask of a rectangle with smooth rounded corners."""
    fine = 4
    corner = max(1, round(min(radius, size[0] / 2, size[1] / 2)))
    disc = Image.new("L", (2 * corner * fine, 2 * corner * fine), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), fill=255)
    disc = disc.resize((2 * corner, 2 * corner), Image.Resampling.BOX)
    mask = Image.new("L", size, 255)
    for x in (0, 1):
        for y in (0, 1):
            part = disc.crop((corner * x, corner * y, corner * (x + 1), corner * (y + 1)))
            mask.paste(part, (x * (size[0] - corner), y * (size[1] - corner)))
    return mask


@dataclass(frozen=True)
class Layer:
    """A picture and where it lies on the frame.

    Attributes:
        x, y: Of its left upper corner, in pixels.
        box: What it covers without its shadow.
    """

    image: Image.Image
    x: int
    y: int
    box: Box
    clear: bool = True


def brand_colours(look: Look) -> tuple[Colour, Colour]:
    """The main colour, and one for accents that is seen on it."""
    colours = [colour_of(code) for code in look.colours] or [_NEUTRAL]
    main = colours[0]
    seen = (one for one in colours[1:] if contrast(one, main) >= 1.8)
    return main, next(seen, readable(mix_colours(main, text_on(main), 0.45), main, 2.0))


def style_of(
    look: Look, text: TextLook, *, strong: bool = True, language: str | None = None
) -> Style:
    """The font of a text, its own or that of the film."""
    return Style(text.font or look.font, strong, language)


def colours_on(ground: Colour, text: TextLook) -> tuple[Colour, Colour]:
    """The colours of a text and of its plate: of another one where its own colour could not be read."""
    if text.colour is None:
        return text_on(ground), ground
    colour = colour_of(text.colour)
    return colour, ground if contrast(colour, ground) >= READABLE else ground_of(colour)
