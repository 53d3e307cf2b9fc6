"""PNG files as other decoders read them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers.png import png


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (63, 64), (65, 129), (300, 7)])
def test_pillow_reads_the_same_pixels(size: tuple[int, int]) -> None:
    height, width = size
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    with Image.open(io.BytesIO(png(pixels, "tests"))) as read:
        assert (read.format, read.mode, read.size) == ("PNG", "RGB", (width, height))
        assert read.info["Software"] == "tests"
        assert np.array_equal(np.asarray(read), pixels)


def test_equal_pixels_give_equal_bytes() -> None:
    pixels = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 64, 3))
    assert png(pixels, "tests") == png(pixels.copy(), "tests")
