"""A title on a picture, above the thing or beside it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from rivya_flows.sandbox.renderers.colour import brightness, to_bytes
from rivya_flows.sandbox.renderers.field import Field
from rivya_flows.sandbox.renderers.lettering import STYLES, fitted_mask, line_mask, spaced

Where = Literal["top", "left", "low"]

_MARGIN = 0.09  # of the width and height; a film's camera moves in by less
_WIDE = 1.45  # width over height, from which on a title may stand beside the thing
_LEADING = 0.28  # of a line's height, between two lines


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
        where: One line at the top or low, or up to three lines in the left half.
        glow: Display colour that shines round the letters, as of a neon sign, or None.
    """
    width, height = picture.size
    style = STYLES[int(rng.integers(len(STYLES)))]
    if where == "left":
        mask = _block(_cased(title, style), style, width * 0.42, height * 0.46)
        x, y = int(width * _MARGIN), int(height * 0.44 - mask.height / 2)
    else:
        widest = width * (1 - 2 * _MARGIN)
        mask = fitted_mask(_cased(title, style), style, widest, _tallest(width, height))
        x, y = (width - mask.width) // 2, int(height * _MARGIN)
        y = height - y - mask.height if where == "low" else y
    if mask.size == (1, 1):
        return
    light_ink = glow is not None or _brightness(picture, mask, (x, y)) < 0.58
    _halo(picture, mask, (x, y), glow, light_ink)
    picture.paste(to_bytes(palette[4 if light_ink else 0]), (x, y), mask)


def stands_beside(size: tuple[int, int]) -> bool:
    """True for formats so wide that a title reads best beside the thing."""
    return size[0] / size[1] >= _WIDE


def titled_height(size: tuple[int, int]) -> float:
    """Share of the picture's height, from the top, that a title there takes with its margin."""
    width, height = size
    return _MARGIN + _tallest(width, height) / height + 0.02


def _tallest(width: int, height: int) -> float:
    return min(height * 0.13, width * 0.20)


def _cased(title: str, style: str) -> str:
    if style in ("display", "sans") and len(title) <= 10:
        return spaced(title)
    return title.upper() if style == "black" and title.isascii() else title


def _block(title: str, style: str, width: float, height: float) -> Image.Image:
    """A mask of up to three lines, flush left, as large as fits."""
    words = title.split(" ") if len(title) > 12 and "  " not in title else [title]
    lines: list[str] = [words[0]]
    longest = max(max(map(len, words)), len(title) // min(3, len(words)) + 1)
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= longest:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    trial = [line_mask(line, style, 64) for line in lines]
    tallest = max(mask.height for mask in trial)
    whole = tallest * (len(lines) + _LEADING * (len(lines) - 1))
    scale = min(width / max(mask.width for mask in trial), height / whole, height * 0.5 / tallest)
    masks = [line_mask(line, style, max(8, int(64 * scale))) for line in lines]
    # Lines are as high as their letters; equal steps keep an even rhythm all the same.
    step = int(max(mask.height for mask in masks) * (1 + _LEADING))
    block = Image.new(
        "L", (max(mask.width for mask in masks), step * (len(masks) - 1) + masks[-1].height), 0
    )
    for index, mask in enumerate(masks):
        block.paste(mask, (0, index * step))
    return block


def _brightness(picture: Image.Image, mask: Image.Image, at: tuple[int, int]) -> float:
    """Of the picture where the mask will lie, 0 to 1."""
    box = (at[0], at[1], at[0] + mask.width, at[1] + mask.height)
    behind = picture.crop(box).resize((8, 4), Image.Resampling.BOX)
    tones = np.asarray(behind, np.float32).reshape(-1, 3) / np.float32(255)
    return float(np.mean([brightness(tone) for tone in tones]))


def _halo(
    picture: Image.Image,
    mask: Image.Image,
    at: tuple[int, int],
    glow: Field | None,
    light_ink: bool,
) -> None:
    """A soft ground behind the letters, so that they can be read on any picture."""
    reach = max(3, mask.height // (3 if glow is not None else 5))
    wide = Image.new("L", (mask.width + 6 * reach, mask.height + 6 * reach), 0)
    wide.paste(mask, (3 * reach, 3 * reach))
    colour = to_bytes(glow) if glow is not None else (0, 0, 0) if light_ink else (255, 255, 255)
    strength = 1.7 if glow is not None else 0.42 if light_ink else 0.22
    soft = wide.filter(ImageFilter.GaussianBlur(reach)).point(
        lambda value: min(235, int(value * strength))
    )
    picture.paste(colour, (at[0] - 3 * reach, at[1] - 3 * reach), soft)
