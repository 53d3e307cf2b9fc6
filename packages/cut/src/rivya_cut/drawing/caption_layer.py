"""Captions as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

from PIL import Image

from rivya_cut.composition import Captions, Look
from rivya_cut.drawing.bidi import right_to_left
from rivya_cut.drawing.colours import WHITE, Colour, colour_of, ground_of, readable
from rivya_cut.drawing.parts import (
    OUTLINE,
    PADDING,
    Layer,
    Part,
    Size,
    clear_top,
    layer_at,
    on_plate,
    safe_area,
    style_of,
    with_shadow,
)
from rivya_cut.drawing.type import Box, Outline, Setting, clean, fit_text, set_lines
from rivya_cut.line_breaks import GLUE, graphemes, words_of

_CAPTION, _LEAST_CAPTION = 0.052, 0.033  # type, of the shorter side
_STRONG, _POP = 1.15, 1.8  # of it, where words are coloured, and where a few are shown at a time
_POP_HEIGHT = {"top": 0.25, "middle": 0.5, "bottom": 0.75}  # of their middle, of the safe area
_PLATE_OPACITY = 0.74  # white on it has a contrast of 9 or more, whatever is behind
_STRONG_OUTLINE = 0.1  # in em
_ACCENT: Colour = (255, 209, 46)
_VIVID, _UNLIKE = 80, 80  # of an accent: between its parts, and from the colour of other words
_BESIDE = 0.13  # in em: what belongs to a word of the space beside it


@dataclass(frozen=True)
class CaptionPicture:
    """A caption, which looks another way with each word that is spoken.

    Attributes:
        layer: With no word coloured, where it is for all of its time.
        boxes: Of each word, in the picture of the layer.
    """

    layer: Layer
    accented: Image.Image
    boxes: tuple[tuple[Box, ...], ...]

    def at_word(self, index: int) -> Image.Image:
        """With this word in the colour of the accent; with none below 0."""
        image = self.layer.image.copy()
        for box in self.boxes[index] if 0 <= index < len(self.boxes) else ():
            image.paste(self.accented.crop(box), box)
        return image


def caption_picture(
    text: str,
    size: Size,
    captions: Captions,
    look: Look,
    avoid: Sequence[Box] = (),
    ever: Sequence[Box] = (),
) -> CaptionPicture:
    """A caption: white with a dark outline, or on a dark plate.

    Two lines, unless the text is so long that they could not be read; more and smaller ones then.

    It moves to the nearest place in the safe area that is free of the boxes to `avoid`, beside them if
    there is none else. It keeps clear of what other captions `ever` do, too, where there is room.
    """
    area, short = safe_area(size), min(size)
    style = style_of(look, captions, language=captions.language)
    is_plate = captions.style == "plate"
    scale = captions.size * {"highlight": _STRONG, "pop": _POP}.get(captions.style, 1.0)
    padding = 2 * PADDING[0] * _CAPTION * scale * short if is_plate else 0.0
    room = area[2] - area[0] - padding, (area[3] - area[1]) / 2
    sizes = _CAPTION * scale * short, _LEAST_CAPTION * captions.size * short
    lines, em = fit_text(clean(text, style), style, room, sizes, most=2)
    colour = colour_of(captions.colour) if captions.colour else WHITE

    ground = ground_of(colour)

    def drawn(in_colour: Colour) -> tuple[Setting, Part]:
        if is_plate:
            letters = set_lines(lines, style, em, in_colour, beyond=0)
            return letters, on_plate(letters.image, em, ground, _PLATE_OPACITY, radius=0.35)
        wide = _STRONG_OUTLINE if captions.style in ("highlight", "pop") else OUTLINE
        outline = Outline(ground, wide)
        letters = set_lines(lines, style, em, in_colour, outline=outline, beyond=round(wide * em))
        return letters, with_shadow(letters.image, em)

    letters, part = drawn(colour)
    layer = _place(part, size, captions, em, avoid, ever)
    if captions.style not in ("highlight", "pop"):
        return CaptionPicture(layer, layer.image, ())
    _, accented = drawn(_accent(captions, look, colour))
    # A layer may lack what of its shadow is beyond the frame.
    lost = part.image.width - layer.image.width, part.image.height - layer.image.height
    x = (part.image.width - letters.image.width) // 2 - lost[0]
    y = (part.image.height - letters.image.height) // 2 - lost[1]
    boxes = tuple(
        tuple((left + x, top + y, right + x, bottom + y) for left, top, right, bottom in of_word)
        for of_word in _word_boxes(text, letters)
    )
    return CaptionPicture(layer, accented.image.crop((*lost, *part.image.size)), boxes)


def _place(
    part: Part, size: Size, captions: Captions, em: float, avoid: Sequence[Box], ever: Sequence[Box]
) -> Layer:
    area, (width, height) = safe_area(size), part.size
    if captions.style == "pop":
        y = round(area[1] + (area[3] - area[1]) * _POP_HEIGHT[captions.position] - height / 2)
    else:
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


def _accent(captions: Captions, look: Look, colour: Colour) -> Colour:
    """The colour of a word that is spoken: one that is read, and seen beside the other words."""
    if captions.accent:
        return colour_of(captions.accent)
    ground = ground_of(colour)
    brand = (readable(colour_of(code), ground) for code in (*look.colours[1:], *look.colours[:1]))
    seen = (
        one
        for one in brand
        if max(one) - min(one) >= _VIVID
        and max(abs(a - b) for a, b in zip(one, colour, strict=True)) >= _UNLIKE
    )
    return next(seen, readable(_ACCENT, ground))


def _word_boxes(text: str, letters: Setting) -> Iterator[list[Box]]:
    """Where each word is."""
    rows = [graphemes(line) for line in letters.lines]
    # Where each letter is: a word that is broken has some in two lines.
    places = [
        (row, at) for row, line in enumerate(rows) for at, one in enumerate(line) if one != " "
    ]
    start = 0
    for word in words_of(text):
        word = clean(word.removeprefix(GLUE), letters.style)
        end = start + len(graphemes(word.replace(" ", "")))
        boxes: list[Box] = []
        for row, of_row in groupby(places[start:end], itemgetter(0)):
            inside = [at for _, at in of_row]
            line = [" ", *rows[row], " "]
            sides = [_BESIDE * (line[at] == " ") for at in (inside[0], inside[-1] + 2)]
            before, after = reversed(sides) if right_to_left(word) else sides
            boxes += letters.boxes(row, inside[0], inside[-1] + 1, before, after)
        yield boxes
        start = end
