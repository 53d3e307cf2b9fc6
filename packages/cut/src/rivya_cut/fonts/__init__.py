"""The fonts that text is drawn with, and which characters they have.

The files are unmodified releases under the SIL Open Font License 1.1, each with its licence beside it.
``fonttools ttLib.woff2 compress FILE.ttf`` made those of pages (``.woff2``), which hold the same font.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import uharfbuzz as hb

from rivya_client.errors import MediaError

_FOLDER = Path(__file__).parent
_STRONG, _LIGHT = 700, 400
_BEYOND_LATIN = re.compile(r"[^\0-\u036f]")
_JOINING = frozenset((0x200C, 0x200D, 0x25CC))  # joiners, and the circle under a lone mark

MAX_FONT_BYTES = 20 * 2**20
"""Of a font file that is given."""

MAX_PAGE_BYTES = 4_000_000
"""A page with all its fonts; those of the rarest scripts are left out beyond it."""

PLACE = "/* fonts */"
"""Where they go in the style of a page; before all text, which could contain the same."""


@dataclass(frozen=True)
class Face:
    """A font file in one weight, 100 to 900 as in CSS, which a font of one weight ignores."""

    path: Path
    weight: int = _LIGHT

    @property
    def colourful(self) -> bool:
        """Whether its characters are pictures."""
        return bool(open_font(self.path).has_color_paint)

    def has(self, characters: Iterable[str]) -> bool:
        """Whether the font draws all of these."""
        return all(ord(char) in _characters(self.path) for char in characters)


def _family(strong: str, light: str = "") -> tuple[Face, Face]:
    return Face(_FOLDER / strong, _STRONG), Face(_FOLDER / (light or strong), _LIGHT)


FAMILIES: dict[str, tuple[Face, Face]] = {
    "poppins": _family("Poppins-SemiBold.ttf", "Poppins-Light.ttf"),
    "playfair": _family("PlayfairDisplay[wght].ttf"),
    "bebas": _family("BebasNeue-Regular.ttf"),
    "grotesk": _family("SpaceGrotesk[wght].ttf"),
    "noto": _family("NotoSans[wght].ttf"),
}
"""The strong and the light face of each family that a brand may name."""

_WESTERN = {"poppins": frozenset("०१२३४५६७८९")}
"""Figures that a family draws in the shapes of 0 to 9: they would not be those of the text."""

SCRIPTS = (
    "", "Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi",
    "Hebrew", "Kannada", "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu",
    "Thai",
)  # fmt: skip
"""Scripts that have a Noto font of their own; "" is Latin, Greek and Cyrillic."""


_EAST = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_KANA, _HANGUL = re.compile("[\u3041-\u30ff]"), re.compile("[\u1100-\u11ff\uac00-\ud7ff]")
_EMOJI = _FOLDER / "NotoColorEmoji-Regular.ttf"


def path_of(file: str) -> Path:
    """A font file by its name."""
    return _FOLDER / file


def noto(script: str, *, strong: bool = True) -> Face:
    """The Noto face of one of `SCRIPTS`."""
    return Face(_FOLDER / f"NotoSans{script}[wght].ttf", _STRONG if strong else _LIGHT)


@cache
def open_font(path: Path) -> hb.Face:
    """The first font of a file.

    Raises:
        MediaError: It is no TrueType or OpenType font, or a larger one than `MAX_FONT_BYTES`.
    """
    hint = "give a TrueType or OpenType file (.ttf, .otf, .ttc)"
    try:
        if path.stat().st_size > MAX_FONT_BYTES:
            raise MediaError(f"{path}: a font of more than {MAX_FONT_BYTES >> 20} MB", hint)
        face = hb.Face(path.read_bytes())
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror or error}", hint) from error
    outlines = any(len(face.reference_table(tag)) for tag in ("glyf", "CFF ", "CFF2"))
    if not (outlines and face.unicodes and 16 <= face.upem <= 16_384):
        raise MediaError(f"{path}: not a font that can be read", hint)
    return face


def face_for(
    characters: str, family: str | Path, *, strong: bool = True, language: str | None = None
) -> Face | None:
    """The face that draws all of `characters`, joiners aside; None if none does.

    Args:
        characters: One or more that are drawn as one.
        family: One of `FAMILIES`, or the path of a font file.
        strong: Whether it is the bold one.
        language: Chooses the shapes of Chinese characters: `ja`, `ko`, `zh-Hant` and so on.
    """
    bare = [char for char in characters if not _joins(char)]
    emoji = Face(_EMOJI)
    asked = "\ufe0f" in characters and characters[0] > "\x7f"
    if (asked or "\u20e3" in characters) and emoji.has(bare):
        return emoji
    faces = _faces(family, strong=strong, language=language)
    if _WESTERN.get(str(family), frozenset()).intersection(characters):
        next(faces)
    return next((face for face in faces if face.has(bare)), None)


def language_of(text: str) -> str:
    """The language whose shapes the Chinese characters of a text have, by its other letters."""
    if _KANA.search(text):
        return "ja"
    return "ko" if _HANGUL.search(text) else "zh"


def missing_characters(text: str, family: str | Path = "noto") -> str:
    """The characters of a text that no font here draws, each once, in the order of the text.

    They are left out of pictures, and only there: a subtitle file has them.
    """
    drawn = dict.fromkeys(unicodedata.normalize("NFC", text))
    return "".join(one for one in drawn if not invisible(one) and not face_for(one, family))


def name_characters(characters: str) -> str:
    """Some missing characters, the first few, as a message names them."""
    more = f" and {len(characters) - 8} more" if len(characters) > 8 else ""
    named = ", ".join(f"{one!r}" for one in characters[:8]) + more
    return (
        f"{named} (the extra `cjk` has fonts for them)"
        if _EAST.search(characters) and not _east()
        else named
    )


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
    codes = sorted(_own(script) | (_characters(noto(script).path) & _JOINING))
    # Neighbours differ from their place in the row by the same.
    runs = (list(run) for _, run in groupby(enumerate(codes), lambda one: one[1] - one[0]))
    ranges = ",".join(f"U+{run[0][1]:X}-{run[-1][1]:X}" for run in runs)
    return ranges, noto(script).path.with_suffix(".woff2").read_bytes()


def invisible(char: str) -> bool:
    """Whether a character needs no font: a space, a control, a joiner or a variation selector."""
    return (
        char.isspace() or unicodedata.category(char) in ("Cc", "Cf") or "\ufe00" <= char <= "\ufe0f"
    )


def _faces(family: str | Path, *, strong: bool, language: str | None) -> Iterator[Face]:
    """All faces, the preferred ones first."""
    if isinstance(family, Path):
        yield Face(family, _STRONG if strong else _LIGHT)
    else:
        yield FAMILIES[family][0 if strong else 1]
    for script in SCRIPTS:
        yield noto(script, strong=strong)
    yield from (pair[0 if strong else 1] for pair in FAMILIES.values())
    first = _region(language or "")
    for region in sorted(_east(), key=lambda one: one != first):
        yield Face(_east()[region], _STRONG if strong else _LIGHT)
    yield Face(_EMOJI)


def _region(language: str) -> str:
    main, *rest = language.lower().replace("_", "-").split("-")
    if main == "zh":
        return "TC" if {"hant", "tw", "hk", "mo"}.intersection(rest) else "SC"
    return {"ja": "JP", "ko": "KR"}.get(main, "SC")


def _east() -> dict[str, Path]:
    """The fonts of Chinese, Japanese and Korean by their region, if the extra `cjk` is installed."""
    package = find_spec("justmytype_intl_cjk")
    folders = (
        [*package.submodule_search_locations]
        if package and package.submodule_search_locations
        else []
    )
    named = {
        region: Path(
            folder, "fonts", "ofl", f"notosans{region.lower()}", f"NotoSans{region}[wght].ttf"
        )
        for folder in folders[:1]
        for region in ("SC", "TC", "JP", "KR")
    }
    return {region: path for region, path in named.items() if path.is_file()}


def _joins(char: str) -> bool:
    """Whether it only chooses or joins the shapes beside it."""
    return char in "\u200c\u200d" or "\ufe00" <= char <= "\ufe0f"


@cache
def _own(script: str) -> frozenset[int]:
    """The characters of a script's font that Latin has not."""
    return _characters(noto(script).path) - _characters(noto("").path)


@cache
def _letters(script: str) -> frozenset[int]:
    """The characters that tell a script from others, which may share its digits and marks."""
    rest = (_own(other) for other in SCRIPTS[1:] if other != script)
    return _own(script).difference(*rest)


@cache
def _characters(path: Path) -> frozenset[int]:
    return frozenset(open_font(path).unicodes)


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
