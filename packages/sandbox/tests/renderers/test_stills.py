"""Stills as they are drawn: format, variants, looks, colours."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter

from rivya_sandbox.renderers.arrangement import below_title
from rivya_sandbox.renderers.field import seeded_generator
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.light import lit, unit
from rivya_sandbox.renderers.poster import poster
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.still import build_stage, draw

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
    ground = build_stage(idea, (180, 320), seeded_generator("stage")).ground
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


LOOKS = (
    *("studio", "neon", "watercolor", "pencil", "pixel", "comic", "noir"),
    *("retro", "poster", "street", "rain", "snow", "night"),
)
THINGS = ("lamp 'दीप'", "mountains", "bicycle on silk")


@pytest.mark.parametrize(
    ("thing", "look"), [*zip(itertools.cycle(THINGS), LOOKS * 2, strict=False)]
)
def test_every_look_gives_a_picture_with_contrast(thing: str, look: str) -> None:
    picture = draw(f"{thing}, {look} style", 2, SMALL)
    assert picture.size == SMALL
    assert float(np.asarray(picture.convert("L")).std()) > 8


def test_an_enamel_pin_has_outlines_of_the_named_metal() -> None:
    gold = np.asarray(draw("enamel pin of a lotus", 0, SMALL), float)
    silver = np.asarray(draw("enamel pin of a lotus, silver outlines", 0, SMALL), float)
    yellow = [picture[..., 0] - picture[..., 2] > 110 for picture in (gold, silver)]
    assert yellow[0].mean() > 1.3 * yellow[1].mean()


def test_a_dark_thing_is_dark_at_its_rim_too() -> None:
    dark = np.full((1, 1, 3), 0.08, np.float32)
    sideways = unit(np.full((1, 1), 0.99), np.zeros((1, 1)), np.full((1, 1), 0.1))
    own, air = (
        lit(dark, sideways, imagine("x", 0).palette, gloss=0, own_rim=share) for share in (1, 0)
    )
    assert own.max() < 0.02 < air.max()


def test_solid_parts_take_no_colour_from_other_parts() -> None:
    prompt = "black and gold watch on a white background"
    picture = np.asarray(draw(prompt, 1, (256, 256)), float)
    gold = (picture[..., 0] > 1.6 * picture[..., 2]) & (picture[..., 0] > 90)
    assert gold[:, 96:160].mean() > 0.08  # the strap


def test_a_background_that_is_named_is_behind_every_variant() -> None:
    for seed in range(4):
        picture = draw("A red shoe on a white background", seed, SMALL)
        corners = np.asarray(picture.convert("L"))[:24]
        assert corners.mean() > 175
    assert imagine("A red shoe on a white background", 0).colours[0].tolist() == (
        imagine("A red shoe", 0).colours[0].tolist()
    )


def test_variants_of_a_named_mood_keep_to_it() -> None:
    for seed in range(4):
        red, _, blue = imagine("perfume bottle, amber and gold", seed).palette[2]
        assert red > 1.3 * blue


def test_a_comic_strip_has_framed_panels() -> None:
    strip = np.asarray(draw("comic strip of a cat, speech bubbles", 0, (480, 270)).convert("L"))
    framed = (strip[12:-12] < 70).mean(axis=0) > 0.9
    assert np.count_nonzero(np.diff(framed.astype(int)) == 1) == 6  # two sides of three panels


def test_a_wide_comic_strip_has_its_title_above_the_panels() -> None:
    strip = draw("comic strip of a fox, 'The last cup of tea'", 0, (480, 270)).convert("L")
    dark = np.asarray(strip) < 70
    frame = int(np.argmax(dark.mean(axis=1) > 0.9))
    assert dark[:frame].any(axis=0).sum() > 100  # letters


def test_a_title_on_a_poster_is_on_plain_paper() -> None:
    idea = imagine("poster of a sailboat, 'Goa'", 3)
    for attempt in range(24):
        size = 256, (256, 456)[attempt % 2]
        stage = poster(*size, idea, seeded_generator(attempt))
        behind = np.round(stage.light[16 : int(size[1] * below_title(idea, size)) - 8] * 50)
        colours, counts = np.unique(behind.reshape(-1, 3), axis=0, return_counts=True)
        assert (counts > behind[..., 0].size / 50).sum() <= 3, colours  # paper, rays, a disc
