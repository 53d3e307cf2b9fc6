"""What is drawn on frames has the colours that it should have."""

from __future__ import annotations

from typing import Any

import pytest
from av import VideoFrame
from PIL import Image

from rivya_cut.rendering.planes import draw_stamps, frame_of_image, image_of, planes_of, stamp


def _pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def _near(pixel: tuple[int, ...], colour: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 4 for a, b in zip(pixel, colour, strict=True))


def _ground(colour: Any, size: tuple[int, int] = (32, 32)) -> VideoFrame:
    return frame_of_image(Image.new("RGB", size, colour))


@pytest.mark.parametrize("colour", [(230, 40, 60), (0, 0, 0), (255, 255, 255), (20, 90, 200)])
def test_colours_survive_the_way_through_a_frame(colour: tuple[int, int, int]) -> None:
    assert _near(_pixel(image_of(_ground(colour)), 5, 5), colour)


@pytest.mark.parametrize("corner", [(4, 4), (5, 7)])
def test_a_stamp_changes_its_box_alone_and_leaves_the_given_frame(corner: tuple[int, int]) -> None:
    ground = _ground((10, 200, 30), (40, 30))
    before = [plane.tobytes() for plane in planes_of(ground)]
    drawn = stamp(Image.new("RGBA", (9, 9), (250, 20, 20, 255)), *corner, (40, 30))
    assert drawn is not None
    seen = image_of(draw_stamps(ground, [drawn]))
    x, y = corner
    assert _near(_pixel(seen, x + 4, y + 4), (250, 20, 20))
    for outside in ((x - 3, y), (x + 12, y), (x, y - 3), (x, y + 12)):
        assert _near(_pixel(seen, *outside), (10, 200, 30))
    assert [plane.tobytes() for plane in planes_of(ground)] == before


def test_transparent_pixels_lend_no_colour_to_the_edge() -> None:
    # The transparent half is bright green; on a red ground nothing green may be seen.
    image = Image.new("RGBA", (16, 16), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 7, 16))
    drawn = stamp(image, 8, 8, (32, 32))
    assert drawn is not None
    seen = image_of(draw_stamps(_ground("red"), [drawn]))
    pixels = [_pixel(seen, x, y) for x in range(32) for y in range(32)]
    assert all(_near(pixel, (255, 0, 0)) for pixel in pixels)


def test_a_stamp_may_be_faded_and_is_cut_at_the_border_of_the_frame() -> None:
    white = Image.new("RGBA", (16, 16), "white")
    drawn, cut = stamp(white, 8, 8, (32, 32)), stamp(white, -9, 25, (32, 32))
    assert drawn is not None
    assert cut is not None
    seen = image_of(draw_stamps(_ground("black"), [drawn.with_opacity(0.5), cut]))
    assert _near(_pixel(seen, 16, 16), (127, 127, 127))
    assert _near(_pixel(seen, 2, 30), (255, 255, 255))
    assert stamp(white, 32, 0, (32, 32)) is None
    assert stamp(white, 0, -16, (32, 32)) is None
