"""Captions, overlays and end cards as pictures, each for one size of frame.

Sizes of type are shares of the shorter side of the frame. Everything stays inside the safe area.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

from PIL import Image, ImageChops

from rivya_cut.composition import Look, Overlay
from rivya_cut.drawing.bidi import right_to_left
from rivya_cut.drawing.colours import INK, WHITE, colour_of, ground_of, readable
from rivya_cut.drawing.parts import (
    OUTLINE,
    PADDING,
    SIDE,
    Layer,
    Part,
    Size,
    brand_colours,
    clear_top,
    colours_on,
    layer_at,
    lift,
    on_plate,
    read_picture,
    rounded_mask,
    safe_area,
    style_of,
    with_shadow,
)
from rivya_cut.drawing.type import Align, Box, Outline, clean, draw_lines, fit_text
from rivya_cut.drawing.typed import count_letters
from rivya_cut.reading import probe
from rivya_cut.terms import Position

_TITLE, _LOWER, _LEAST = 0.066, 0.06, 0.034
_BAR = 0.17  # of a lower third, in em
_LOGO = (0.18, 0.14)  # greatest width and height of a picture without `width`, of the frame
_INSET = (0.32, 0.32)  # the same of a film
_CORNER = 0.07  # of its shorter side
_GAP = 0.03  # between two overlays, of the shorter side
_ROWS: dict[Position, str] = {
    position: next((row for row in ("top", "bottom") if row in position), "middle")
    for position in get_args(Position)
} | {"lower-third": "bottom"}


def overlay_layer(
    overlay: Overlay, size: Size, look: Look, avoid: Sequence[Box] = (), typed: int | None = None
) -> Layer:
    """A picture, whole and with its transparency, or a text over the film.

    A text in a corner stands on a plate in the main colour of the brand, if there is one; elsewhere it
    is white with a dark outline. A lower third is a plate with an accent, its first line strong. It moves
    up or down from what it should `avoid`, where there is room in the safe area. With `typed` only so many
    letters of its text are seen. Of a film, it is the ground that its frames cover: the box.
    """
    is_inset = is_film(overlay)
    if is_inset:
        part = _inset(overlay, size)
    elif overlay.media is not None:
        part = lift(read_picture(overlay.media, *_bounds(overlay, size)), min(size))
    elif overlay.position == "lower-third":
        part = _lower_third(overlay, size, look, typed)
    else:
        part = _text(overlay, size, look, typed)
    x, y = _place(part.size, overlay, size)
    box = x, y, x + part.size[0], y + part.size[1]
    free = clear_top(box, safe_area(size), avoid, round(min(size) * _GAP))
    clear = free is not None or not part.image.getbbox()
    y = y if free is None else free
    if is_inset:  # its frames have a pixel of colour for two by two
        x, y = x // 2 * 2, y // 2 * 2
    return replace(layer_at(part, x, y), clear=clear)


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


def _lower_third(overlay: Overlay, size: Size, look: Look, typed: int | None) -> Part:
    main, accent = brand_colours(look)
    ink, ground = colours_on(main, overlay)
    accent, short = readable(accent, ground, 1.8), min(size) * overlay.size
    area = safe_area(size)
    share = overlay.width
    limit = (area[2] - area[0]) * 0.86 if share is None else size[0] * share
    # The plate, too, stays inside.
    limit = min(limit, area[2] - area[0] - (2 * PADDING[0] + _BAR) * _LOWER * short)
    strong, light = style_of(look, overlay), style_of(look, overlay, strong=False)
    title, _, below = clean(overlay.text or "", strong).partition("\n")
    rtl = right_to_left(title)
    align: Align = "right" if rtl else "left"
    height = (area[3] - area[1]) * 0.4
    lines, em = fit_text(title, strong, (limit, height), (_LOWER * short, _LEAST * short), most=2)
    # Letters reach into the space around the lines, which is as high whatever they are: plates of one
    # film do not differ.
    space = round(em * PADDING[1])
    blocks = [draw_lines(lines, strong, em, ink, align=align, beyond=space, typed=typed)]
    if below:
        size_below = (min(0.6 * em, 0.04 * short), 0.026 * short)
        lines, small = fit_text(clean(below, light), light, (limit, height), size_below, most=2)
        left = None if typed is None else max(0, typed - count_letters(title))
        blocks.append(draw_lines(lines, light, small, ink, align=align, beyond=space, typed=left))
    step, bar = round(em * 0.25) - 2 * space, max(3, round(em * _BAR))
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
    plate = on_plate(inside, em, ground, 1.0, radius=0.14, padding=(PADDING[0], 0)).image
    # The bar is as high as the plate, at the side where reading begins.
    strip = Image.new("L", plate.size, 0)
    strip.paste(
        255, (plate.width - bar if rtl else 0, 0, plate.width if rtl else bar, plate.height)
    )
    plate.paste(accent, (0, 0), ImageChops.darker(strip, plate.getchannel("A")))
    return Part(plate)


def _text(overlay: Overlay, size: Size, look: Look, typed: int | None) -> Part:
    area, short = safe_area(size), min(size) * overlay.size
    style = style_of(look, overlay)
    corner = overlay.position not in ("top", "center", "bottom")
    share = overlay.width or (0.5 if corner else 1 - 2 * SIDE)
    greatest = _TITLE * (0.72 if corner else 1.0) * short
    on_ground = corner and look.colours
    around = 2 * (PADDING[0] if on_ground else OUTLINE) * greatest
    room = min(size[0] * share, area[2] - area[0] - around), (area[3] - area[1]) * 0.6
    lines, em = fit_text(
        clean(overlay.text or "", style), style, room, (greatest, _LEAST * short), most=3
    )
    align: Align = "center"
    if "left" in overlay.position or "right" in overlay.position:
        align = "left" if "left" in overlay.position else "right"
    if on_ground:
        ink, ground = colours_on(brand_colours(look)[0], overlay)
        letters = draw_lines(lines, style, em, ink, align=align, typed=typed)
        return on_plate(letters, em, ground, 1.0, radius=0.5)
    ink = colour_of(overlay.colour) if overlay.colour else WHITE
    outline = Outline(ground_of(ink), OUTLINE)
    letters = draw_lines(lines, style, em, ink, align=align, outline=outline, typed=typed)
    return with_shadow(letters, em)


def is_film(overlay: Overlay) -> bool:
    """Whether it is a film, which plays."""
    return overlay.media is not None and probe(overlay.media).kind == "video"


def _inset(overlay: Overlay, size: Size) -> Part:
    """A dark ground with rounded corners and a soft shadow, of even sides."""
    assert overlay.media is not None
    width, height = _bounds(overlay, size, _INSET)
    found = probe(overlay.media)
    wide, high = found.width or 1, found.height or 1
    scale = min(width / wide, height / high)
    inside = max(2, round(wide * scale / 2) * 2), max(2, round(high * scale / 2) * 2)
    ground = Image.new("RGBA", inside, INK)
    ground.putalpha(inset_mask(inside))
    return with_shadow(ground, min(size) * 0.05)


def inset_mask(size: Size) -> Image.Image:
    """Opaque where the frames of a film in a box of that size are seen."""
    return rounded_mask(size, min(size) * _CORNER)


def _bounds(overlay: Overlay, size: Size, usual: tuple[float, float] = _LOGO) -> Size:
    """Greatest width and height of a picture."""
    area = safe_area(size)
    share, high = (
        (usual[0], usual[1] * size[1]) if overlay.width is None else (overlay.width, size[1])
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
