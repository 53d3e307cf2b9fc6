"""Several pictures in one frame, as on a mood board: each nearly whole, none tiny."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from rivya_sandbox.renderers.references import crop_to

Box = tuple[float, float, float, float]  # left, top, right, bottom

_MOST_CUT = 1.18  # maximum stretch of a tile against its picture
_LONGEST = 2.4  # width over height, or the other way; banners and strips are cut to it
_UNEVEN = 0.35  # penalty of a small tile
_MARGIN = 0.10  # of the shorter side, both sides together
_GAP = 0.018  # of the shorter side, between tiles


@dataclass(frozen=True)
class _Layout:
    """Tiles in rows and columns.

    Attributes:
        aspect: Width over height at which every picture is whole.
        tiles: Boxes in shares of width and height, one for each picture in its order.
    """

    aspect: float
    tiles: tuple[Box, ...]


def collage(pictures: list[Image.Image], size: tuple[int, int], above: float = 0.0) -> Image.Image:
    """An RGB picture of `size` with all of `pictures`, at most six, on a ground in their tones.

    If no layout fills the frame, the background shows at two sides. A fraction `above` of the
    height stays free at the top, for a title.
    """
    width, height = size[0], size[1] * (1 - above)
    frame = width / height
    aspects = (picture.width / picture.height for picture in pictures)
    layout = _best([min(max(aspect, 1 / _LONGEST), _LONGEST) for aspect in aspects], frame)
    aspect = min(max(layout.aspect, frame / _MOST_CUT), frame * _MOST_CUT)
    # Stretched towards the frame as far as cropping allows; the rest is background.
    shape = frame if aspect == layout.aspect else layout.aspect * _towards(layout.aspect, frame)
    gap = min(size) * _GAP
    # Background at two sides implies a little at all four, so that no camera move cuts a tile.
    inset = gap if shape == frame else min(size) * _MARGIN
    room = width - inset, height - inset
    wide, tall = (room[0], room[0] / shape) if shape > frame else (room[1] * shape, room[1])
    if shape == frame:
        wide, tall = room
    left, top = (width - wide) / 2, size[1] * above + (height - tall) / 2
    sheet = _ground(pictures, size)
    boxes = [
        (
            round(left + wide * x0 + gap / 2),
            round(top + tall * y0 + gap / 2),
            round(left + wide * x1 - gap / 2),
            round(top + tall * y1 - gap / 2),
        )
        for x0, y0, x1, y1 in layout.tiles
    ]
    _cast_shadows(sheet, boxes, gap)
    for picture, (x0, y0, x1, y1) in zip(pictures, boxes, strict=True):
        sheet.paste(crop_to(picture, (max(8, x1 - x0), max(8, y1 - y0))), (x0, y0))
    return sheet


def _towards(aspect: float, frame: float) -> float:
    return 1 / _MOST_CUT if aspect > frame else _MOST_CUT


def _best(aspects: list[float], frame: float) -> _Layout:
    def badness(layout: _Layout) -> float:
        areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in layout.tiles]
        uneven = 1 - min(areas) * len(areas)
        return abs(math.log(layout.aspect / frame)) + _UNEVEN * uneven

    return min(_layouts(aspects), key=badness)


def _layouts(aspects: list[float]) -> Iterator[_Layout]:
    """Every way to cut a frame in two, again and again, that keeps the order of the pictures."""
    if len(aspects) == 1:
        yield _Layout(aspects[0], ((0.0, 0.0, 1.0, 1.0),))
        return
    for cut in range(1, len(aspects)):
        after = list(_layouts(aspects[cut:]))
        for first in _layouts(aspects[:cut]):
            for second in after:
                yield _beside(first, second)
                yield _above(first, second)


def _beside(first: _Layout, second: _Layout) -> _Layout:
    share = first.aspect / (first.aspect + second.aspect)
    left = ((x0 * share, y0, x1 * share, y1) for x0, y0, x1, y1 in first.tiles)
    right = (
        (share + x0 * (1 - share), y0, share + x1 * (1 - share), y1)
        for x0, y0, x1, y1 in second.tiles
    )
    return _Layout(first.aspect + second.aspect, (*left, *right))


def _above(first: _Layout, second: _Layout) -> _Layout:
    share = second.aspect / (first.aspect + second.aspect)
    upper = ((x0, y0 * share, x1, y1 * share) for x0, y0, x1, y1 in first.tiles)
    lower = (
        (x0, share + y0 * (1 - share), x1, share + y1 * (1 - share))
        for x0, y0, x1, y1 in second.tiles
    )
    aspect = 1 / (1 / first.aspect + 1 / second.aspect)
    return _Layout(aspect, (*upper, *lower))


def _ground(pictures: list[Image.Image], size: tuple[int, int]) -> Image.Image:
    """Paper in a light tone of the first picture above and of the last one below."""
    tones = [
        np.asarray(picture.resize((1, 1), Image.Resampling.BOX), np.float32)[0, 0]
        for picture in (pictures[0], pictures[-1])
    ]
    paper = [tone * np.float32(0.30) + np.float32(0.70 * 246) for tone in tones]
    down = np.linspace(0, 1, size[1], dtype=np.float32)[:, None, None]
    rows = paper[0] * (1 - down) + paper[1] * down
    pixels = np.broadcast_to(np.clip(rows, 0, 255).astype(np.uint8), (size[1], size[0], 3))
    return Image.fromarray(np.ascontiguousarray(pixels))


def _cast_shadows(sheet: Image.Image, boxes: list[tuple[int, int, int, int]], gap: float) -> None:
    scale = 4  # of a soft shadow a quarter of the pixels is enough
    mask = Image.new("L", (sheet.width // scale + 1, sheet.height // scale + 1), 0)
    for x0, y0, x1, y1 in boxes:
        down = gap * 0.35
        left, top, right, bottom = (int(side / scale) for side in (x0, y0 + down, x1, y1 + down))
        mask.paste(95, (left, top, right, bottom))
    soft = mask.filter(ImageFilter.GaussianBlur(max(1.0, gap * 0.5 / scale)))
    sheet.paste((20, 18, 24), (0, 0), soft.resize(sheet.size, Image.Resampling.BILINEAR))
