"""Lines of text as masks, in every script that the bundled fonts have."""

from __future__ import annotations

import io
import re
import threading
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

import resvg_py
from PIL import Image, ImageDraw, ImageFont

from rivya_cut.fonts import path_of

_EMOJI = "NotoEmoji[wght].ttf"

# Style: file, value of its weight axis (None for a font without axes).
_FILES: dict[str, tuple[str, int | None]] = {
    "sans": ("Poppins-SemiBold.ttf", None),
    "black": ("Poppins-Black.ttf", None),
    "light": ("Poppins-Light.ttf", None),
    "serif": ("PlayfairDisplay[wght].ttf", 700),
    "display": ("BebasNeue-Regular.ttf", None),
    "grotesk": ("SpaceGrotesk[wght].ttf", 600),
    "emoji": (_EMOJI, 430),
}
STYLES = ("serif", "display", "sans", "grotesk", "black")

# First and last code point, and the font that has them.
_SCRIPTS = (
    (0x0370, 0x052F, "NotoSans"),
    (0x0530, 0x058F, "NotoSansArmenian"),
    (0x0590, 0x05FF, "NotoSansHebrew"),
    (0x0600, 0x06FF, "NotoSansArabic"),
    (0x0900, 0x097F, "NotoSansDevanagari"),
    (0x0980, 0x09FF, "NotoSansBengali"),
    (0x0A00, 0x0A7F, "NotoSansGurmukhi"),
    (0x0A80, 0x0AFF, "NotoSansGujarati"),
    (0x0B00, 0x0B7F, "NotoSansOriya"),
    (0x0B80, 0x0BFF, "NotoSansTamil"),
    (0x0C00, 0x0C7F, "NotoSansTelugu"),
    (0x0C80, 0x0CFF, "NotoSansKannada"),
    (0x0D00, 0x0D7F, "NotoSansMalayalam"),
    (0x0D80, 0x0DFF, "NotoSansSinhala"),
    (0x0E00, 0x0E7F, "NotoSansThai"),
    (0x0E80, 0x0EFF, "NotoSansLao"),
    (0x1000, 0x109F, "NotoSansMyanmar"),
    (0x10A0, 0x10FF, "NotoSansGeorgian"),
    (0x1200, 0x137F, "NotoSansEthiopic"),
    (0x1780, 0x17FF, "NotoSansKhmer"),
)
_EMPTY = Image.new("L", (1, 1), 0)
_drawing = threading.Lock()  # a font face must not draw in two threads at once


def line_mask(text: str, style: str, size: int) -> Image.Image:
    """A tight mode-L mask of one line of text, `size` pixels to the em.

    Args:
        text: One line. Words in a script without a bundled font are left out.
        style: One of `STYLES`, or ``light``; other scripts than Latin have one style, bold.
        size: At least 1.

    Returns:
        The mask, 1 by 1 pixel and black when nothing can be drawn.
    """
    text = "".join(
        char for char in text if char.isspace() or char in "\u200c\u200d" or _drawable(char)
    )
    text = re.sub(r"[\t\r\n\v\f]+", " ", text).strip()
    if not text:
        return _EMPTY
    if any(_script_font(char) for char in text):
        return _shape_text(text, size)
    return _latin(text, style, size)


def fitted_mask(text: str, style: str, width: float, height: float) -> Image.Image:
    """As `line_mask`, as large as fits into `width` by `height` pixels."""
    trial = line_mask(text, style, 64)
    size = 64 * min(width / trial.width, height / trial.height)
    return line_mask(text, style, max(8, int(size)))


def glyph_mask(character: str, size: int) -> Image.Image:
    """A tight mode-L mask of an outline emoji; 1 by 1 pixel when the font lacks it."""
    return _latin(character, "emoji", size) if _in_emoji_font(character) else _EMPTY


def space_capitals(text: str) -> str:
    """Capitals set wide, as posters set short names; other scripts than Latin stay as they are."""
    words = [" ".join(word) for word in text.upper().split()]
    return "   ".join(words) if text.isascii() else text


@lru_cache(maxsize=256)
def _latin(text: str, style: str, size: int) -> Image.Image:
    with _drawing:
        font = _font(style, size)
        left, top, right, bottom = (int(side) for side in font.getbbox(text))
        mask = Image.new("L", (max(1, right - left), max(1, bottom - top)), 0)
        ImageDraw.Draw(mask).text((-left, -top), text, font=font, fill=255)
    return mask


@lru_cache(maxsize=128)
def _shape_text(text: str, size: int) -> Image.Image:
    # Pillow's wheels shape complex scripts only where the system has FriBiDi; resvg carries
    # its own shaper and its own bidirectional algorithm.
    families = list(dict.fromkeys(filter(None, map(_script_font, text)))) or ["NotoSans"]
    names = dict.fromkeys([*families, "NotoSans"])
    files = [str(path_of(f"{name}[wght].ttf")) for name in names]
    named = [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", family) for family in families]
    width, height = int(size * (len(text) * 1.25 + 2)), int(size * 2.6)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<text x="{width / 2}" y="{size * 1.5:.0f}" text-anchor="middle" font-weight="700" '
        f'font-family="{", ".join(named)}, Noto Sans" font-size="{size}" fill="#fff">'
        f"{escape(text)}</text></svg>"
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, font_files=files, skip_system_fonts=True)
    mask = Image.open(io.BytesIO(bytes(png))).getchannel("A")
    box = mask.getbbox()
    return mask.crop(box) if box else _EMPTY


@lru_cache(maxsize=64)
def _font(style: str, size: int) -> ImageFont.FreeTypeFont:
    file, weight = _FILES[style]
    path = Path(__file__).parent / "fonts" / file if file == _EMOJI else path_of(file)
    font = ImageFont.truetype(str(path), size)
    if weight is not None:
        font.set_variation_by_axes([weight])
    return font


def _script_font(char: str) -> str | None:
    code = ord(char)
    return next((font for first, last, font in _SCRIPTS if first <= code <= last), None)


def _drawable(char: str) -> bool:
    # Latin with its accents and general punctuation; no emoji, no CJK: those would be boxes.
    return 0x20 <= ord(char) < 0x250 or 0x2010 <= ord(char) <= 0x2044 or bool(_script_font(char))


@lru_cache(maxsize=1024)
def _in_emoji_font(character: str) -> bool:
    with _drawing:
        font = _font("emoji", 32)
        return bytes(font.getmask(character)) != bytes(font.getmask("\U0010fffe"))
