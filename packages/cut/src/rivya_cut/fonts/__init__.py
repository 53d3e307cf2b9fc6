"""The fonts that text is drawn with, and which characters they have.

The files are unmodified releases under the SIL Open Font License 1.1, each with its licence beside it. One is
not: ``FlowsFigures`` has the lining figures of Playfair Display, whose own are old-style and which resvg cannot
ask for. It was made by mapping the digits to their ``.lf`` glyphs, ``pyftsubset --text=0123456789.,:/%+-–``, and a
new name.
``fonttools ttLib.woff2 compress FILE.ttf`` made those of pages (``.woff2``), which hold the same font.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

_FOLDER = Path(__file__).parent
_NOTO_WEIGHT = 700
_BEYOND_LATIN = re.compile(r"[^\0-\u036f]")
_JOINING = frozenset((0x200C, 0x200D, 0x25CC))  # joiners, and the circle under a lone mark


MAX_PAGE_BYTES = 4_000_000
"""A page with all its fonts; those of the rarest scripts are left out beyond it."""

PLACE = "/* fonts */"
"""Where they go in the style of a page; before all text, which could contain the same."""


@dataclass(frozen=True)
class Face:
    """One weight of a font: its file here, its family as it names itself, and 100 to 900, as in CSS."""

    file: str
    family: str
    weight: int

    @property
    def path(self) -> Path:
        """Of the file."""
        return _FOLDER / self.file

    def has(self, characters: Iterable[str]) -> bool:
        """Whether the font draws all of these."""
        return all(ord(char) in _characters(self.file) for char in characters)


FAMILIES: dict[str, tuple[Face, Face]] = {
    "poppins": (
        Face("Poppins-SemiBold.ttf", "Poppins", 600),
        Face("Poppins-Light.ttf", "Poppins", 300),
    ),
    "playfair": (
        Face("PlayfairDisplay[wght].ttf", "Playfair Display", 700),
        Face("PlayfairDisplay[wght].ttf", "Playfair Display", 400),
    ),
    "bebas": (
        Face("BebasNeue-Regular.ttf", "Bebas Neue", 400),
        Face("BebasNeue-Regular.ttf", "Bebas Neue", 400),
    ),
    "grotesk": (
        Face("SpaceGrotesk[wght].ttf", "Space Grotesk", 700),
        Face("SpaceGrotesk[wght].ttf", "Space Grotesk", 400),
    ),
    "noto": (
        Face("NotoSans[wght].ttf", "Noto Sans", 700),
        Face("NotoSans[wght].ttf", "Noto Sans", 400),
    ),
}
"""The strong and the light face of each family that a brand may name."""

_FIGURES = {"playfair": ("FlowsFigures[wght].ttf", "Flows Figures")}
"""Fonts of figures by the family whose own do not stand at one height."""

_WESTERN = {"poppins": frozenset("०१२३४५६७८९")}
"""Figures that a family draws in the shapes of 0 to 9: they would not be those of the text."""

SCRIPTS = (
    "", "Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi",
    "Hebrew", "Kannada", "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu",
    "Thai",
)  # fmt: skip
"""Scripts that have a Noto font of their own; "" is Latin, Greek and Cyrillic."""


def path_of(file: str) -> Path:
    """A font file by its name."""
    return _FOLDER / file


def noto(script: str, *, strong: bool = True) -> Face:
    """The Noto face of one of `SCRIPTS`."""
    return Face(
        f"NotoSans{script}[wght].ttf",
        f"Noto Sans {script}".strip(),
        _NOTO_WEIGHT if strong else 400,
    )


def face_for(characters: str, family: str, *, strong: bool = True) -> Face | None:
    """The face that draws all of `characters`; None if none does."""
    face = FAMILIES[family][0 if strong else 1]
    figures = (Face(*one, face.weight) for name, one in _FIGURES.items() if name == family)
    own = () if _WESTERN.get(family, frozenset()).intersection(characters) else (*figures, face)
    rest = (noto(script, strong=strong) for script in SCRIPTS)
    return next((face for face in (*own, *rest) if face.has(characters)), None)


def missing_characters(text: str) -> str:
    """The characters of a text that no font here draws, each once, in the order of the text."""
    return "".join(
        char
        for char in dict.fromkeys(text)
        if not invisible(char) and not any(ord(char) in _characters(file) for file in _ranges())
    )


def name_characters(characters: str) -> str:
    """Some characters, the first few, as a message names them."""
    more = f" and {len(characters) - 8} more" if len(characters) > 8 else ""
    return ", ".join(f"{one!r}" for one in characters[:8]) + more


def scripts_in(text: str) -> list[str]:
    """Those of `SCRIPTS` that a text has letters of, the most frequent first; without ""."""
    used = Counter(_BEYOND_LATIN.findall(text))
    found = Counter(
        {
            script: sum(count for char, count in used.items() if ord(char) in _letters(script))
            for script in SCRIPTS[1:]
        }
    )
    return [script for script, count in found.most_common() if count]


def page_font(script: str) -> tuple[str, bytes]:
    """What a page needs to show one of `SCRIPTS` other than "": a CSS ``unicode-range``, and a WOFF2
    font of all weights.

    Letters of Latin are not in the range: they stay in the font of the page.
    """
    codes = sorted(_own(script) | (_characters(noto(script).file) & _JOINING))
    # Neighbours differ from their place in the row by the same.
    runs = (list(run) for _, run in groupby(enumerate(codes), lambda one: one[1] - one[0]))
    ranges = ",".join(f"U+{run[0][1]:X}-{run[-1][1]:X}" for run in runs)
    return ranges, noto(script).path.with_suffix(".woff2").read_bytes()


def invisible(char: str) -> bool:
    """Whether a character needs no font: a space, a control, a joiner or a variation selector."""
    return (
        char.isspace() or unicodedata.category(char) in ("Cc", "Cf") or "\ufe00" <= char <= "\ufe0f"
    )


@cache
def _own(script: str) -> frozenset[int]:
    """The characters of a script's font that Latin has not."""
    return _characters(noto(script).file) - _characters(noto("").file)


@cache
def _letters(script: str) -> frozenset[int]:
    """The characters that tell a script from others, which may share its digits and marks."""
    rest = (_own(other) for other in SCRIPTS[1:] if other != script)
    return _own(script).difference(*rest)


@cache
def _ranges() -> dict[str, str]:
    found: dict[str, str] = json.loads((_FOLDER / "characters.json").read_text("utf-8"))
    return found


@cache
def _characters(file: str) -> frozenset[int]:
    ends = (part.split("-") for part in _ranges()[file].split())
    return frozenset(code for end in ends for code in range(int(end[0], 16), int(end[-1], 16) + 1))


def with_fonts(page: str, most: int = MAX_PAGE_BYTES) -> str:
    """The page with a font for each script beyond Latin that is in it.

    All are weights of one family ``Scripts`` and take only characters of their scripts. Chinese,
    Japanese and Korean have none: theirs are larger than a page may be.

    Args:
        page: Its text.
        most: Bytes that it may have with them.
    """
    room = most - len(page.encode(errors="surrogatepass"))  # a receipt may have broken text
    rules = []
    for script in scripts_in(page):
        rule = _rule(script)
        if len(rule) <= room:
            room -= len(rule)
            rules.append(rule)
    return page.replace(PLACE, "\n".join(rules), 1)


def _rule(script: str) -> str:
    characters, data = page_font(script)
    return (
        f"/* Noto Sans {script}, under the SIL Open Font License 1.1 */\n"
        f'@font-face {{ font-family: "Scripts"; font-weight: 100 900; unicode-range: {characters};'
        f' src: url(data:font/woff2;base64,{base64.b64encode(data).decode()}) format("woff2"); }}'
    )
