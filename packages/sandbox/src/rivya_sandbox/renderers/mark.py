"""The mark that distinguishes every picture of the sandbox from a real one."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from rivya_sandbox.renderers.lettering import line_mask

MARK = "sandbox rendering"


def set_mark(picture: Image.Image) -> None:
    """Writes `MARK` into the lower right corner of `picture`, small but readable."""
    pill, letters, at = mark_masks(picture.size)
    picture.paste((0, 0, 0), at, pill)
    picture.paste((255, 255, 255), at, letters)


def set_watermark(picture: Image.Image, text: str) -> None:
    """Writes `text` into the lower left corner of `picture`, as a request may ask."""
    pill, letters, at = mark_masks(picture.size, text)
    picture.paste((0, 0, 0), at, pill)
    picture.paste((255, 255, 255), at, letters)


def mark_masks(
    size: tuple[int, int], watermark: str | None = None
) -> tuple[Image.Image, Image.Image, tuple[int, int]]:
    """The mark for a picture of `size`: mode-L masks of ground and letters, and their corner.

    All numbers are even, so that the masks also fit the half-size planes of a film.

    Args:
        size: Of the picture, pixels.
        watermark: A text for the lower left corner instead, at most half the width; None gives
            the sandbox's own mark.
    """
    width, height = size
    em = max(11, round(min(width, height) * (0.019 if watermark is None else 0.026)))
    text = line_mask(watermark or MARK, "sans", em)
    if watermark and text.width > width // 2:
        text = text.crop((0, 0, width // 2, text.height))
    pad = round(em * 0.55)
    box = (text.width + 2 * pad + 1) // 2 * 2, (text.height + 2 * pad + 1) // 2 * 2
    pill = Image.new("L", box, 0)
    ImageDraw.Draw(pill).rounded_rectangle((0, 0, box[0] - 1, box[1] - 1), box[1] // 2, fill=120)
    letters = Image.new("L", box, 0)
    letters.paste(text.point(lambda value: value * 225 // 255), (pad, pad))
    left = pad if watermark else width - box[0] - pad
    at = left // 2 * 2, (height - box[1] - pad) // 2 * 2
    return pill, letters, (max(0, at[0]), max(0, at[1]))


def without_mark(picture: Image.Image) -> Image.Image:
    """A picture of the sandbox with the mark filled in from the rows around it."""
    pill, _, (x, y) = mark_masks(picture.size)
    pixels = np.asarray(picture, np.float32).copy()
    above, below = max(0, y - 2), min(picture.height - 1, y + pill.height + 1)
    columns = slice(x, min(picture.width, x + pill.width))
    share = np.linspace(0, 1, below - above + 1, dtype=np.float32)[:, None, None]
    first, last = pixels[above, columns][None], pixels[below, columns][None]
    pixels[above : below + 1, columns] = first * (1 - share) + last * share
    return Image.fromarray(pixels.astype(np.uint8))
