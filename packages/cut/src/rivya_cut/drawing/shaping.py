"""Glyphs of a line: which fonts draw it, and what HarfBuzz makes of its characters.

It shapes each run of characters that share font, script and direction.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import uharfbuzz as hb

from rivya_cut.drawing.bidi import levels, visual_order
from rivya_cut.fonts import Face, face_for, open_font
from rivya_cut.line_breaks import graphemes

_JOINERS = "\u200c\u200d"
_FEATURES = {"lnum": True}  # figures of one height
_MAX_OUTLINE = 200_000  # characters of the path of a glyph; more is no letter


@dataclass(frozen=True)
class Style:
    """The font of a text.

    Attributes:
        family: One that is shipped, or the path of a font file.
        strong: Whether it is the bold one.
        language: Of the text, BCP 47, which chooses the shapes of Chinese characters; None: by its letters.
    """

    family: str | Path
    strong: bool = True
    language: str | None = None


Ink = tuple[float, float, float, float]
"""Left, top, right and bottom of what is drawn, in em or pixels."""


class Glyph(NamedTuple):
    """A glyph on a line.

    Attributes:
        face: Its font.
        number: In the font.
        at: The first of its characters in the line.
        x, y, wide: Its place, upwards, and width in em.
    """

    face: Face
    number: int
    at: int
    x: float
    y: float
    wide: float


@cache
def font_of(face: Face) -> hb.Font:
    """A face as HarfBuzz shapes it, with the units of its font."""
    font = hb.Font(open_font(face.path))
    font.set_variations({"wght": face.weight})
    return font


@lru_cache(maxsize=1024)
def set_line(
    line: str, style: Style, of_levels: tuple[int, ...] | None = None
) -> tuple[tuple[Glyph, ...], float]:
    """The glyphs of a line from left to right, and its width in em.

    `of_levels` are those that its characters have in the whole text; None: the line is the text.
    """
    codes = [*map(ord, line)]
    found: list[Glyph] = []
    x = 0.0
    for face, first, count, backwards in _runs(line, style, of_levels):
        buffer = hb.Buffer()
        buffer.add_codepoints(codes, first, count)
        buffer.direction = "rtl" if backwards else "ltr"
        if style.language:
            buffer.language = style.language
        buffer.guess_segment_properties()
        hb.shape(font_of(face), buffer, _FEATURES)
        em = open_font(face.path).upem
        for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            at = (x + place.x_offset / em, place.y_offset / em)
            found.append(Glyph(face, info.codepoint, info.cluster, *at, place.x_advance / em))
            x += place.x_advance / em
    return tuple(found), x


def _runs(
    line: str, style: Style, of_levels: Sequence[int] | None
) -> Iterator[tuple[Face, int, int, bool]]:
    """The runs of a line from left to right: face, first character, how many, and if it is right-to-left."""
    characters = graphemes(line)
    fonts: list[tuple[Face, str]] = []
    for char in characters:
        face = face_of(char, style)
        script = unicodedata.name(char[0], "").split(" ")[0] if char[0].isalpha() else ""
        # A space or a sign stays with the word before it, so that its shape and size match.
        if fonts and not script and (_stays(char, fonts[-1][0]) or face == fonts[-1][0]):
            face, script = fonts[-1]
        fonts.append((face or _fallback(style), script))
    of_levels = of_levels or levels(characters)
    runs: list[tuple[Face, int, int, int]] = []
    at = 0
    for ((face, _), level), indexes in groupby(
        range(len(characters)), lambda index: (fonts[index], of_levels[index])
    ):
        count = sum(len(characters[index]) for index in indexes)
        runs.append((face, at, count, level))
        at += count
    for index in visual_order([level for *_, level in runs]):
        face, first, count, level = runs[index]
        yield face, first, count, level % 2 == 1


def _stays(char: str, face: Face) -> bool:
    kind = unicodedata.category(char[0])[0]
    return kind in "ZP" and not face.colourful and face.has(char.strip(_JOINERS))


def _fallback(style: Style) -> Face:
    face = face_of(" ", style)
    assert face is not None  # Noto has a space
    return face


@lru_cache(maxsize=4096)
def face_of(characters: str, style: Style) -> Face | None:
    return face_for(characters, style.family, strong=style.strong, language=style.language)


def ink_of(glyph: Glyph) -> Ink | None:
    """The box of what is drawn of a glyph, from its origin and downwards; None if that is nothing."""
    box = font_of(glyph.face).get_glyph_extents(glyph.number)
    if box is None or not box.width or not box.height:
        return None
    em = open_font(glyph.face.path).upem
    left, top = box.x_bearing / em, -box.y_bearing / em
    return left, top, left + box.width / em, top - box.height / em


@lru_cache(maxsize=4096)
def outline_of(face: Face, glyph: int) -> str:
    """The outline of a glyph as SVG writes it, in units of the font, upwards."""
    parts: list[str] = []
    font_of(face).draw_glyph(glyph, _PEN, parts)
    path = "".join(parts)
    return path if len(path) <= _MAX_OUTLINE else ""


def _pen() -> hb.DrawFuncs:
    pen = hb.DrawFuncs()
    pen.set_move_to_func(lambda x, y, to: to.append(f"M{x:g} {y:g}"))
    pen.set_line_to_func(lambda x, y, to: to.append(f"L{x:g} {y:g}"))
    pen.set_quadratic_to_func(lambda a, b, x, y, to: to.append(f"Q{a:g} {b:g} {x:g} {y:g}"))
    pen.set_cubic_to_func(
        lambda a, b, c, d, x, y, to: to.append(f"C{a:g} {b:g} {c:g} {d:g} {x:g} {y:g}")
    )
    pen.set_close_path_func(lambda to: to.append("Z"))
    return pen


_PEN = _pen()
