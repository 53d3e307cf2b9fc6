"""What is seen of both frames while one clip follows another."""

from __future__ import annotations

from typing import get_args

import pytest
from PIL import Image

from rivya_cut.rendering.planes import frame_of_image, image_of, planes_of
from rivya_cut.rendering.transitions import MIXED
from rivya_cut.terms import TransitionKind

_OLD = Image.new("RGB", (160, 80), "#800000")
_OLD.paste("#0000ff", (60, 30, 80, 50))
_NEW = Image.new("RGB", (160, 80), "#808080")
_NEW.paste("#00ff00", (20, 30, 40, 50))


def _seen(kind: TransitionKind, share: float) -> Image.Image:
    return image_of(MIXED[kind](frame_of_image(_OLD), frame_of_image(_NEW), share))


def _is(image: Image.Image, x: int, colour: str) -> bool:
    pixel, wanted = image.getpixel((x, 40)), Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert isinstance(wanted, tuple)
    return all(abs(a - b) < 12 for a, b in zip(pixel, wanted, strict=True))


@pytest.mark.parametrize("kind", get_args(TransitionKind))
def test_it_begins_with_the_old_frame_and_ends_with_the_new_one(kind: TransitionKind) -> None:
    for share, wanted in ((0.0, _OLD), (1.0, _NEW)):
        made = MIXED[kind](frame_of_image(_OLD), frame_of_image(_NEW), share)
        planes = [plane.tobytes() for plane in planes_of(made)]
        assert planes == [plane.tobytes() for plane in planes_of(frame_of_image(wanted))]


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("fade", {30: "#408000", 55: "#804040", 70: "#4040bf", 150: "#804040"}),
        ("slide", {30: "#800000", 70: "#0000ff", 110: "#00ff00", 150: "#808080"}),
        ("push", {10: "#800000", 30: "#800000", 110: "#00ff00", 150: "#808080"}),
        ("wipe", {30: "#00ff00", 60: "#808080", 100: "#800000", 150: "#800000"}),
        ("zoom", {5: "#804040", 57: "#4040bf", 150: "#804040"}),
    ],
)
def test_half_way_each_kind_shows_both_in_its_own_way(
    kind: TransitionKind, seen: dict[int, str]
) -> None:
    image = _seen(kind, 0.5)
    assert {x: colour for x, colour in seen.items() if not _is(image, x, colour)} == {}


def test_a_frame_that_slides_casts_a_soft_shadow() -> None:
    image = _seen("slide", 0.5)
    reds = [pixel[0] for x in range(60, 80) if isinstance(pixel := image.getpixel((x, 70)), tuple)]
    assert reds == sorted(reds, reverse=True)
    assert reds[0] > 120 > 80 > reds[-1]
