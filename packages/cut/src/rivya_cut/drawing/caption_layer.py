"""Captions as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rivya_cut.composition import Captions, Look
from rivya_cut.drawing.colours import INK, WHITE
from rivya_cut.drawing.parts import (
    OUTLINE,
    PADDING,
    Box,
    Layer,
    Size,
    clear_top,
    layer_at,
    on_plate,
    safe_area,
    with_shadow,
)
from rivya_cut.drawing.type import Style, clean, draw_lines, fit_text

_CAPTION, _LEAST_CAPTION = 0.052, 0.033  # type, of the shorter side
_PLATE_OPACITY = 0.74  # white on it has a contrast of 9 or more, whatever is behind


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
    padding = 2 * PADDING[0] * _CAPTION * short if plate else 0.0
    room = area[2] - area[0] - padding, (area[3] - area[1]) / 2
    lines, em = fit_text(
        clean(text, style), style, room, (_CAPTION * short, _LEAST_CAPTION * short), most=2
    )
    if plate:
        block = draw_lines(lines, style, em, WHITE)
        part = on_plate(block, em, INK, _PLATE_OPACITY, radius=0.35)
    else:
        part = with_shadow(draw_lines(lines, style, em, WHITE, outline=OUTLINE), em)
    width, height = part.size
    y = {"top": area[1], "middle": (size[1] - height) // 2, "bottom": area[3] - height}[
        captions.position
    ]
    x, y = (size[0] - width) // 2, max(0, min(y, size[1] - height))
    gap = round(em * 0.7)
    # At one height whatever its width, so that captions do not jump beside a logo in a corner.
    rows = [(0, upper, size[0], lower) for _, upper, _, lower in (*avoid, *ever)]
    for taken in (rows, rows[: len(avoid)], avoid):
        free = clear_top((x, y, x + width, y + height), area, taken, gap)
        if free is not None:
            return layer_at(part, x, free)
    return replace(layer_at(part, x, y), clear=not part.image.getbbox())
