"""Stills: size, format, variants and subjects."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter

from rivya_sandbox.renderers.field import seeded
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.still import draw, staged

pytestmark = pytest.mark.usefixtures("small_pictures")

SMALL = 192, 256


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


def difference(first: Image.Image, second: Image.Image) -> float:
    """Mean difference of two pictures of one size, 0 to 255."""
    return float(np.asarray(ImageChops.difference(first, second)).mean())


@pytest.mark.parametrize(
    ("params", "format_name", "ratio"),
    [
        ({"aspect_ratio": "9:16"}, "PNG", 9 / 16),
        ({"aspect_ratio": "8:1", "output_format": "jpg"}, "JPEG", 8),
        ({"imageSize": "1:8", "output_format": "webp"}, "WEBP", 1 / 8),
    ],
)
def test_a_still_has_the_requested_format_and_ratio(
    params: dict[str, Any], format_name: str, ratio: float
) -> None:
    (result,) = render(RenderRequest("z-image", "image", "A red sneaker", params, seed=3))
    picture = opened(result.data)
    assert picture.format == format_name
    assert picture.width / picture.height == pytest.approx(ratio, rel=0.05)  # steps of 8 pixels


def test_neighbouring_seeds_and_styles_differ_at_a_glance() -> None:
    pictures = [draw("Aurora perfume bottle", seed, SMALL) for seed in range(3)]
    pictures += [draw(f"Aurora bottle, {look}", 0, SMALL) for look in ("neon", "watercolor")]
    for index, picture in enumerate(pictures):
        assert all(difference(picture, other) > 12 for other in pictures[index + 1 :])


def test_low_things_fill_an_upright_format_as_tall_ones_do() -> None:
    ground = np.asarray(draw("on a white background", 1, (180, 320)).convert("L"), float)
    assert ground.std() > 0  # a place of its own
    for thing in ("jar", "bottle"):
        picture = np.asarray(draw(f"red {thing} on a white background", 1, (180, 320)), float)
        red = (picture[..., 0] - picture[..., 1] > 60).any(axis=0)
        assert 0.35 < red.mean() < 0.75


@pytest.mark.parametrize("place", ["on a white background", "on a beach", "neon"])
def test_a_thing_in_a_story_stands_above_the_captions(place: str) -> None:
    idea = imagine(f"A jar {place}", 1)
    ground = staged(idea, (180, 320), seeded("stage")).ground
    assert ground is not None
    assert 0.6 < ground < 0.7


@pytest.mark.parametrize(
    ("thing", "size", "share"), [("cup", (320, 180), 81 / 256), ("bottle", (180, 240), 3 / 4)]
)
def test_between_wide_margins_a_thing_fits_into_a_cut_of_another_shape(
    thing: str, size: tuple[int, int], share: float
) -> None:
    prompt = f"red {thing} on a white background, with wide margins"
    for seed in range(4):
        picture = np.asarray(draw(prompt, seed, size), float)
        red = picture[..., 0] - picture[..., 1] > 60
        assert 0.3 < red.any(axis=int(size[0] < size[1])).mean() / share < 0.9


def test_snow_falls_behind_a_thing_whose_label_stays_legible() -> None:
    for seed in range(2):
        picture = draw("A red apple in a snowy forest", seed, (256, 256))
        pixels, grey = np.asarray(picture, float), picture.convert("L")
        red = Image.fromarray(pixels[..., 0] - pixels[..., 1] > 60).convert("L")
        inside = red.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.MinFilter(21))
        specks = ImageChops.subtract(grey, grey.filter(ImageFilter.MedianFilter(7)))
        assert (np.asarray(specks)[np.asarray(inside) > 0] > 30).sum() < 60
