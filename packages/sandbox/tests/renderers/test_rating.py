"""Judgements follow from what is looked at, on the scale that a message names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image, ImageFilter

from rivya_sandbox.renderers.rating import Scale, reviews_of, scale_of
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


@pytest.mark.parametrize(
    ("message", "scale"),
    [
        ("Score each candidate from 0 (useless) to 10 (perfect).", Scale(0, 10)),
        ("Rate it 1-5", Scale(1, 5)),
        ("Give a rating between 0 and 100", Scale(0, 100)),
        ("A score of 0–1, please", Scale(0, 1)),
        ("Judge it, out of 10 points", Scale(0, 10)),
        ("Rate the line: 24/7 service, 3/5", Scale(0, 5)),
        ("Rate this lamp for children aged 5 to 10", None),
        ("A lamp for rooms of 0 to 100 square metres", None),
        ("Rate it", None),
    ],
)
def test_the_scale_is_the_one_that_a_judging_message_names(
    message: str, scale: Scale | None
) -> None:
    assert scale_of(message) == scale


def test_each_field_may_have_its_own_scale() -> None:
    message = "Rate the picture: score from 0 to 100, rating from 1 to 5"
    assert scale_of(message, ["score"]) == Scale(0, 100)
    assert scale_of(message, ["rating"]) == Scale(1, 5)


@pytest.mark.parametrize("scale", [Scale(0, 1), Scale(1, 5), Scale(0, 10), Scale(0, 100)])
def test_scores_spread_over_most_of_the_scale_and_stay_inside(scale: Scale) -> None:
    low, high = scale.score(0), scale.score(1)
    assert scale.low < low < high < scale.high
    assert high - low > 0.6 * (scale.high - scale.low)


def pictures(tmp_path: Path, *colours: str) -> list[Path]:
    paths = [tmp_path / f"{colour}.png" for colour in colours]
    for path in paths:
        Image.new("RGB", (8, 8), path.stem).save(path)
    return paths


def test_a_candidate_is_the_picture_or_the_text_that_its_line_names(tmp_path: Path) -> None:
    red, blue = pictures(tmp_path, "red", "blue")
    lines = [
        {"candidate": 1, "key": "a", "picture": 2},
        {"candidate": 2, "key": "b", "text": "Light,\u2028gently\n{"},
        {"candidate": 3, "key": "c", "picture": 1},
    ]
    criteria = "Criteria:\n1. the product is whole\n2. the label can be read\n"
    message = f"Judge.\n{criteria}\n" + "\n".join(
        json.dumps(line, ensure_ascii=False) for line in lines
    )
    assert reviews_of(message, [red, blue]) == (
        of_picture(blue),
        of_text("Light,\u2028gently\n{"),
        of_picture(red),
    )


def test_a_film_is_as_good_as_its_worst_frame(still: Image.Image, tmp_path: Path) -> None:
    good = saved(still, tmp_path / "good.png")
    poor = saved(still.filter(ImageFilter.GaussianBlur(9)), tmp_path / "poor.png")
    listed = [
        {"candidate": 1, "key": "a", "pictures": [1, 2], "seconds": [0, 5]},
        {"candidate": 2, "key": "b", "pictures": [1, 7]},
    ]
    message = "\n".join(map(json.dumps, listed))
    assert reviews_of(message, [good, poor]) == (of_picture(poor), of_picture(good))


def test_without_lines_each_picture_is_a_candidate(tmp_path: Path) -> None:
    found = pictures(tmp_path, "red", "blue", "green")
    assert reviews_of("Criteria:\n1. whole\n2. sharp", found) == tuple(map(of_picture, found))


def test_without_pictures_the_numbered_texts_are_and_criteria_are_none() -> None:
    message = "Criteria:\n1. short\n2. true\n\nLines:\n1. Light, gently.\n2) An oak lamp\nCriteria again:\n1. x"
    assert reviews_of(message, []) == (of_text("Light, gently."), of_text("An oak lamp"))


@pytest.mark.parametrize(
    "message",
    [
        "Rate this line: Warm light, gently",
        "Rate the slogan 'Warm light, gently' from 0 to 10",
        "Warm light, gently",
    ],
)
def test_else_the_text_that_is_asked_about_is_judged(message: str) -> None:
    assert reviews_of(message, []) == (of_text("Warm light, gently"),)


@given(st.text(max_size=200), st.lists(st.text(max_size=40), max_size=4))
def test_every_message_has_a_candidate_and_every_score_is_on_the_scale(
    message: str, lines: list[str]
) -> None:
    counted = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    reviews = reviews_of(f"{message}\n{counted}", [])
    scale = scale_of(message) or Scale(0, 10)
    assert reviews
    for review in reviews:
        assert scale.low <= scale.score(review.merit) <= scale.high
        assert review.reason
