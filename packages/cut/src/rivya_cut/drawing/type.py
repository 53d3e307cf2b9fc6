"""Sets lines of text in every script of the fonts, and measures, breaks and fits them.

HarfBuzz shapes each run of characters that share font, script and direction, and gives the outlines of its
glyphs; resvg fills and strokes them. Emoji are painted by HarfBuzz, in their colours.
"""

from __future__ import annotations

import io
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Literal, NamedTuple

import resvg_py
import uharfbuzz as hb
from PIL import Image

from rivya_cut.bounds import MAX_DRAWN_CHARACTERS, beyond
from rivya_cut.drawing.bidi import levels
from rivya_cut.drawing.colours import Colour
from rivya_cut.drawing.shaping import (
    Glyph,
    Ink,
    Style as Style,
    face_of,
    font_of,
    ink_of,
    outline_of,
    set_line,
)
from rivya_cut.drawing.typed import ends_of
from rivya_cut.fonts import language_of, open_font
from rivya_cut.line_breaks import GLUE, SENTENCE_END, graphemes, join_words, pieces, words_of

Align = Literal["left", "center", "right"]

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are outside."""

_MAX_MARKS = 4  # in a row; a flood of marks would cover the lines above
_JOINERS = "\u200c\u200d"
_UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Zs")  # a font may have private and new characters
_DIRECTIONS = "\u200e\u200f\u061c"  # marks of Unicode that order signs beside letters
_TAGS = range(0xE0020, 0xE0080)  # of the flags of England, Scotland and Wales
_TALL_LEADING, _LEADING = 1.45, 1.27  # of a line, in em, with and without marks above and below
_TALL_EXTENT, _EXTENT = (
    (0.95, 0.35),
    (0.72, 0.2),
)  # of a line above and below its baseline, the same


@dataclass(frozen=True)
class Outline:
    """Around letters; `width` in em."""

    colour: Colour
    width: float


class _Placed(NamedTuple):
    """A glyph on a picture: its origin, its ink if it has any, and the end of its advance, in pixels."""

    glyph: Glyph
    x: float
    y: float
    ink: Ink | None
    end: float


class _Setting(NamedTuple):
    """The glyphs of lines, the baseline of each, and the box of the picture."""

    lines: tuple[tuple[_Placed, ...], ...]
    bases: tuple[float, ...]
    box: Box


def clean(text: str, style: Style) -> str:
    """The text with what can be drawn: no controls, no characters without a font, few marks on a letter.

    Line breaks stay, other white space becomes single spaces.
    """
    if len(text) > MAX_DRAWN_CHARACTERS:
        raise beyond("a text", f"{MAX_DRAWN_CHARACTERS:,} characters", "MAX_DRAWN_CHARACTERS")
    lines = (
        " ".join("".join(_drawable(one, style) for one in graphemes(line)).split(" "))
        for line in unicodedata.normalize("NFC", text).splitlines()
    )
    return "\n".join(filter(None, (re.sub(r"[^\S\u00a0]+", " ", line).strip() for line in lines)))


def width(line: str, style: Style) -> float:
    """Of one line, in em."""
    return set_line(line, style)[1]


def leading(lines: Sequence[str], style: Style) -> float:
    """From one baseline to the next, in em."""
    return _TALL_LEADING if _is_tall(lines) else _LEADING


def fit_text(
    text: str, style: Style, box: tuple[float, float], sizes: tuple[float, float], most: int
) -> tuple[tuple[str, ...], float]:
    """Lines, and pixels to the em, with which a text fits a box.

    The line breaks of the text are kept where they fit. Otherwise it is broken at spaces into lines of
    similar length. It gets smaller, to the lesser size, before it gets more lines than `most`. Then it
    gets as many lines as fit, as small as it must; a word that is too wide breaks inside.

    `box` is in pixels, `sizes` are the greatest and least pixels to the em.
    """
    greatest, least = sizes
    box = max(1.0, box[0]), max(1.0, box[1])
    given = tuple(text.split("\n"))
    widest = max(width(line, style) for line in given)
    size = min(greatest, box[0] / max(widest, 0.01))
    if len(given) <= most and size >= (0.88 * greatest if len(given) > 1 else greatest):
        return given, size
    words, lines = words_of(text), None
    for step in range(100):
        size = greatest * 0.96**step
        inside = size < least
        lines = _break_lines(words, style, box[0] / size, inside=inside)
        room = int(box[1] / size / leading(lines or (), style)) if inside else most
        if lines and len(lines) <= room:
            break
    lines = lines or given
    # One letter may be wider than the box.
    return lines, min(size, box[0] / max(0.01, *(width(line, style) for line in lines)))


@lru_cache(maxsize=64)
def draw_lines(
    lines: tuple[str, ...],
    style: Style,
    size: float,
    colour: Colour,
    *,
    align: Align = "center",
    outline: Outline | None = None,
    beyond: int | None = None,
    typed: int | None = None,
) -> Image.Image:
    """Lines in one colour, cut to their ink, RGBA; 1 by 1 pixel and transparent where nothing can be drawn.

    The picture is cached: copy it before changing it. With `beyond` its height is that of the lines, whatever
    their letters are, and so many pixels above and below. With `typed` only so many letters are seen, where they
    are in the whole.
    """
    setting = _place(lines, style, size, align, outline and outline.width, beyond)
    left, top, right, bottom = setting.box
    body, emoji = [], []
    placed = zip(setting.lines, ends_of(lines, typed), strict=True)
    for one in (one for line, end in placed for one in line if one.ink and one.glyph.at < end):
        face = one.glyph.face
        if face.colourful:
            emoji.append(one)
        else:
            scale = size / open_font(face.path).upem
            place = (
                f"translate({one.x - left:.2f} {one.y - top:.2f}) scale({scale:.6f} {-scale:.6f})"
            )
            stroke = f' stroke-width="{2 * outline.width * size / scale:.2f}"' if outline else ""
            path = outline_of(face, one.glyph.number)
            body.append(f'<path d="{path}" transform="{place}"{stroke}/>')
    drawn = "".join(body)
    around = outline and f'<g stroke="{_code(outline.colour)}" stroke-linejoin="round">{drawn}</g>'
    image = _render(
        f'{around or ""}<g fill="{_code(colour)}">{drawn}</g>', right - left, bottom - top
    )
    for one in emoji:
        _paint(image, one, left, top, size)
    return image


def word_boxes(
    lines: tuple[str, ...],
    style: Style,
    size: float,
    *,
    align: Align = "center",
    outline: Outline | None = None,
    beyond: int | None = None,
) -> tuple[tuple[str, Box], ...]:
    """Each word of `words_of`, in the order of reading, and its box in the picture of `draw_lines`.

    A box is as high as its line, and has all the ink of its word.
    """
    setting = _place(lines, style, size, align, outline and outline.width, beyond)
    above, below = _extent(lines)
    found: list[tuple[str, Box]] = []
    for line, placed, base in zip(lines, setting.lines, setting.bases, strict=True):
        end = 0
        for word in (one.removeprefix(GLUE) for one in words_of(line)):
            at = line.index(word, end)
            end = at + len(word)
            own = [one for one in placed if at <= one.glyph.at < end]
            parts = [(one.x, base - above * size, one.end, base + below * size) for one in own]
            parts += [one.ink for one in own if one.ink]
            if parts:
                found.append((word, _inside(_around(parts), setting.box)))
    return tuple(found)


def _drawable(one: str, style: Style) -> str:
    """A character with its marks, or what of it can be drawn."""
    if one.isspace() or one in _DIRECTIONS:
        return one
    text, row = "", 0
    for char in one:
        category = unicodedata.category(char)
        row = row + 1 if category[0] == "M" else 0
        is_tag = ord(char) in _TAGS and text.startswith("\U0001f3f4")
        if char in _JOINERS or is_tag or (category not in _UNSEEN and row <= _MAX_MARKS):
            text += char
    while text and face_of(text, style) is None:
        text = text[:-1]
    return text if text.strip(_JOINERS) else ""


def _is_tall(lines: Sequence[str]) -> bool:
    """Whether a script has marks above and below its letters: those from Hebrew on have."""
    return any("\u0590" <= char < "\u2000" for line in lines for char in line)


@lru_cache(maxsize=128)
def _place(
    lines: tuple[str, ...],
    style: Style,
    size: float,
    align: Align,
    around: float | None,
    beyond: int | None,
) -> _Setting:
    """Where all glyphs go. What is further out than marks are is cut off: fonts may say anything."""
    if style.language is None:
        style = replace(style, language=language_of("".join(lines)))
    # A number or a sign may belong to letters of the line before.
    of_levels = iter(levels(graphemes("\n".join(lines))))
    step = leading(lines, style) * size
    wide = max((width(line, style) for line in lines), default=0.0) * size
    bases = tuple(index * step for index in range(len(lines)))
    placed = []
    for line, base in zip(lines, bases, strict=True):
        glyphs, length = set_line(line, style, tuple(islice(of_levels, len(graphemes(line)))))
        next(of_levels, None)  # of the line break
        start = (wide - length * size) * {"left": 0.0, "center": 0.5, "right": 1.0}[align]
        placed.append(tuple(_at(glyph, start, base, size) for glyph in glyphs))
    inks = [one.ink for line in placed for one in line if one.ink]
    if not inks:
        return _Setting(tuple(placed), bases, (0, 0, 1, 1))
    edge, room = (around or 0.0) * size, 1.6 * size
    left, top, right, bottom = _around(inks)
    box = left - edge, top - edge, right + edge, bottom + edge
    if beyond is not None:
        above, below = _extent(lines)
        box = box[0], -above * size - beyond, box[2], bases[-1] + below * size + beyond
    most = _around([(-room, -room, wide + room, bases[-1] + room)])
    left, top, right, bottom = _inside(_around([box]), most, from_corner=False)
    return _Setting(tuple(placed), bases, (left, top, max(right, left + 1), max(bottom, top + 1)))


def _at(glyph: Glyph, start: float, base: float, size: float) -> _Placed:
    x, y = start + glyph.x * size, base - glyph.y * size
    ink = ink_of(glyph)
    drawn = ink and (x + ink[0] * size, y + ink[1] * size, x + ink[2] * size, y + ink[3] * size)
    return _Placed(glyph, x, y, drawn, x + glyph.wide * size)


def _extent(lines: Sequence[str]) -> tuple[float, float]:
    return _TALL_EXTENT if _is_tall(lines) else _EXTENT


def _around(parts: Sequence[Ink]) -> Box:
    """The least box of whole pixels around all parts."""
    left, top, right, bottom = zip(*parts, strict=True)
    return (
        math.floor(min(left)),
        math.floor(min(top)),
        math.ceil(max(right)),
        math.ceil(max(bottom)),
    )


def _inside(box: Box, of: Box, *, from_corner: bool = True) -> Box:
    """What of a box is inside of another one, counted from the corner of that."""
    x, y = of[:2] if from_corner else (0, 0)
    return (
        max(of[0], min(box[0], of[2])) - x,
        max(of[1], min(box[1], of[3])) - y,
        min(of[2], max(box[2], of[0])) - x,
        min(of[3], max(box[3], of[1])) - y,
    )


def _paint(image: Image.Image, emoji: _Placed, x: int, y: int, size: float) -> None:
    """Put an emoji on a picture whose corner is at x and y."""
    assert emoji.ink is not None
    left, top, right, bottom = _inside(
        _around([emoji.ink]), (x, y, x + image.width, y + image.height)
    )
    if right <= left or bottom <= top:
        return
    scale = size / open_font(emoji.glyph.face.path).upem
    painter = hb.RasterPaint()
    # Its rows go upwards.
    painter.transform = (scale, 0, 0, scale, emoji.x - x - left, bottom - (emoji.y - y))
    painter.extents = hb.RasterExtents(0, 0, right - left, bottom - top, 0)
    painter.paint_glyph(font_of(emoji.glyph.face), emoji.glyph.number)
    if painted := painter.render():
        shape = painted.extents
        area = shape.width, shape.height
        picture = Image.frombuffer("RGBa", area, painted.buffer, "raw", "BGRa", shape.stride, -1)
        image.alpha_composite(picture.convert("RGBA"), (left, top))


def _render(body: str, wide: int, high: int) -> Image.Image:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}">{body}</svg>'
    png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    with Image.open(io.BytesIO(bytes(png))) as image:
        return image.convert("RGBA")


def _break_lines(
    words: Sequence[str], style: Style, limit: float, *, inside: bool
) -> tuple[str, ...] | None:
    """As few lines as possible, of similar length; None if a word is wider than `limit` em.

    Two lines part between two sentences, where each has one that is not far shorter than the other.
    """
    space = width("n n", style) - width("nn", style)
    parts: list[tuple[str, float]] = []
    for word in words:
        wide = width(word.removeprefix(GLUE), style)
        if wide <= limit:
            parts.append((word, wide))
        elif inside:
            for one in pieces(
                word, len(graphemes(word)) * limit / wide, lambda part: len(graphemes(part))
            ):
                parts.append((one, min(limit, width(one.removeprefix(GLUE), style))))
        else:
            return None
    count = len(_greedy(parts, space, limit))
    if count == 2 and (sentences := _part_sentences(parts, space, limit)):
        return sentences
    low, high = max((wide for _, wide in parts), default=0.0), limit
    while high - low > 0.05:
        middle = (low + high) / 2
        if len(_greedy(parts, space, middle)) <= count:
            high = middle
        else:
            low = middle
    return tuple(_greedy(parts, space, high))


def _part_sentences(
    parts: Sequence[tuple[str, float]], space: float, limit: float
) -> tuple[str, str] | None:
    """Two lines that part after a sentence, the most even ones; None if no such ones fit."""
    found: list[tuple[float, int]] = []
    for at in range(1, len(parts)):
        ends = SENTENCE_END.search(parts[at - 1][0])
        sides = [
            sum(wide + _space(word, space) for word, wide in part)
            for part in (parts[:at], parts[at:])
        ]
        if ends and max(sides) - space <= limit and 2 * min(sides) >= max(sides):
            found.append((max(sides), at))
    if not found:
        return None
    at = min(found)[1]
    return join_words(word for word, _ in parts[:at]), join_words(word for word, _ in parts[at:])


def _greedy(parts: Sequence[tuple[str, float]], space: float, limit: float) -> list[str]:
    lines: list[list[str]] = []
    filled = 0.0
    for word, wide in parts:
        more = _space(word, space) + wide
        if lines and filled + more <= limit + 1e-6:
            lines[-1].append(word)
            filled += more
        else:
            lines.append([word])
            filled = wide
    return [*map(join_words, lines)]


def _space(word: str, space: float) -> float:
    """Before a word, in em."""
    return 0.0 if word.startswith(GLUE) else space


def _code(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
