"""End cards as pictures."""

from __future__ import annotations

from collections import Counter

from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

from rivya_cut.composition import EndCard, Look
from rivya_cut.drawing.colours import (
    INK,
    WHITE,
    Colour,
    colour_of,
    contrast,
    mean,
    mix_colours,
    readable,
    text_on,
)
from rivya_cut.drawing.parts import (
    Size,
    brand_colours,
    middle,
    read_picture,
    rounded_mask,
    style_of,
)
from rivya_cut.drawing.type import clean, draw_lines, fit_text

_PLATE_FILLS = 0.75  # of its box, where a disc fills 0.79 and letters less than 0.6
_SEEN, _LOST = 1.9, 0.1  # contrast of a logo; the share of its outline that may have less
_GREY: Colour = (124, 128, 134)


def end_card_picture(card: EndCard, size: Size, look: Look) -> Image.Image:
    """The card as a whole frame, mode RGB: logo, title and line on the main colour of the brand."""
    main, accent = brand_colours(look)
    short, letters = min(size), min(size) * card.size
    ink = readable(colour_of(card.colour), main) if card.colour else text_on(main)
    width = size[0] - 2 * round(size[0] * 0.08)
    strong, light = style_of(look, card), style_of(look, card, strong=False)
    # Pictures from top to bottom, and the space above each.
    parts: list[tuple[Image.Image, float]] = []
    if card.image is not None:
        logo = read_picture(
            card.image, round(min(width * 0.56, short * 0.66)), round(size[1] * 0.24)
        )
        parts.append((_on_ground(logo, main, short * 0.05), 0))
    if title := clean(card.title or "", strong):
        lines, em = fit_text(
            title, strong, (width, size[1] * 0.34), (0.135 * letters, 0.05 * letters), 2
        )
        parts.append((draw_lines(lines, strong, em, ink), 0.075 * short))
    if line := clean(card.line or "", light):
        if parts:
            bar = Image.new("RGBA", (round(short * 0.11), max(2, round(short * 0.0075))), accent)
            parts.append((bar, 0.062 * short))
        lines, em = fit_text(
            line, light, (width, size[1] * 0.2), (0.052 * letters, 0.034 * letters), 2
        )
        parts.append((draw_lines(lines, light, em, ink), 0.058 * short))
    return _stack(parts, size, main)


def _on_ground(logo: Image.Image, ground: Colour, margin: float) -> Image.Image:
    """The logo, on a plate where part of its outline would not be seen on the ground."""
    colour, rim = mean(logo), _rim(logo)
    lost = _invisible_share(rim, ground)
    if colour is None or lost <= _LOST or _has_plate(logo, ground):
        return logo
    # The grey is for a logo with both light and dark parts.
    plate = min(
        (WHITE, INK, _GREY),
        key=lambda one: (max(_LOST, _invisible_share(rim, one)), -contrast(colour, one)),
    )
    edge = round(margin)
    inside = Image.new("RGBA", (logo.width + 2 * edge, logo.height + 2 * edge))
    mask = rounded_mask(inside.size, edge * 0.7)
    inside.paste(plate, (0, 0), mask)
    inside.alpha_composite(logo, (edge, edge))
    return inside


def _rim(logo: Image.Image) -> Counter[Colour]:
    """The colours along the outline of a logo without its shadow, rounded, by the number of their pixels."""
    alpha = logo.getchannel("A")
    solid = 0.9 * ImageStat.Stat(alpha).extrema[0][1]
    mask = ImageOps.expand(alpha.point(lambda value: 255 * (value >= solid)), 1)
    rim = ImageChops.subtract(mask, mask.filter(ImageFilter.MinFilter(3)))
    red, green, blue = (
        ImageOps.expand(band.point(lambda value: value & 0xF0 | 8), 1).tobytes()
        for band in logo.convert("RGB").split()
    )
    return Counter(
        (r, g, b) for r, g, b, on in zip(red, green, blue, rim.tobytes(), strict=True) if on
    )


def _invisible_share(colours: Counter[Colour], ground: Colour) -> float:
    """The share of the colours that are not seen on a ground."""
    lost = sum(count for one, count in colours.items() if contrast(one, ground) < _SEEN)
    return lost / max(1, colours.total())


def _has_plate(logo: Image.Image, ground: Colour) -> bool:
    """Whether it is a mark on a plate of its own, such as a disc, and is seen on the ground by that mark."""
    alpha = logo.getchannel("A")
    filled: float = ImageStat.Stat(alpha.crop(alpha.getbbox())).mean[0]
    if filled <= _PLATE_FILLS * 255:
        return False
    red, green, blue = logo.convert("RGB").resize((64, 64), Image.Resampling.BOX).split()
    colours = zip(red.tobytes(), green.tobytes(), blue.tobytes(), strict=True)
    return _invisible_share(Counter(colours), ground) < 0.99


def _stack(parts: list[tuple[Image.Image, float]], size: Size, main: Colour) -> Image.Image:
    """Pictures in the middle of a ground that gets darker towards its corners."""
    ground = Image.new("RGB", size, main)
    glow = ImageOps.invert(Image.radial_gradient("L")).resize(size, Image.Resampling.BICUBIC)
    edge = mix_colours(main, (0, 0, 0), 0.1)
    ground = Image.composite(
        ground, Image.new("RGB", size, edge), glow.point(lambda v: min(255, v * 2))
    )
    gaps = [0, *(round(gap) for _, gap in parts[1:])]
    y = middle(size) - (sum(image.height for image, _ in parts) + sum(gaps) + 1) // 2
    for (image, _), gap in zip(parts, gaps, strict=False):
        y += gap
        ground.paste(image, ((size[0] - image.width) // 2, y), image)
        y += image.height
    return ground
