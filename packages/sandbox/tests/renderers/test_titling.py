"""A title on a picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageChops

from rivya_sandbox.renderers.field import seeded
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.titling import Where, set_title, titled_height

pytestmark = pytest.mark.usefixtures("small_pictures")


def test_a_long_title_takes_several_lines_and_stays_on_the_picture() -> None:
    size, palette = (384, 640), imagine("x", 1).palette
    heights = []
    for title in ("Short", "No excuses. Join today at half the price"):
        picture = Image.new("RGB", size, (255, 255, 255))
        set_title(picture, title, palette, seeded("letters"))
        box = (
            ImageChops.invert(picture.convert("L")).point(lambda tone: 255 * (tone > 90)).getbbox()
        )
        assert box is not None
        assert box[0] > size[0] * 0.07
        assert box[2] < size[0] * 0.93
        heights.append(box[3] - box[1])
        assert box[3] < size[1] * titled_height(size, title)
    assert heights[1] > 1.5 * heights[0]


def lettered_rows(title: str, seed: int, where: Where) -> list[int]:
    """Rows of a white picture, 400 pixels high, that have letters."""
    picture = Image.new("RGB", (400, 400), (255, 255, 255))
    set_title(picture, title, imagine("x", 1).palette, seeded(seed), where=where)
    return [int(row) for row in np.nonzero((np.asarray(picture.convert("L")) < 165).any(axis=1))[0]]


@pytest.mark.parametrize("title", ["Festival of lights", "Autumn collection"])
def test_letters_of_every_style_keep_to_the_height_that_a_title_has(title: str) -> None:
    for seed in range(16):  # all five styles
        assert max(lettered_rows(title, seed, "top")) < 400 * titled_height((400, 400), title)


def test_a_word_that_is_set_wide_stays_whole() -> None:
    for seed in range(16):
        rows = lettered_rows("Watermelon", seed, "left")
        assert rows == list(range(rows[0], rows[-1] + 1))  # one line


def test_two_sentences_of_a_title_are_two_lines() -> None:
    tall = []
    for title in ("No excuses. Join today at 50% off", "No excuses and join today at 50% off"):
        picture = Image.new("RGB", (384, 640), (255, 255, 255))
        set_title(picture, title, imagine("x", 1).palette, seeded("a"))
        upper = np.asarray(picture.convert("L"))[58:80] < 120
        tall.append(np.ptp(np.nonzero(upper.any(axis=0))[0]))
    assert tall[0] < 0.75 * tall[1]  # the first line is the short sentence alone


@pytest.mark.parametrize("title", ["Aurora", "Blue Horizon Island Tours", "दीपशिखा मिठाई", "極光"])
def test_a_wide_format_letters_its_title_in_the_left_half(title: str) -> None:
    size = (448, 252)
    set_title(
        picture := Image.new("RGB", size),
        title,
        imagine("x", 1).palette,
        seeded(title),
        where="left",
    )
    box = picture.getbbox()
    assert box is None if title == "極光" else box and box[2] < 0.6 * size[0]
