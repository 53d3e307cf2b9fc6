"""Sets lines of text in every script of the fonts, and measures, breaks and fits them.

resvg shapes each run of characters that share font, script and direction. They are separated here, since
resvg shapes all of a text in the script of its first letter, and mixes up the glyphs of a word where it
falls back to a second font.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

import resvg_py
from PIL import Image

from rivya_cut.bounds import MAX_DRAWN_CHARACTERS, beyond
from rivya_cut.drawing.colours import Colour
from rivya_cut.fonts import Face, face_for
from rivya_cut.line_breaks import GLUE, graphemes, is_unspaced, join_words, pieces, words_of

Align = Literal["left", "center", "right"]
Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are outside."""

_MAX_MARKS = 4  # in a row; a flood of marks would cover the lines above
_JOINERS = "\u200c\u200d"
_NO_JOINERS = dict.fromkeys(map(ord, _JOINERS))
_NO_BREAK_SPACE = "\u00a0"
_EM = 40  # of measuring, in pixels
_TALL_LEADING, _LEADING = 1.45, 1.27  # of a line, in em, with and without marks above and below
_ABOVE = 0.78  # of the step: what of it is above the baseline
_TALL_EXTENT, _EXTENT = (
    (0.95, 0.35),
    (0.72, 0.2),
)  # of a line above and below its baseline, the same


@dataclass(frozen=True)
class Style:
    """The font of a text: a family that is shipped, or the path of a file."""

    family: str | Path
    strong: bool = True


@dataclass(frozen=True)
class Outline:
    """Around letters; `width` in em."""

    colour: Colour
    width: float


class Setting(NamedTuple):
    """Lines as a picture.

    Attributes:
        corner: Where in it the widest line begins, at the first baseline, in pixels.
        step: From one baseline to the next, in pixels.
    """

    image: Image.Image
    corner: tuple[float, float]
    step: float
    lines: tuple[str, ...]
    style: Style
    size: float
    align: Align

    def boxes(
        self, row: int, start: int, end: int, before: float = 0.0, after: float = 0.0
    ) -> list[Box]:
        """Where the characters `start` to `end` of a line are in the picture, as high as the line is.

        Several boxes where its directions differ. `before` and `after` are beside each, in em.
        """
        line, last = self.lines[row], len(self.lines) - 1
        wide = max(width(one, self.style) for one in self.lines)
        x = _indent(line, self.style, self.align, wide)
        middle = self.corner[1] + self.step * (row - _ABOVE)
        top = 0 if row == 0 else round(middle)
        bottom = self.image.height if row == last else round(middle + self.step)
        found = []
        for run, indexes in _placed_runs(line, self.style):
            inside = [count for count, at in enumerate(indexes) if start <= at < end]
            if inside:
                characters = graphemes(run.text)
                left, right = (
                    _advance(replace(run, text="".join(characters[:count])))
                    for count in (inside[0], inside[-1] + 1)
                )
                if run.rtl:
                    left, right = _advance(run) - right, _advance(run) - left
                left, right = (
                    self.corner[0] + self.size * one
                    for one in (x + left - before, x + right + after)
                )
                found.append((max(0, round(left)), top, max(0, round(right)), bottom))
            x += _advance(run)
        return found


@dataclass(frozen=True)
class _Run:
    text: str
    face: Face
    rtl: bool


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
    return sum(_advance(run) for run in _runs(line, style))


def leading(lines: Sequence[str], style: Style) -> float:
    """From one baseline to the next, in em."""
    tall = any(_tall(char) for line in lines for char in line)
    return _TALL_LEADING if tall else _LEADING


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
    words = words_of(text)
    for step in range(100):
        size = greatest * 0.96**step
        inside = size < least
        lines = _break_lines(words, style, box[0] / size, inside=inside)
        room = int(box[1] / size / leading(lines or (), style)) if inside else most
        if lines and len(lines) <= room:
            return lines, size
    return lines or given, size


def draw_lines(
    lines: tuple[str, ...],
    style: Style,
    size: float,
    colour: Colour,
    *,
    align: Align = "center",
    outline: Outline | None = None,
    beyond: int | None = None,
) -> Image.Image:
    """The picture alone of `set_lines`."""
    return set_lines(lines, style, size, colour, align=align, outline=outline, beyond=beyond).image


@lru_cache(maxsize=64)
def set_lines(
    lines: tuple[str, ...],
    style: Style,
    size: float,
    colour: Colour,
    *,
    align: Align = "center",
    outline: Outline | None = None,
    beyond: int | None = None,
) -> Setting:
    """Lines in one colour, cut to their ink, RGBA; 1 by 1 pixel and transparent where nothing can be drawn.

    The picture is cached: copy it before changing it. With `beyond` its height is that of the lines, whatever
    their letters are, and so many pixels above and below.
    """
    step = leading(lines, style) * size
    # Room for an outline, and for marks that stand out.
    edge = size * 1.6
    wide = max((width(line, style) for line in lines), default=0.0) * size
    texts: list[str] = []
    faces: dict[Face, None] = {}
    for index, line in enumerate(lines):
        x = edge + _indent(line, style, align, wide / size) * size
        for run in _runs(line, style):
            texts.append(_text(run, x, edge + index * step, size))
            faces[run.face] = None
            x += _advance(run) * size
    body = "".join(texts)
    if outline:
        body = (
            f'<g fill="none" stroke="{_code(outline.colour)}" stroke-linejoin="round"'
            f' stroke-width="{2 * outline.width * size:.2f}">{body}</g>{body}'
        )
    image = _render(
        f'<g fill="{_code(colour)}">{body}</g>',
        wide + 2 * edge,
        (len(lines) - 1) * step + 2 * edge,
        faces,
    )
    box = image.getbbox()
    if box and beyond is not None:
        above, below = _TALL_EXTENT if step > _LEADING * size else _EXTENT
        top = round(edge - above * size) - beyond
        high = round((len(lines) - 1) * step + (above + below) * size) + 2 * beyond
        box = box[0], min(top, box[1]), box[2], max(top + high, box[3])
    box = box or (0, 0, 1, 1)
    corner = edge - box[0], edge - box[1]
    return Setting(image.crop(box), corner, step, lines, style, size, align)


def _indent(line: str, style: Style, align: Align, wide: float) -> float:
    return (wide - width(line, style)) * {"left": 0.0, "center": 0.5, "right": 1.0}[align]


def _drawable(one: str, style: Style) -> str:
    """A character with its marks, or what of it can be drawn."""
    if one.isspace():
        return one
    text, row = "", 0
    for char in one:
        category = unicodedata.category(char)[0]
        row = row + 1 if category == "M" else 0
        if char in _JOINERS or (category not in "CZ" and row <= _MAX_MARKS):
            text += char
    while text and _face(text, style) is None:
        text = text[:-1]
    return text if text.strip(_JOINERS) else ""


@lru_cache(maxsize=4096)
def _face(characters: str, style: Style) -> Face | None:
    return face_for(
        characters.strip(_JOINERS).translate(_NO_JOINERS), str(style.family), strong=style.strong
    )


def _tall(char: str) -> bool:
    """Whether the script has marks above and below its letters: those from Hebrew on have."""
    return "\u0590" <= char < "\u2000"


def _runs(line: str, style: Style) -> tuple[_Run, ...]:
    """The runs of a line, from left to right."""
    return tuple(run for run, _ in _placed_runs(line, style))


@lru_cache(maxsize=1024)
def _placed_runs(line: str, style: Style) -> tuple[tuple[_Run, tuple[int, ...]], ...]:
    """The runs of a line, from left to right, and which of its characters they have."""
    characters = graphemes(line)
    fonts: list[tuple[Face, str]] = []
    for char in characters:
        face = _face(char, style)
        script = unicodedata.name(char[0], "").split(" ")[0] if char[0].isalpha() else ""
        # A space or a sign stays with the word before it, so that its shape and size match.
        if fonts and not script and (_stays(char, fonts[-1][0]) or face == fonts[-1][0]):
            face, script = fonts[-1]
        fonts.append((face or _fallback(style), script))
    of_levels = levels(characters)
    order = visual_order(of_levels)
    found = []
    for ((face, _), level), indexes in groupby(order, lambda at: (fonts[at], of_levels[at])):
        places = tuple(sorted(indexes))
        text = "".join(characters[at] for at in places)
        found.append((_Run(text, face, rtl=level % 2 == 1), places))
    return tuple(found)


def _stays(char: str, face: Face) -> bool:
    return unicodedata.category(char[0])[0] in "ZP" and face.has(char.translate(_NO_JOINERS))


def _fallback(style: Style) -> Face:
    face = face_for(" ", str(style.family), strong=style.strong)
    assert face is not None  # every font has a space
    return face


@lru_cache(maxsize=4096)
def _advance(run: _Run) -> float:
    """The width of a run with its side bearings, in em.

    resvg tells no widths: the run is drawn from the left and from the right, flat to save time, and
    the distances of the ink from both ends are what is beside it.
    """
    wide = int(_EM * (2 * len(run.text) + 4))
    edge, row = 2 * _EM, 24
    rows = (
        f'<g transform="translate(0 {row * index}) scale(1 0.2)" text-anchor="{anchor}">'
        f"{_text(run, x, 1.8 * _EM, _EM)}</g>"
        for index, (anchor, x) in enumerate((("start", edge), ("end", wide - edge)))
    )
    image = _render(f'<g fill="#fff">{"".join(rows)}</g>', wide, 2 * row, {run.face: None})
    first, last = (image.crop((0, at, wide, at + row)).getbbox() for at in (0, row))
    if first is None or last is None:
        return 0.26 * len(run.text) if run.text.isspace() else 0.0
    return ((first[0] - edge) + (first[2] - first[0]) + (wide - edge - last[2])) / _EM


def _text(run: _Run, x: float, y: float, size: float) -> str:
    text = run.text
    if run.rtl:  # signs at its ends follow the override, but spaces there do not
        text = f"\u202e{text.replace(' ', _NO_BREAK_SPACE)}\u202c"
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-family="{run.face.family}" font-weight="{run.face.weight}"'
        f' font-size="{size:.2f}" xml:space="preserve">{escape(text)}</text>'
    )


def _render(body: str, wide: float, high: float, faces: dict[Face, None]) -> Image.Image:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{1 + int(wide)}" height="{1 + int(high)}">{body}</svg>'
    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        font_files=list(dict.fromkeys(str(face.path) for face in faces)),
        skip_system_fonts=True,
    )
    with Image.open(io.BytesIO(bytes(png))) as image:
        return image.convert("RGBA")


def _break_lines(
    words: Sequence[str], style: Style, limit: float, *, inside: bool
) -> tuple[str, ...] | None:
    """As few lines as possible, of similar length; None if a word is wider than `limit` em.

    Two lines part between two sentences, where each has one that is not far shorter than the other.
    """
    space = width("n n", Style("noto")) - width("nn", Style("noto"))
    parts: list[tuple[str, float]] = []
    for word in words:
        wide = width(word.removeprefix(GLUE), style)
        if wide <= limit:
            parts.append((word, wide))
        elif inside or is_unspaced(word):
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
        ends = parts[at - 1][0].endswith((".", "!", "?", "।"))
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


def levels(characters: Sequence[str]) -> list[int]:
    """The level of each character of a line: even is left-to-right, odd right-to-left.

    The rules of Unicode UAX #9 for a line without explicit controls. The first letter sets the
    direction of the line.
    """
    kinds = [_kind(char) for char in characters]
    base = int(next((kind for kind in kinds if kind in ("L", "R")), "L") == "R")
    _resolve_numbers(kinds, "R" if base else "L")
    sides = ["R" if kind in ("R", "EN", "AN") else kind for kind in kinds]
    around = "R" if base else "L"
    found: list[int] = []
    for index, kind in enumerate(kinds):
        side = kind
        if kind not in ("L", "R", "EN", "AN"):
            before = next((s for s in reversed(sides[:index]) if s in ("L", "R")), around)
            after = next((s for s in sides[index:] if s in ("L", "R")), around)
            side = before if before == after else around
        found.append({"L": 2 * base, "R": 1}.get(side, 2))
    return found


def visual_order(of_levels: Sequence[int]) -> list[int]:
    """The indexes of the characters of a line, from left to right."""
    order = list(range(len(of_levels)))
    for level in range(max(of_levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and of_levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = end + 1
    return order


def right_to_left(text: str) -> bool:
    """Whether a text is read from the right: its first letter says so."""
    return next((kind for kind in map(_kind, text) if kind in ("L", "R")), "L") == "R"


def _kind(char: str) -> str:
    kind = unicodedata.bidirectional(char[0])
    return "R" if kind == "AL" else kind


def _resolve_numbers(kinds: list[str], strong: str) -> None:
    """Signs that touch a number belong to it; a number after left-to-right letters does too."""
    for index in range(1, len(kinds) - 1):
        if kinds[index] in ("CS", "ES") and kinds[index - 1] == kinds[index + 1] == "EN":
            kinds[index] = "EN"
    for order in (range(1, len(kinds)), range(len(kinds) - 2, -1, -1)):
        step = -1 if order.step > 0 else 1
        for index in order:
            if kinds[index] == "ET" and kinds[index + step] == "EN":
                kinds[index] = "EN"
    for index, kind in enumerate(kinds):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[index] = "L"
