"""A comic strip: panels that show one thing from different distances, with speech in bubbles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from rivya_sandbox.renderers.arrangement import below_title
from rivya_sandbox.renderers.colour import shift_colour, to_bytes
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.lettering import fitted_mask

Painter = Callable[[Idea, tuple[int, int], np.random.Generator], Image.Image]
Box = tuple[int, int, int, int]

_BLACK, _WHITE = (18, 16, 26), (255, 255, 255)
_ZOOMS = (1.0, 1.45, 1.2, 1.7)  # magnification of each panel
_CRIES = ("Hm?", "Aha!", "Yes!", "Wow!")
_TALK = frozenset(["speech", "bubble", "bubbles", "dialogue", "talking", "says", "saying"])


def as_strip(
    idea: Idea, size: tuple[int, int], rng: np.random.Generator, paint: Painter
) -> Image.Image:
    """An RGB picture of `size` pixels with three or four panels; a title has room above them.

    Args:
        idea: With a subject.
        size: Width and height.
        rng: Varies the panels.
        paint: Draws one panel without letters.
    """
    sheet = Image.new("RGB", size, to_bytes(idea.palette[4]))
    draw = ImageDraw.Draw(sheet)
    line = max(2, min(size) // 190)
    for index, box in enumerate(_panels(idea, size)):
        wide, tall = box[2] - box[0], box[3] - box[1]
        # The layouts of single pictures would each bring their own background.
        paper = (None, idea.palette[3], shift_colour(idea.palette[6], 0.12, 0.7))[index % 3]
        panel = replace(idea, title=None, layout="poster", ground=paper)
        picture = paint(panel, (wide, tall), rng)
        if index == 2:  # mirrored
            picture = ImageOps.mirror(picture)
        sheet.paste(_nearer(picture, _ZOOMS[index]), box[:2])
        draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=_BLACK, width=line * 2)
        if _TALK & set(idea.words) and index % 2 == 0:
            _speak(sheet, _CRIES[(idea.seed + index) % len(_CRIES)], box, line)
    return sheet


def _panels(idea: Idea, size: tuple[int, int]) -> list[Box]:
    """Three beside each other in wide formats, one above another in tall ones, else two by two."""
    width, height = size
    gap = max(4, min(size) // 45)
    top = int(height * below_title(idea, size)) if idea.title else gap
    columns, rows = (3, 1) if width > 1.4 * height else (1, 3) if height > 1.4 * width else (2, 2)
    wide, tall = (width - gap * (columns + 1)) // columns, (height - top - gap * rows) // rows
    return [
        (x, y, x + wide, y + tall)
        for y in (top + row * (tall + gap) for row in range(rows))
        for x in (gap + column * (wide + gap) for column in range(columns))
    ]


def _nearer(picture: Image.Image, zoom: float) -> Image.Image:
    """The picture around its thing, enlarged."""
    width, height = picture.size
    left, top = width * (1 - 1 / zoom) / 2, height * (1 - 1 / zoom) * 0.62
    box = (left, top, left + width / zoom, top + height / zoom)
    return picture.resize(picture.size, Image.Resampling.BICUBIC, box)


def _speak(sheet: Image.Image, cry: str, panel: Box, line: int) -> None:
    """A bubble in the upper left corner of the panel that points at its centre."""
    wide, tall = panel[2] - panel[0], panel[3] - panel[1]
    across, down = min(wide * 0.40, tall * 0.55), min(wide * 0.24, tall * 0.22)
    left, top = panel[0] + wide * 0.06, panel[1] + tall * 0.05
    box = (left, top, left + across, top + down)
    x, y = left + across * 0.58, top + down * 0.88
    tail = [(x, y), (x + across * 0.24, y - down * 0.08), (x + across * 0.30, y + down * 0.62)]
    draw = ImageDraw.Draw(sheet)
    draw.line([*tail, tail[0]], _BLACK, line * 3, "curve")
    draw.ellipse(box, _WHITE, _BLACK, line * 2)
    draw.polygon(tail, _WHITE)
    mask = fitted_mask(cry, "black", across * 0.66, down * 0.42)
    at = int(left + (across - mask.width) / 2), int(top + (down - mask.height) / 2)
    sheet.paste(_BLACK, at, mask)
