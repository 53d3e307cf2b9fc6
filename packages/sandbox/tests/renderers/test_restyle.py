"""Pictures from references."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers.collage import collage
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import ReferenceMedium, RenderRequest

pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.fixture
def photo(tmp_path: Path) -> ReferenceMedium:
    """A dark disc right of the middle on a light ground, 400 by 300 pixels."""
    y, x = np.mgrid[0:300, 0:400]
    pixels = np.full((300, 400, 3), (235, 225, 210), np.uint8)
    pixels[(x - 280) ** 2 + (y - 150) ** 2 < 80**2] = (40, 60, 120)
    path = tmp_path / "photo.jpg"
    Image.fromarray(pixels).save(path, quality=95)
    return ReferenceMedium("image", path, "image/jpeg")


def restyled(photo: ReferenceMedium, prompt: str, **params: Any) -> Image.Image:
    (result,) = render(RenderRequest("nano-banana-2", "image", prompt, params, (photo,), seed=1))
    with Image.open(io.BytesIO(result.data)) as picture:
        return picture.convert("RGB")


@pytest.mark.parametrize("prompt", ["make it watercolor", "warm and golden", "noir", "as it is"])
def test_a_restyled_reference_can_be_recognised(photo: ReferenceMedium, prompt: str) -> None:
    picture = restyled(photo, prompt).convert("L").resize((40, 30))
    original = Image.open(photo.path).convert("L").resize((40, 30))
    likeness = np.corrcoef(np.asarray(picture).ravel(), np.asarray(original).ravel())[0, 1]
    assert likeness > 0.75


def test_an_open_ratio_follows_the_reference_and_a_requested_one_crops_it(
    photo: ReferenceMedium,
) -> None:
    left_open = restyled(photo, "x", aspect_ratio="auto")
    assert left_open.width / left_open.height == pytest.approx(4 / 3, rel=0.01)
    upright = restyled(photo, "x", aspect_ratio="9:16")
    assert upright.width / upright.height == pytest.approx(9 / 16, rel=0.01)


def test_a_title_is_above_combined_pictures() -> None:
    pictures = [Image.new("RGB", (200, 200), colour) for colour in ("red", "green", "blue")]
    free = np.asarray(collage(pictures, (640, 360), 0.25), int)[: 360 // 4]
    assert np.ptp(free, axis=(0, 1)).max() < 40  # ground and a shadow alone
    assert np.ptp(np.asarray(collage(pictures, (640, 360)), int)[: 360 // 4]) > 200


def test_a_named_colour_grades_every_variant(photo: ReferenceMedium) -> None:
    for seed in range(4):
        red, _, blue = np.asarray(restyled(photo, "golden hour light", seed=seed)).mean((0, 1))
        cool = np.asarray(restyled(photo, "arctic ice, cold", seed=seed)).mean((0, 1))
        assert red - blue > cool[0] - cool[2] + 20


def test_quoted_words_keep_away_from_letters_that_are_there(tmp_path: Path) -> None:
    pixels = np.full((300, 400, 3), 235, np.uint8)
    pixels[230:280, 60:340:8] = 20  # stripes stand for letters
    path = tmp_path / "lettered.png"
    Image.fromarray(pixels).save(path)
    photo = ReferenceMedium("image", path, "image/png")
    bare, lettered = (
        np.asarray(restyled(photo, prompt).convert("L"), np.int16) for prompt in ("x", "x 'AURORA'")
    )
    changed = np.abs(bare - lettered) > 60
    half = len(changed) // 2
    assert changed[:half].sum() > 4 * changed[half:].sum()
