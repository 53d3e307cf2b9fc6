"""Where pictures go in frames of another shape, and how the camera moves."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from rivya_client.errors import MediaError
from rivya_cut.rendering.reframe import ZOOM, cells, edges_over, focus_of, placement, window
from rivya_cut.rendering.shots import still_size
from rivya_cut.terms import Motion, Split


@pytest.mark.parametrize(
    ("picture", "reframe", "region", "corner"),
    [
        ((1920, 1080), "crop", (1080, 1920), (0, 0)),
        ((1920, 1080), "pad", (1080, 608), (0, 656)),
        ((1920, 1080), "blur", (1080, 608), (0, 656)),
        ((1080, 1900), "pad", (1080, 1920), (0, 0)),
    ],
    ids=["crop", "pad", "blur", "nearly of the shape"],
)
def test_a_picture_fills_the_frame_or_stands_whole_in_the_middle_of_bars(
    picture: tuple[int, int], reframe: Any, region: tuple[int, int], corner: tuple[int, int]
) -> None:
    place = placement(picture, (1080, 1920), reframe, "none")
    assert (place.region, place.corner) == (region, corner)


@pytest.mark.parametrize(("picture", "frame"), [((90, 120), (90, 90)), ((120, 90), (90, 160))])
def test_a_bright_thing_in_the_middle_is_no_spot_in_the_bars(
    picture: tuple[int, int], frame: tuple[int, int]
) -> None:
    image = Image.new("L", picture, 80)
    ImageDraw.Draw(image).ellipse((12, 12, picture[0] - 13, picture[1] - 13), fill=255)
    assert edges_over(image, frame).getextrema() == (80, 80)


@pytest.mark.parametrize(
    ("first", "size"), [((2161, 3841), (1080, 1920)), ((63, 37), (62, 36)), ((1, 1), (2, 2))]
)
def test_a_first_still_gives_an_even_size_of_at_most_1080p(
    first: tuple[int, int], size: tuple[int, int], tmp_path: Path
) -> None:
    Image.new("1", first).save(tmp_path / "a.png")
    assert still_size(tmp_path / "a.png") == size


def test_the_window_has_the_shape_and_stays_inside() -> None:
    assert window((200, 100), (50, 50)) == (50, 0, 150, 100)
    assert window((200, 100), (50, 50), (0.9, 0.5)) == (100, 0, 200, 100)


def test_push_in_begins_with_the_whole_and_ends_in_its_middle() -> None:
    place = placement((100, 100), (1000, 500), "crop", "push-in")
    assert place.canvas == (1120, 560)
    assert place.camera(0) == (0, 0, 1120, 560)
    left, top, right, bottom = place.camera(1)
    assert (right - left, bottom - top) == pytest.approx((1120 / ZOOM, 560 / ZOOM))
    assert left + right == pytest.approx(1120)
    assert placement((100, 100), (1000, 500), "crop", "pull-out").camera(0) == place.camera(1)


def test_pans_go_from_one_border_to_the_other() -> None:
    place = placement((100, 100), (1000, 500), "crop", "pan-right")
    assert place.camera(0) == (0, 0, 1000, 500)
    assert place.camera(1) == (160, 0, 1160, 500)
    left = placement((100, 100), (1000, 500), "crop", "pan-left")
    assert (left.camera(0), left.camera(1)) == (place.camera(1), place.camera(0))


@pytest.mark.parametrize("motion", ["push-in", "pull-out", "pan-left", "pan-right"])
def test_the_camera_never_jumps_nor_stands_still(motion: Motion) -> None:
    place = placement((100, 100), (1080, 1080), "crop", motion)
    lefts = [place.camera(at / 71)[0] for at in range(72)]
    steps = [abs(b - a) for a, b in pairwise(lefts)]
    assert min(steps) > 0.2 * max(steps)
    assert max(steps) < 4


@pytest.mark.parametrize(
    ("size", "split", "count", "rows"),
    [
        ((1080, 1920), "row", 2, [2]),
        ((1920, 1080), "column", 3, [1, 1, 1]),
        ((1920, 1080), "grid", 2, [2]),
        ((1080, 1920), "grid", 2, [1, 1]),
        ((1080, 1920), "grid", 3, [1, 1, 1]),
        ((1080, 1080), "grid", 3, [1, 2]),
        ((1080, 1080), "grid", 4, [2, 2]),
        ((1920, 1080), "grid", 5, [2, 3]),
        ((1080, 1920), "grid", 9, [3, 3, 3]),
    ],
)
def test_media_that_share_a_frame_fill_it_but_for_thin_gaps(
    size: tuple[int, int], split: Split, count: int, rows: list[int]
) -> None:
    found = cells(size, count, split)
    tops = sorted({one.top for one in found})
    assert [sum(one.top == top for one in found) for top in tops] == rows
    assert all(value % 2 == 0 for one in found for value in (one.left, one.top, *one.size))
    for top in tops:
        row = [one for one in found if one.top == top]
        gaps = [b.left - a.left - a.size[0] for a, b in pairwise(row)]
        assert gaps == [4] * (len(row) - 1)
        assert (row[0].left, row[-1].left + row[-1].size[0]) == (0, size[0])
        assert max(one.size[0] for one in row) - min(one.size[0] for one in row) <= 2
    assert found[-1].top + found[-1].size[1] == size[1]


@pytest.mark.parametrize("split", ["row", "column", "grid"])
def test_a_frame_without_room_for_its_media_is_refused(split: Split) -> None:
    with pytest.raises(MediaError, match="a frame of 2 × 2 pixels has no room for 9 media"):
        cells((2, 2), 9, split)


def test_the_window_of_a_long_thin_picture_stays_inside() -> None:
    for width in range(2_000, 9_000, 7):
        left, top, right, bottom = window((width, 20), (1920, 4))
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= 20


def test_the_focus_is_where_the_detail_is() -> None:
    image = Image.new("RGB", (300, 100), "white")
    square = (100, 100)
    assert focus_of(image, square) == (0.5, 0.5)
    image.paste("black", (200, 40, 240, 60))
    across, down = focus_of(image, square)
    assert across == pytest.approx(220 / 300, abs=0.05)
    assert down == pytest.approx(0.5, abs=0.05)


def test_a_crop_shows_the_thing_and_not_what_is_between_it_and_a_title() -> None:
    image = Image.new("RGB", (360, 640), "#7a6a4a")
    for letter in range(20):
        image.paste("white", (40 + letter * 14, 40, 48 + letter * 14, 66))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((100, 370, 260, 540), 20, fill="#d08a20")
    draw.rectangle((110, 380, 250, 400), fill="#6a2a00")
    draw.rectangle((150, 440, 210, 470), fill="#402010")
    for squeezed in (image, image.resize((160, 160))):
        focus = focus_of(squeezed, (1920, 1080), image.size)
        _, top, _, bottom = window(image.size, (1920, 1080), focus)
        assert top < 370  # all of it is from 370 to 540
        assert bottom > 515
