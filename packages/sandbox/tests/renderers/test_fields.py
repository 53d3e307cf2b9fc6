"""Fast arithmetic on fields, sampling and PNG files agree with plain NumPy and Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers.colour import grey, mix, scale_colour, strongest, tint_field
from rivya_sandbox.renderers.field import (
    Field,
    between,
    blur,
    blurred_small,
    fraction,
    length,
    resize,
    soften,
)
from rivya_sandbox.renderers.png import png
from rivya_sandbox.renderers.warp import Lines, look, pair_pixels

rng = np.random.default_rng(1)
LARGE = 400, 360  # enough for `mix` to work by bands
LIGHT = rng.random((*LARGE, 3), np.float32)
OTHER = rng.random((*LARGE, 3), np.float32)
SHARE = np.pad(rng.random((200, 360), np.float32), ((100, 100), (0, 0)))
SHARE[350:] = 1


@pytest.mark.parametrize("end", [OTHER, OTHER[0, 0]], ids=["field", "colour"])
def test_a_mix_by_bands_is_a_mix(end: Field) -> None:
    plain = LIGHT + (end - LIGHT) * SHARE[..., None]
    assert np.allclose(mix(LIGHT, end, SHARE), plain, atol=1e-6)


def test_products_means_and_maxima_are_those_of_numpy() -> None:
    assert np.allclose(scale_colour(LIGHT, SHARE), LIGHT * SHARE[..., None])
    assert np.allclose(tint_field(SHARE, LIGHT[0, 0]), SHARE[..., None] * LIGHT[0, 0])
    assert np.allclose(grey(LIGHT), LIGHT.mean(axis=2))
    assert np.array_equal(strongest(LIGHT), LIGHT.max(axis=2))


def test_lengths_remainders_and_look_ups_are_those_of_numpy() -> None:
    x, y = LIGHT[..., 0] * 9 - 4, LIGHT[..., 1] * 9 - 4
    assert np.allclose(length(x, y), np.hypot(x, y))
    assert np.allclose(fraction(x), x % 1, atol=1e-6)
    line, at = rng.random(50), x / 4
    assert np.allclose(between(line, at), np.interp(at, np.linspace(0, 1, 50), line), atol=1e-4)


def test_softening_spreads_a_point_by_the_binomial_weights() -> None:
    point = np.zeros((7, 7), np.float32)
    point[3, 3] = 256
    weights = np.array([0, 1, 4, 6, 4, 1, 0], np.float32)
    assert np.allclose(soften(point, 2), np.outer(weights, weights))
    assert np.allclose(soften(np.ones((5, 4), np.float32), 3), 1)


def test_some_rows_of_a_larger_field_are_rows_of_the_whole() -> None:
    whole = resize(LIGHT[:50, :40], 160, 200)
    assert np.allclose(
        resize(LIGHT[:50, :40], 160, 200, rows=slice(30, 90)), whole[30:90], atol=1e-5
    )


def test_a_wide_blur_works_on_a_reduced_grid_and_keeps_the_mean() -> None:
    small = blurred_small(LIGHT, 17)
    assert small.shape == (40, 36, 3)
    assert blur(LIGHT, 17).shape == LIGHT.shape
    assert small.mean() == pytest.approx(LIGHT.mean(), rel=0.01)


def test_sampling_is_bilinear_up_to_the_last_pixel() -> None:
    source = np.array([[0, 200, 40], [100, 255, 60]], np.uint8)
    x, y = np.array([[0.0, 0.5, 2.0]]), np.array([[0.0], [0.25], [1.0]])
    seen = np.empty((3, 3), np.uint8)
    lines = Lines(x, y, np.array([[0.5, 0.0, 0.0]]), np.zeros((3, 1)))
    near = np.zeros((3, 3))
    look([(pair_pixels(source), seen)], lines, near)
    assert seen.tolist() == [[0, 100, 40], [25, 119, 45], [100, 178, 60]]
    near[:, 0] = 1  # the first column looks half a pixel further to the right
    look([(pair_pixels(source), seen)], lines, near)
    assert seen[:, 0].tolist() == [100, 119, 178]


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
