"""Colours that can be read on each other, by the contrast of WCAG 2."""

from __future__ import annotations

from PIL import Image, ImageStat

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
INK: Colour = (17, 18, 22)
READABLE = 4.5
"""Least contrast of text and its ground: WCAG 2.2, 1.4.3, level AA."""


def colour_of(code: str) -> Colour:
    """Of ``#rrggbb``."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def contrast(one: Colour, other: Colour) -> float:
    """1 for equal colours, up to 21 for black on white."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(ground: Colour) -> Colour:
    """White, or near-black or black where white cannot be read; one of them always can."""
    return WHITE if contrast(WHITE, ground) >= READABLE else readable(INK, ground)


def ground_of(colour: Colour) -> Colour:
    """Near-black or white, of which text in that colour is read better."""
    return INK if contrast(colour, INK) >= contrast(colour, WHITE) else WHITE


def readable(wanted: Colour, ground: Colour, least: float = READABLE) -> Colour:
    """The wanted colour, or as near to it as contrast allows."""
    end = max(((255, 255, 255), (0, 0, 0)), key=lambda end: contrast(end, ground))
    steps = (mix_colours(wanted, end, step / 10) for step in range(11))
    return next((one for one in steps if contrast(one, ground) >= least), end)


def mix_colours(one: Colour, other: Colour, share: float) -> Colour:
    """`share` 0 is `one`, 1 is `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def mean(image: Image.Image) -> Colour | None:
    """The mean colour of what is opaque in an RGBA picture; None if nothing is."""
    opaque = image.getchannel("A").point(lambda value: 255 if value > 127 else 0)
    if not opaque.getbbox():
        return None
    red, green, blue = map(round, ImageStat.Stat(image.convert("RGB"), opaque).mean)
    return red, green, blue


def _luminance(colour: Colour) -> float:
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
