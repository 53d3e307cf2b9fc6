"""Captions as pictures."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from PIL import Image, ImageOps

from rivya_cut.composition import Captions, Look
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
from rivya_cut.drawing.type import Box, Outline, clean, draw_lines, fit_text, word_boxes
from rivya_cut.drawing.typed import count_letters
from rivya_cut.line_breaks import GLUE, words_of

_CAPTION, _LEAST_CAPTION = 0.052, 0.033  # type, of the shorter side
_STRONG, _POP = 1.15, 1.8  # of it, where words are coloured, and where a few are shown at a time
_POP_HEIGHT = {"top": 0.25, "middle": 0.5, "bottom": 0.75}  # of their middle, of the safe area
_FAR = 0.4  # of the safe area: how far a caption moves before it stands beside what it avoids
_PLATE_OPACITY = 0.74  # white on it has a contrast of 9 or more, whatever is behind
_STRONG_OUTLINE = 0.1  # in em
_BEYOND = 0.06  # in em: what tails of letters need below their line
_ACCENT: Colour = (255, 209, 46)
_VIVID, _UNLIKE = 80, 80  # of an accent: between its parts, and from the colour of other words


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
    there is none near. It keeps clear of what other captions `ever` do, too, where there is room.
    """
    area, short = safe_area(size), min(size)
    style = style_of(look, captions, language=captions.language)
    is_plate = captions.style == "plate"
    scale = captions.size * {"highlight": _STRONG, "pop": _POP}.get(captions.style, 1.0)
    is_strong = captions.style in ("highlight", "pop")
    wide = 0.0 if is_plate else _STRONG_OUTLINE if is_strong else OUTLINE
    sizes = _CAPTION * scale * short, _LEAST_CAPTION * captions.size * short
    around = 2 * (PADDING[0] if is_plate else wide) * sizes[0]
    room = area[2] - area[0] - around, (area[3] - area[1]) / 2
    most = 1 if captions.style == "pop" else 2
    lines, em = fit_text(clean(text, style), style, room, sizes, most)
    colour = colour_of(captions.colour) if captions.colour else WHITE

    ground = ground_of(colour)

    outline = Outline(ground, wide) if wide else None
    # As high whatever the letters are, so that captions do not jump; marks reach into the space around.
    beyond = round(PADDING[1] * em)
    spare = 0 if is_plate else beyond - round((wide + _BEYOND) * em)

    def draw(in_colour: Colour) -> Part:
        letters = draw_lines(lines, style, em, in_colour, outline=outline, beyond=beyond)
        if is_plate:
            padding = PADDING[0], 0.0
            return on_plate(letters, em, ground, _PLATE_OPACITY, radius=0.35, padding=padding)
        found = with_shadow(ImageOps.expand(letters, (spare, 0)), em)
        return replace(found, edge=found.edge + spare)

    part = draw(colour)
    layer = _place(part, size, captions, em, avoid, ever)
    if not is_strong:
        return CaptionPicture(layer, layer.image, ())
    # A layer may lack what of its shadow is beyond the frame.
    whole, seen = part.image.size, layer.image.size
    lost = whole[0] - seen[0], whole[1] - seen[1]
    parts = word_boxes(lines, style, em, outline=outline, beyond=beyond)
    words = (clean(word.removeprefix(GLUE), style) for word in words_of(text))
    boxes = _of_words(words, parts, (part.edge - lost[0], part.edge - spare - lost[1]))
    accented = draw(_accent(captions, look, colour)).image.crop((*lost, *whole))
    return CaptionPicture(layer, accented, boxes)


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
    x, y = (size[0] - width) // 2, max(area[1], min(y, area[3] - height))
    gap = round(em * 0.7)
    # At one height whatever its width, so that captions do not jump beside a logo in a corner.
    rows = [(0, upper, size[0], lower) for _, upper, _, lower in (*avoid, *ever)]
    box, far = (x, y, x + width, y + height), (area[3] - area[1]) * _FAR
    wide = [(left - gap // 2, top, right + gap // 2, low) for left, top, right, low in avoid]
    tops = [clear_top(box, area, taken, gap) for taken in (rows, rows[: len(avoid)], wide)]
    free = [one for one in tops if one is not None]
    if not free:
        return replace(layer_at(part, x, y), clear=not part.image.getbbox())
    near = (one for one in free if abs(one - y) <= far)
    return layer_at(part, x, next(near, min(free, key=lambda one: abs(one - y))))


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


def _of_words(
    words: Iterable[str], parts: Iterable[tuple[str, Box]], corner: tuple[int, int]
) -> tuple[tuple[Box, ...], ...]:
    """The boxes of each word in a picture in which the letters begin at a corner.

    Words that are broken have several `parts`, which are found by their letters.
    """
    ends = [*accumulate(map(count_letters, words))]
    found: list[list[Box]] = [[] for _ in ends]
    at, (x, y) = 0, corner
    for part, (left, top, right, bottom) in parts:
        index = bisect_right(ends, at)
        if index < len(found):
            found[index].append((left + x, top + y, right + x, bottom + y))
        at += count_letters(part)
    return tuple(map(tuple, found))
