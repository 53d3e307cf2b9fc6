"""Several pictures in one frame."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers.collage import collage

pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (400, 400)])
@pytest.mark.parametrize(
    "shapes", [[(16, 9)] * 3, [(1, 1), (9, 16)], [(4, 3)] * 6, [(8, 1), (1, 8)]]
)
def test_pictures_together_are_all_seen_nearly_whole(
    shapes: list[tuple[int, int]], size: tuple[int, int]
) -> None:
    """Each picture is one colour with a border of another, which must stay visible."""
    pictures = []
    for index, (width, height) in enumerate(shapes):
        picture = Image.new("RGB", (width * 40, height * 40), (255, 0, 40 * index))
        inner = width * 40 - 2 * width, height * 40 - 2 * height
        picture.paste((0, 255, 40 * index), (width, height, width + inner[0], height + inner[1]))
        pictures.append(picture)
    pixels = np.asarray(collage(pictures, size), int)
    for index in range(len(shapes)):
        seen = np.abs(pixels - (0, 255, 40 * index)).sum(axis=2) < 30
        assert seen.mean() > 0.02
        border = np.abs(pixels - (255, 0, 40 * index)).sum(axis=2) < 60
        assert border.any() or 8 in shapes[index]  # two sides at least are whole
