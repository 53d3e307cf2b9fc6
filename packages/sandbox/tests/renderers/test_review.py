"""Judgements follow from what is looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from rivya_sandbox.renderers.review import of_picture, of_text
from rivya_sandbox.renderers.still import draw


@pytest.fixture(scope="module")
def still() -> Image.Image:
    return draw("A perfume bottle on red silk", 1, (256, 256), marked=False)


def saved(picture: Image.Image, path: Path) -> Path:
    picture.save(path, "PNG")
    return path


def test_a_blurred_and_a_dark_copy_of_a_picture_are_worth_less(
    still: Image.Image, tmp_path: Path
) -> None:
    good = of_picture(saved(still, tmp_path / "still.png"))
    soft = of_picture(saved(still.filter(ImageFilter.GaussianBlur(9)), tmp_path / "soft.png"))
    dark = of_picture(saved(still.point(lambda value: value // 6), tmp_path / "dark.png"))
    assert good.merit > max(soft.merit, dark.merit)
    assert "a little soft" in soft.faults
    assert {"dark", "little contrast"} & set(dark.faults)


def test_equal_bytes_have_equal_judgements_and_other_pictures_differ(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    colours = [tuple(map(int, random.integers(0, 256, 3))) for _ in range(12)]
    paths = [
        saved(Image.new("RGB", (64, 64), colour), tmp_path / f"{at}.png")
        for at, colour in enumerate(colours)
    ]
    merits = [of_picture(path).merit for path in paths]
    assert merits == [of_picture(path).merit for path in paths]
    assert len(set(merits)) > 8
    assert max(merits) - min(merits) > 0.4
    assert all(0 <= merit <= 1 for merit in merits)


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_what_cannot_be_read_is_worth_nothing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    review = of_picture(path)
    assert (review.merit, review.reason) == (0, "the picture cannot be read")


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (4000, 2)])
def test_pictures_of_odd_sizes_are_judged(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = Image.effect_noise(size, 90).convert("RGB")
    assert of_picture(saved(picture, tmp_path / "a.png")).reason


def test_a_shouting_text_and_an_endless_one_are_worth_less_than_a_plain_one() -> None:
    plain = of_text("An oak lamp for quiet evenings")
    loud = of_text("BUY NOW!!! The best lamp ever made, guaranteed!!!")
    long = of_text("The lamp is a good lamp and a nice lamp " * 20)
    assert plain.merit > max(loud.merit, long.merit)
    assert plain.passes
    assert "promises too much" in loud.faults
    assert {"too long", "repeats itself"} & set(long.faults)
    assert of_text("").reason
    assert of_text("यह है लैंप, शांत शाम के लिए").reason
