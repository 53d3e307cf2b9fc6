"""A title on a picture, and the mark that tells it from a real one."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from rivya_flows.sandbox.renderers.colour import brightness, to_bytes
from rivya_flows.sandbox.renderers.field import Field
from rivya_flows.sandbox.renderers.lettering import STYLES, fitted_mask, line_mask, spaced

MARK = "sandbox rendering"
_MARGIN = 0.09  # of the width and height; a film's camera moves in by less


def set_title(
    picture: Image.Image,
    title: str,
    palette: tuple[Field, ...],
    rng: np.random.Generator,
    *,
    glow: Field | None = None,
    low: bool = False,
) -> None:
    """Letters `title` in the upper part of `picture`, dark on light or light on dark.

    Args:
        picture: Mode RGB; changed in place.
        title: One line; parts in scripts without a bundled font are left out.
        palette: The darkest or the lightest colour becomes the ink.
        rng: Chooses the letters.
        glow: Display colour that shines round the letters, as of a neon sign, or None.
        low: True sets it in the lower part, where a picture of ours has no title yet.
    """
    width, height = picture.size
    style = STYLES[int(rng.integers(len(STYLES)))]
    text = spaced(title) if style in ("display", "sans") and len(title) <= 10 else title
    text = text.upper() if style == "black" and title.isascii() else text
    widest = width * (1 - 2 * _MARGIN)
    mask = fitted_mask(text, style, widest, _tallest(width, height))
    if mask.size == (1, 1):
        return
    x, y = (width - mask.width) // 2, int(height * _MARGIN)
    y = height - y - mask.height if low else y
    behind = picture.crop((x, y, x + mask.width, y + mask.height)).resize(
        (8, 4), Image.Resampling.BOX
    )
    tones = np.asarray(behind, np.float32).reshape(-1, 3) / np.float32(255)
    level = float(np.mean([brightness(tone) for tone in tones]))
    light_ink = level < 0.52 or glow is not None
    ink = palette[4] if light_ink else palette[0]
    _halo(picture, mask, (x, y), glow, light_ink)
    picture.paste(to_bytes(ink), (x, y), mask)


def titled_height(size: tuple[int, int]) -> float:
    """Share of the picture's height, from the top, that a title takes with its margin."""
    width, height = size
    return _MARGIN + _tallest(width, height) / height + 0.02


def _tallest(width: int, height: int) -> float:
    return min(height * 0.13, width * 0.20)


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


def set_mark(picture: Image.Image) -> None:
    """Writes `MARK` into the lower right corner of `picture`, small but readable."""
    pill, letters, at = mark_masks(picture.size)
    picture.paste((0, 0, 0), at, pill)
    picture.paste((255, 255, 255), at, letters)


def mark_masks(size: tuple[int, int]) -> tuple[Image.Image, Image.Image, tuple[int, int]]:
    """The mark for a picture of `size`: mode-L masks of ground and letters, and their corner.

    All numbers are even, so that the masks also fit the half-size planes of a film.
    """
    width, height = size
    em = max(11, round(min(width, height) * 0.019))
    text = line_mask(MARK, "sans", em)
    pad = round(em * 0.55)
    box = (text.width + 2 * pad + 1) // 2 * 2, (text.height + 2 * pad + 1) // 2 * 2
    pill = Image.new("L", box, 0)
    ImageDraw.Draw(pill).rounded_rectangle((0, 0, box[0] - 1, box[1] - 1), box[1] // 2, fill=120)
    letters = Image.new("L", box, 0)
    letters.paste(text.point(lambda value: value * 225 // 255), (pad, pad))
    at = (width - box[0] - pad) // 2 * 2, (height - box[1] - pad) // 2 * 2
    return pill, letters, (max(0, at[0]), max(0, at[1]))


def without_mark(picture: Image.Image) -> Image.Image:
    """A picture of ours with its corner filled from the rows above and below the mark."""
    pill, _, (x, y) = mark_masks(picture.size)
    pixels = np.asarray(picture, np.float32).copy()
    above, below = max(0, y - 2), min(picture.height - 1, y + pill.height + 1)
    columns = slice(x, min(picture.width, x + pill.width))
    share = np.linspace(0, 1, below - above + 1, dtype=np.float32)[:, None, None]
    first, last = pixels[above, columns][None], pixels[below, columns][None]
    pixels[above : below + 1, columns] = first * (1 - share) + last * share
    return Image.fromarray(pixels.astype(np.uint8))
