"""Requested size, duration and format."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.request import Kind, RenderRequest


def order(category: Kind = "image", **params: Any) -> RenderRequest:
    return RenderRequest("any", category, "a lamp", params)


@pytest.mark.parametrize(
    ("params", "ratio"),
    [
        ({"aspect_ratio": "9:16"}, Fraction(9, 16)),
        ({"aspectRatio": "21:9"}, Fraction(7, 3)),
        ({"imageSize": "5:4"}, Fraction(5, 4)),
        ({"size": "2:3"}, Fraction(2, 3)),
        ({"image_size": "square_hd"}, Fraction(1)),
        ({"image_size": "portrait_16_9"}, Fraction(9, 16)),
        ({"image_size": "landscape_4_3"}, Fraction(4, 3)),
        ({"image_size": "portrait_3_2"}, Fraction(2, 3)),
        ({"aspect_ratio": "portrait"}, Fraction(9, 16)),
        ({"aspect_ratio": "landscape", "size": "high"}, Fraction(16, 9)),
        ({"aspect_ratio": "auto"}, None),
        ({"aspectRatio": "Auto"}, None),
        ({"aspect_ratio": "adaptive"}, None),
        ({"aspect_ratio": "0:9"}, None),
        ({}, None),
    ],
)
def test_every_spelling_of_an_aspect_ratio_is_read(
    params: dict[str, Any], ratio: Fraction | None
) -> None:
    assert frame.asked_ratio(order(**params)) == ratio


def test_a_still_has_about_a_megapixel_and_grows_with_resolution() -> None:
    width, height = frame.picture_size(order(), Fraction(9, 16))
    assert abs(width * height - 1024 * 1024) < 30_000
    assert abs(width / height - 9 / 16) < 0.01
    assert frame.picture_size(order(resolution="4K"), Fraction(1)) == (2048, 2048)
    assert max(frame.picture_size(order(image_resolution="4K"), Fraction(8))) == 2048


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        (Fraction(9, 16), "720p", (720, 1280)),
        (Fraction(16, 9), "1080p", (1920, 1080)),
        (Fraction(1), "720p", (720, 720)),
        (Fraction(21, 9), "720p", (1280, 548)),
        (Fraction(16, 9), "480p", (854, 480)),
        (Fraction(16, 9), "580p", (1032, 580)),
        (Fraction(16, 9), "768P", (1366, 768)),
    ],
)
def test_a_film_has_even_sides(ratio: Fraction, resolution: str, size: tuple[int, int]) -> None:
    assert frame.film_size(order("video", resolution=resolution), ratio) == size


def test_the_quality_of_a_film_is_its_lines() -> None:
    assert frame.film_size(order("video", quality="1080p"), Fraction(16, 9)) == (1920, 1080)


@pytest.mark.parametrize(
    ("params", "seconds"),
    [({}, 5.0), ({"duration": "10"}, 10.0), ({"n_frames": "15"}, 15.0), ({"duration": 6}, 6.0),
     ({"duration": "1e9"}, 30.0), ({"duration": "nan"}, 5.0), ({"duration": True}, 5.0)],
)  # fmt: skip
def test_a_film_has_the_requested_duration(params: dict[str, Any], seconds: float) -> None:
    assert frame.film_seconds(order("video", **params)) == seconds
