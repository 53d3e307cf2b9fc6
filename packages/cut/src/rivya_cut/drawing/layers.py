"""Captions, overlays and end cards as pictures, each for one size of frame.

Sizes of type are shares of the shorter side of the frame. Everything stays inside the safe area.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, ImageStat

from rivya_cut.composition import Captions, EndCard, Look, Overlay
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
from rivya_cut.drawing.type import Align, Outline, Style, clean, draw_lines, fit_text, right_to_left
from rivya_cut.reading import upright
from rivya_cut.terms import Position

Size = tuple[int, int]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are outside."""

_SIDE = 0.05  # of the width and height: the graphics safe area of EBU R 95
# Ours, for films that phones show upright: apps put their names above and their buttons below.
_TALL, _TALL_TOP, _TALL_BOTTOM = 1.6, 0.12, 0.20
_CAPTION, _LEAST_CAPTION = 0.052, 0.033  # type, of the shorter side
_TITLE, _LEAST = 0.066, 0.034
_OUTLINE, _SHADOW = Outline(INK, 0.075), 0.16  # in em
_PLATE_OPACITY = 0.74  # white on it has a contrast of 9 or more, whatever is behind
_PADDING = (0.55, 0.42)  # of plates, across and along, in em
_LOGO = (0.18, 0.14)  # greatest width and height of a picture without `width`, of the frame
_PLATE_FILLS = 0.75  # of its box, where a disc fills 0.79 and letters less than 0.6
_SEEN, _LOST = 1.9, 0.1  # contrast of a logo; the share of its outline that may have less
_GAP = 0.03  # between two overlays, of the shorter side
_NEUTRAL: Colour = (24, 26, 32)
_GREY: Colour = (124, 128, 134)
_ROWS: dict[Position, str] = {
    position: next((row for row in ("top", "bottom") if row in position), "middle")
    for position in get_args(Position)
} | {"lower-third": "bottom"}


@dataclass(frozen=True)
class _Part:
    """A picture, and how many pixels around it are only its shadow."""

    image: Image.Image
    edge: int = 0

    @property
    def size(self) -> Size:
        """Without the shadow."""
        return self.image.width - 2 * self.edge, self.image.height - 2 * self.edge


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


def safe_area(size: Size) -> Box:
    """What no app and no screen covers of a frame of that size."""
    width, height = size
    tall = height / width >= _TALL
    top, bottom = (_TALL_TOP, _TALL_BOTTOM) if tall else (_SIDE, _SIDE)
    side = round(width * _SIDE)
    return side, round(height * top), width - side, height - round(height * bottom)


def caption_layer(
    text: str,
    size: Size,
    captions: Captions,
    look: Look,
    avoid: Sequence[Box] = (),
    ever: Sequence[Box] = (),
) -> Layer:
    """A caption: white with a dark outline, or on a dark plate.

    Two lines, unless the text is so long that they could not be read; more and smaller ones then.

    It moves to the nearest place in the safe area that is free of the boxes to `avoid`, beside them if
    there is none else. It keeps clear of what other captions `ever` do, too, where there is room.
    """
    area, short = safe_area(size), min(size)
    style, plate = Style(look.font), captions.style == "plate"
    padding = 2 * _PADDING[0] * _CAPTION * short if plate else 0.0
    room = area[2] - area[0] - padding, (area[3] - area[1]) / 2
    lines, em = fit_text(
        clean(text, style), style, room, (_CAPTION * short, _LEAST_CAPTION * short), most=2
    )
    if plate:
        block = draw_lines(lines, style, em, WHITE)
        part = _on_plate(block, em, INK, _PLATE_OPACITY, radius=0.35)
    else:
        part = _with_shadow(draw_lines(lines, style, em, WHITE, outline=_OUTLINE), em)
    width, height = part.size
    y = {"top": area[1], "middle": (size[1] - height) // 2, "bottom": area[3] - height}[
        captions.position
    ]
    x, y = (size[0] - width) // 2, max(0, min(y, size[1] - height))
    gap = round(em * 0.7)
    # At one height whatever its width, so that captions do not jump beside a logo in a corner.
    rows = [(0, upper, size[0], lower) for _, upper, _, lower in (*avoid, *ever)]
    for taken in (rows, rows[: len(avoid)], avoid):
        free = _clear_top((x, y, x + width, y + height), area, taken, gap)
        if free is not None:
            return _at(part, x, free)
    return replace(_at(part, x, y), clear=not part.image.getbbox())


def overlay_layer(overlay: Overlay, size: Size, look: Look, avoid: Sequence[Box] = ()) -> Layer:
    """A picture, whole and with its transparency, or a text over the film.

    A text in a corner stands on a plate in the main colour of the brand, if there is one; elsewhere it
    is white with a dark outline. A lower third is a plate with an accent, its first line strong. It moves
    up or down from what it should `avoid`, where there is room in the safe area.
    """
    if overlay.image is not None:
        part = _lift(_picture(overlay.image, *_bounds(overlay, size)), min(size))
    elif overlay.position == "lower-third":
        part = _lower_third(overlay.text or "", size, look, overlay.width)
    else:
        part = _text(overlay, size, look)
    x, y = _place(part.size, overlay, size)
    box = x, y, x + part.size[0], y + part.size[1]
    free = _clear_top(box, safe_area(size), avoid, round(min(size) * _GAP))
    clear = free is not None or not part.image.getbbox()
    return replace(_at(part, x, y if free is None else free), clear=clear)


def overlay_layers(
    overlays: Sequence[Overlay], size: Size, look: Look, together: Callable[[int, int], bool]
) -> Iterator[tuple[int, Layer]]:
    """The index and layer of each overlay; those in the middle of a row last, which give way to corners.

    Overlays with one position lie on each other. Those of one row (the top, the bottom and the
    lower third, the middle) do not, where they are `together`, by their indexes, at one time.
    """
    placed: dict[int, Box] = {}
    middle = [one.position in ("top", "center", "bottom") for one in overlays]
    for index in sorted(range(len(overlays)), key=middle.__getitem__):
        position = overlays[index].position
        avoid = [
            box
            for other, box in placed.items()
            if overlays[other].position != position
            and _ROWS[overlays[other].position] == _ROWS[position]
            and together(index, other)
        ]
        layer = overlay_layer(overlays[index], size, look, avoid)
        if layer.image.getbbox():
            placed[index] = layer.box
        yield index, layer


def obstacles(boxes: Iterable[Box], size: Size) -> list[Box]:
    """Those of the boxes that a caption keeps clear of: what fills half of the frame is a ground."""
    most = size[0] * size[1] / 2
    return [one for one in boxes if 0 < (one[2] - one[0]) * (one[3] - one[1]) < most]


def end_card_picture(card: EndCard, size: Size, look: Look) -> Image.Image:
    """The card as a whole frame, mode RGB: logo, title and line on the main colour of the brand."""
    main, accent = _brand(look)
    ink, short = text_on(main), min(size)
    width = size[0] - 2 * round(size[0] * 0.08)
    strong, light = Style(look.font), Style(look.font, strong=False)
    # Pictures from top to bottom, and the space above each.
    parts: list[tuple[Image.Image, float]] = []
    if card.image is not None:
        logo = _picture(card.image, round(min(width * 0.56, short * 0.66)), round(size[1] * 0.24))
        parts.append((_on_ground(logo, main, short * 0.05), 0))
    if title := clean(card.title or "", strong):
        lines, em = fit_text(
            title, strong, (width, size[1] * 0.34), (0.135 * short, 0.05 * short), 2
        )
        parts.append((draw_lines(lines, strong, em, ink), 0.075 * short))
    if line := clean(card.line or "", light):
        if parts:
            bar = Image.new("RGBA", (round(short * 0.11), max(2, round(short * 0.0075))), accent)
            parts.append((bar, 0.062 * short))
        lines, em = fit_text(line, light, (width, size[1] * 0.2), (0.052 * short, 0.034 * short), 2)
        parts.append((draw_lines(lines, light, em, ink), 0.058 * short))
    return _stack(parts, size, main)


def _brand(look: Look) -> tuple[Colour, Colour]:
    """The main colour, and one for accents that is seen on it."""
    colours = [colour_of(code) for code in look.colours] or [_NEUTRAL]
    main = colours[0]
    seen = (one for one in colours[1:] if contrast(one, main) >= 1.8)
    return main, next(seen, readable(mix_colours(main, text_on(main), 0.45), main, 2.0))


def _lower_third(text: str, size: Size, look: Look, share: float | None) -> _Part:
    main, accent = _brand(look)
    ink, short = text_on(main), min(size)
    area = safe_area(size)
    limit = (area[2] - area[0]) * 0.86 if share is None else size[0] * share
    strong, light = Style(look.font), Style(look.font, strong=False)
    title, _, below = clean(text, strong).partition("\n")
    rtl = right_to_left(title)
    align: Align = "right" if rtl else "left"
    height = (area[3] - area[1]) * 0.4
    lines, em = fit_text(title, strong, (limit, height), (0.06 * short, _LEAST * short), most=2)
    # Letters reach into the space around the lines, which is as high whatever they are: plates of one
    # film do not differ.
    space = round(em * _PADDING[1])
    blocks = [draw_lines(lines, strong, em, ink, align=align, beyond=space)]
    if below:
        size_below = (min(0.6 * em, 0.04 * short), 0.026 * short)
        lines, small = fit_text(clean(below, light), light, (limit, height), size_below, most=2)
        blocks.append(draw_lines(lines, light, small, ink, align=align, beyond=space))
    step, bar = round(em * 0.25) - 2 * space, max(3, round(em * 0.17))
    inside = Image.new(
        "RGBA",
        (
            max(one.width for one in blocks) + bar,
            max(1, sum(one.height for one in blocks) + step * (len(blocks) - 1)),
        ),
    )
    y = 0
    for one in blocks:
        inside.alpha_composite(one, (inside.width - bar - one.width if rtl else bar, max(0, y)))
        y += one.height + step
    plate = _on_plate(inside, em, main, 1.0, radius=0.14, padding=(_PADDING[0], 0)).image
    # The bar is as high as the plate, at the side where reading begins.
    strip = Image.new("L", plate.size, 0)
    strip.paste(
        255, (plate.width - bar if rtl else 0, 0, plate.width if rtl else bar, plate.height)
    )
    plate.paste(accent, (0, 0), ImageChops.darker(strip, plate.getchannel("A")))
    return _Part(plate)


def _text(overlay: Overlay, size: Size, look: Look) -> _Part:
    area, short = safe_area(size), min(size)
    style = Style(look.font)
    corner = overlay.position not in ("top", "center", "bottom")
    share = overlay.width or (0.5 if corner else 1 - 2 * _SIDE)
    room = min(size[0] * share, area[2] - area[0]), (area[3] - area[1]) * 0.6
    greatest = _TITLE * (0.72 if corner else 1.0) * short
    lines, em = fit_text(
        clean(overlay.text or "", style), style, room, (greatest, _LEAST * short), most=3
    )
    align: Align = "center"
    if "left" in overlay.position or "right" in overlay.position:
        align = "left" if "left" in overlay.position else "right"
    if corner and look.colours:
        main, _ = _brand(look)
        return _on_plate(
            draw_lines(lines, style, em, text_on(main), align=align), em, main, 1.0, radius=0.5
        )
    return _with_shadow(draw_lines(lines, style, em, WHITE, align=align, outline=_OUTLINE), em)


def _bounds(overlay: Overlay, size: Size) -> Size:
    """Greatest width and height of a picture."""
    area = safe_area(size)
    share, high = (
        (_LOGO[0], _LOGO[1] * size[1]) if overlay.width is None else (overlay.width, size[1])
    )
    return (
        max(1, min(round(size[0] * share), area[2] - area[0])),
        max(1, min(round(high), area[3] - area[1])),
    )


def _place(part: Size, overlay: Overlay, size: Size) -> tuple[int, int]:
    """The left upper corner of an overlay of that size."""
    area, position = safe_area(size), overlay.position
    width, height = part
    x, y = (size[0] - width) // 2, (area[1] + area[3] - height) // 2
    rtl = position == "lower-third" and right_to_left(overlay.text or "")
    if "right" in position or rtl:
        x = area[2] - width
    elif "left" in position or position == "lower-third":
        x = area[0]
    if "top" in position:
        y = area[1]
    elif "bottom" in position or position == "lower-third":
        y = area[3] - height
    return x, y


def _clear_top(box: Box, area: Box, taken: Sequence[Box], gap: int) -> int | None:
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


def _at(part: _Part, x: int, y: int) -> Layer:
    """The part on the frame; x and y are of its corner without the shadow, which may be cut there."""
    box = x, y, x + part.size[0], y + part.size[1]
    x, y = x - part.edge, y - part.edge
    image = (
        part.image.crop((max(0, -x), max(0, -y), *part.image.size)) if min(x, y) < 0 else part.image
    )
    return Layer(image, max(0, x), max(0, y), box)


def _picture(path: Path, width: int, height: int) -> Image.Image:
    """An image file, as large as fits, RGBA."""
    image = upright(path).convert("RGBA")
    return ImageOps.contain(image, (width, height), Image.Resampling.LANCZOS)


def _on_ground(logo: Image.Image, ground: Colour, margin: float) -> Image.Image:
    """The logo, on a plate where part of its outline would not be seen on the ground."""
    colour, rim = mean(logo), _rim(logo)
    lost = _invisible_share(rim, ground)
    if colour is None or lost <= _LOST or (lost >= 1 - _LOST and _has_plate(logo, ground)):
        return logo
    # The grey is for a logo with both light and dark parts.
    plate = min(
        (WHITE, INK, _GREY),
        key=lambda one: (max(_LOST, _invisible_share(rim, one)), -contrast(colour, one)),
    )
    edge = round(margin)
    inside = Image.new("RGBA", (logo.width + 2 * edge, logo.height + 2 * edge))
    mask = _rounded_mask(inside.size, edge * 0.7)
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
    y = (size[1] - sum(image.height for image, _ in parts) - sum(gaps)) // 2
    for (image, _), gap in zip(parts, gaps, strict=False):
        y += gap
        ground.paste(image, ((size[0] - image.width) // 2, y), image)
        y += image.height
    return ground


def _with_shadow(letters: Image.Image, em: float) -> _Part:
    """Outlined letters above their soft shadow."""
    return _add_shadow(letters, em * _SHADOW, INK, 0.7)


def _lift(logo: Image.Image, short: int) -> _Part:
    """A logo above a soft shadow that sets it off where the film has its colour."""
    colour = mean(logo)
    if colour is None or logo.getchannel("A").getextrema()[0] == 255:
        return _Part(logo)
    dark, light = contrast(colour, INK), contrast(colour, WHITE)
    # A colour between black and white is seen on both, and needs less.
    strength = 0.8 if min(dark, light) < 2.5 else 0.4
    return _add_shadow(logo, short * 0.008, INK if dark >= light else WHITE, strength)


def _add_shadow(image: Image.Image, blur: float, colour: Colour, strength: float) -> _Part:
    edge = round(2.5 * blur)
    size = image.width + 2 * edge, image.height + 2 * edge
    alpha = Image.new("L", size, 0)
    alpha.paste(image.getchannel("A"), (edge, edge + round(blur * 0.2)))
    alpha = alpha.filter(ImageFilter.GaussianBlur(blur))
    layer = Image.new("RGBA", size, (*colour, 0))
    layer.putalpha(alpha.point(lambda value: round(value * strength)))
    layer.alpha_composite(image, (edge, edge))
    return _Part(layer, edge)


def _on_plate(
    inside: Image.Image,
    em: float,
    colour: Colour,
    opacity: float,
    *,
    radius: float,
    padding: tuple[float, float] = _PADDING,
) -> _Part:
    """A picture on a plate with rounded corners; `radius` and `padding` in em."""
    if not inside.getbbox():  # no plate without a text
        return _Part(inside)
    across, along = (round(em * one) for one in padding)
    size = inside.width + 2 * across, inside.height + 2 * along
    layer = Image.new("RGBA", size, (*colour, 0))
    layer.putalpha(_rounded_mask(size, em * radius).point(lambda value: round(value * opacity)))
    layer.alpha_composite(inside, (across, along))
    return _Part(layer)


def _rounded_mask(size: Size, radius: float) -> Image.Image:
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
