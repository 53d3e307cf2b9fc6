"""A title on a picture, above the subject or beside it."""

from __future__ import annotations

import math
import re
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from rivya_sandbox.renderers.colour import brightness, to_bytes
from rivya_sandbox.renderers.field import Field
from rivya_sandbox.renderers.lettering import STYLES, line_mask, space_capitals

Where = Literal["top", "left", "low"]

_MARGIN = 0.09  # of the width and height; larger than any camera move
_WIDE = 1.45  # width over height, from which on a title may stand beside the thing
_LEADING = 0.28  # of a line's height, between two lines
_EMS = (9.5, 15.0)  # length of a line before the title is broken, in upright and wide formats
_EMS_BESIDE = 6.5  # the same for a title that stands beside the thing
_STACKED = (1.0, 1.75, 2.25)  # height of one, two and three lines over that of the tallest one


def set_title(
    picture: Image.Image,
    title: str,
    palette: tuple[Field, ...],
    rng: np.random.Generator,
    *,
    where: Where = "top",
    glow: Field | None = None,
) -> None:
    """Letters `title` on `picture`, dark on light or light on dark.

    Args:
        picture: Mode RGB; changed in place.
        title: Parts in scripts without a bundled font are left out.
        palette: The darkest or the lightest colour becomes the ink.
        rng: Chooses the letters.
        where: Up to three lines at the top or low, or up to four in the left half.
        glow: Display colour of a glow around the letters, as of a neon sign, or None.
    """
    width, height = picture.size
    style = STYLES[int(rng.integers(len(STYLES)))]
    if where == "left":
        lines = _set(title, style, _break_title(title, _EMS_BESIDE, 4))
        mask = _block(lines, style, width * 0.39, height * 0.52, centred=False)
        x, y = int(width * _MARGIN), int(height * 0.44 - mask.height / 2)
    else:
        lines = _set(title, style, _lines(title, picture.size))
        tall = _tallest(width, height) * _STACKED[len(lines) - 1]
        mask = _block(lines, style, width * (1 - 2 * _MARGIN), tall, centred=True)
        x, y = (width - mask.width) // 2, int(height * _MARGIN)
        y = height - y - mask.height if where == "low" else y
    if mask.getbbox() is None:
        return
    tones = _tones(picture, mask, (x, y))
    light_ink = glow is not None or _stands_out(tones, palette[4]) > _stands_out(tones, palette[0])
    ink = palette[4 if light_ink else 0]
    _halo(picture, mask, (x, y), glow, light_ink, _stands_out(tones, ink))
    picture.paste(to_bytes(ink), (x, y), mask)


def stands_beside(size: tuple[int, int]) -> bool:
    """Whether the format is so wide that a title reads best beside the subject."""
    return size[0] / size[1] >= _WIDE


def titled_height(size: tuple[int, int], title: str) -> float:
    """Share of the picture's height, from the top, that a title there takes with its margin."""
    width, height = size
    tall = _tallest(width, height) * _STACKED[len(_lines(title, size)) - 1]
    return _MARGIN + tall / height + 0.02


def _tallest(width: int, height: int) -> float:
    return min(height * 0.13, width * 0.20)


def _lines(title: str, size: tuple[int, int]) -> list[str]:
    return _break_title(title, _EMS[stands_beside(size)], len(_STACKED))


def _set(title: str, style: str, lines: list[str]) -> list[str]:
    """The lines of a title in the case of the style.

    Capitals are wider, but breaking the title again would make it higher than `titled_height`,
    over the subject.
    """
    if not title.isascii():
        return lines
    if style in ("display", "sans") and len(title) <= 10:
        return [space_capitals(title)]
    return [line.upper() for line in lines] if style == "black" else lines


def _break_title(title: str, ems: float, most: int) -> list[str]:
    """The title in at most `most` lines of similar length, one for every `ems` of its length."""
    words = title.split()
    # Measured in one style, so that all styles of a title have the same lines.
    count = min(most, len(words), math.ceil(line_mask(title, "sans", 64).width / 64 / ems))
    if count <= 1:
        return [title]
    sentences = re.split(r"(?<=[.!?:।])\s+", title)
    if 1 < len(sentences) <= count and max(map(len, sentences)) < 1.4 * len(title) / count:
        return sentences
    for room in range(max(map(len, words)), len(title) + 1):
        lines = [words[0]]
        for word in words[1:]:
            if len(lines[-1]) + 1 + len(word) <= room:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        if len(lines) <= count:
            return lines
    return [title]


def _block(
    lines: list[str], style: str, width: float, height: float, *, centred: bool
) -> Image.Image:
    """A mask of these lines, as large as fits."""
    trial = [line_mask(line, style, 64) for line in lines]
    tallest = max(mask.height for mask in trial)
    whole = tallest * (len(lines) + _LEADING * (len(lines) - 1))
    scale = min(width / max(mask.width for mask in trial), height / whole)
    if not centred:  # one short line would be as tall as the block
        scale = min(scale, height * 0.5 / tallest)
    masks = [line_mask(line, style, max(8, int(64 * scale))) for line in lines]
    # Lines are as high as their letters; equal steps keep an even rhythm.
    step = int(max(mask.height for mask in masks) * (1 + _LEADING))
    wide = max(mask.width for mask in masks)
    block = Image.new("L", (wide, step * (len(masks) - 1) + masks[-1].height), 0)
    for index, mask in enumerate(masks):
        block.paste(mask, ((wide - mask.width) // 2 if centred else 0, index * step))
    return block


def _tones(picture: Image.Image, mask: Image.Image, at: tuple[int, int]) -> Field:
    """Brightness, 0 to 1, of small parts of the picture below the mask."""
    box = (at[0], at[1], at[0] + mask.width, at[1] + mask.height)
    behind = picture.crop(box).convert("L").resize((24, 6), Image.Resampling.BOX)
    return np.asarray(behind, np.float32) / np.float32(255)


def _stands_out(tones: Field, ink: Field) -> float:
    """The contrast of an ink with its background, 0 to 1; the worst tenth counts half."""
    return float(np.percentile(np.abs(tones - np.float32(brightness(ink))), (10, 50)).mean())


def _halo(
    picture: Image.Image,
    mask: Image.Image,
    at: tuple[int, int],
    glow: Field | None,
    light_ink: bool,
    contrast: float,
) -> None:
    """A soft ground behind the letters, so that they can be read on any picture."""
    line = min(mask.height, picture.height * 0.13)
    reach = max(3, int(line / (3 if glow is not None else 5)))
    wide = Image.new("L", (mask.width + 6 * reach, mask.height + 6 * reach), 0)
    wide.paste(mask, (3 * reach, 3 * reach))
    colour = to_bytes(glow) if glow is not None else (0, 0, 0) if light_ink else (255, 255, 255)
    strength = 1.7 if glow is not None else 0.42 if light_ink else 0.22
    strength += 2.2 * max(0.0, 0.42 - contrast)  # the less the ink stands out, the more
    soft = wide.filter(ImageFilter.GaussianBlur(reach)).point(
        lambda value: min(235, int(value * strength))
    )
    picture.paste(colour, (at[0] - 3 * reach, at[1] - 3 * reach), soft)
