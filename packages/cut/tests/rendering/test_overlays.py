"""When overlays and captions are seen, and what lies on what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
from av.video.frame import VideoFrame
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageChops

from rivya_cut.captions import time_words
from rivya_cut.composition import Captions, Clip, Composition, Look, Overlay
from rivya_cut.rendering.overlays import (
    Appearance,
    Drawn,
    Play,
    Sight,
    StampSchedule,
    of_cues,
    of_overlay,
    overlays_of,
)
from rivya_cut.rendering.planes import Stamp, draw_stamps, frame_of_image, image_of, stamp
from rivya_cut.rendering.timeline import ClipMedium, Pane, Shot, Timeline
from rivya_cut.subtitles import Cue
from rivya_cut.terms import CaptionPosition, CaptionStyle, Position, TextMotion
from support.composed_media import film

_FILM = Timeline(Fraction(20), (), (), (), picture_frames=100, card_frames=40)


def test_an_overlay_fades_in_and_out_and_is_gone_when_the_end_card_comes() -> None:
    assert of_overlay(Overlay(text="a"), _FILM) == Appearance(0, 99, 0, 5)
    assert of_overlay(Overlay(text="a"), replace(_FILM, card_frames=0)) == Appearance(0, 100)
    assert of_overlay(Overlay(text="a", start=4.5, seconds=9), _FILM) == Appearance(90, 99, 3, 3)
    found = of_overlay(Overlay(media=Path("a.png"), start=1, seconds=2), _FILM)
    shares = [found.share(frame) for frame in range(18, 64)]
    assert shares[:2] == [0, 0]
    assert shares[2:8] == [n / 6 for n in (1, 2, 3, 4, 5, 6)]
    assert shares[36:] == [*(n / 6 for n in (6, 5, 4, 3, 2, 1)), 0, 0, 0, 0]


def test_captions_that_follow_each_other_do_not_blink() -> None:
    cues = (Cue(0, 1, "a"), Cue(1.1, 2, "b"), Cue(3, 9, "c"))
    first, second, third = of_cues(cues, _FILM)
    assert (first.fade_in, first.fade_out) == (4, 0)
    assert (second.fade_in, second.fade_out) == (0, 4)
    assert third.fade_in == 4


def test_the_end_card_fades_in_over_a_frame_without_captions() -> None:
    assert [one.end for one in of_cues([Cue(3, 9, "a")], _FILM)] == [99]
    assert [one.end for one in of_cues([Cue(3, 9, "a")], replace(_FILM, card_frames=0))] == [100]


def test_what_never_appears_is_never_drawn() -> None:
    drawn: list[int] = []

    def draw(number: int) -> Stamp | None:
        drawn.append(number)
        return stamp(Image.new("RGBA", (2, 2), "red"), 0, 0, (2, 2))

    schedule = StampSchedule(
        [
            Sight(Appearance(3, 5), 3, 5, lambda: draw(1)),
            Sight(Appearance(0, 4), 0, 4, lambda: draw(2)),
            Sight(Appearance(9, 7), 9, 7, lambda: draw(3)),
        ]
    )
    assert [len(list(schedule.stamps(frame))) for frame in range(12)] == [1, 1, 1, 2, 1] + [0] * 7
    assert drawn == [2, 1]


_LONG = replace(_FILM, picture_frames=160, card_frames=0)
_SIZE = (540, 540)
_CUES = (
    Cue(0, 1.9, "Before the price"),
    Cue(2, 5, "While the price is on the film, in a caption of two lines that is long"),
    Cue(5.2, 8, "After it"),
)


def _spans(overlay: Overlay, captions: Captions) -> list[tuple[int, int]]:
    """Top and bottom of each caption."""
    made = Composition(captions=captions, overlays=(overlay,))
    drawn = Drawn(made, captions.cues, _LONG, _SIZE)
    found = [list(drawn.captions.stamps(frame)) for frame in (20, 70, 120)]
    return [(one.y, one.y + one.planes[0].height) for [one] in found]


def test_captions_in_the_middle_stand_at_one_side_of_an_overlay_all_the_film() -> None:
    overlay = Overlay(text="€ 640", position="center", start=2, seconds=3)
    spans = _spans(overlay, Captions(cues=_CUES, position="middle"))
    assert all(bottom < _SIZE[1] / 2 for _, bottom in spans)
    assert max(bottom for _, bottom in spans) - min(bottom for _, bottom in spans) < 12
    never = Overlay(text="€ 640", position="center", start=5.05, seconds=0.1)
    assert _spans(never, Captions(cues=_CUES, position="middle"))[0][1] > _SIZE[1] / 2


def test_captions_at_the_bottom_give_way_only_while_an_overlay_is_there() -> None:
    overlay = Overlay(text="Mia Reyes", position="lower-third", start=2, seconds=3)
    first, second, third = _spans(overlay, Captions(cues=_CUES))
    assert first[1] == third[1]
    assert second[1] < first[0]


def test_large_captions_get_smaller_before_they_lie_on_an_overlay() -> None:
    captions = Captions(cues=_CUES, size=3)
    overlay = Overlay(text="Autumn collection 2026 is here", position="center", size=2.5)
    spans = _spans(overlay, captions)
    drawn = Drawn(Composition(captions=captions, overlays=(overlay,)), _CUES, _LONG, _SIZE)
    assert [*drawn.captions.stamps(20)]
    assert [*drawn.find_collisions("film.mp4")] == []
    alone = _spans(overlay.model_copy(update={"start": 9.0}), captions)
    assert spans[0][1] - spans[0][0] < alone[0][1] - alone[0][0]


def _stamps(made: Composition, cues: Sequence[Cue], frame: int, play: Play | None = None) -> Any:
    """The stamps of overlays and those of captions on a frame."""
    drawn = Drawn(made, cues, _LONG, _SIZE, play)
    found = [
        (list(drawn.overlays.stamps(at)), list(drawn.captions.stamps(at)))
        for at in range(frame + 1)
    ]
    return found[-1]


def _share_of(colour: str, one: Stamp, columns: tuple[float, float]) -> float:
    """How much of the pixels between two columns, as shares of the width, has nearly this colour."""
    seen = image_of(draw_stamps(frame_of_image(Image.new("RGB", _SIZE, "black")), [one]))
    width = one.planes[0].width
    left, right = (one.x + round(share * width) for share in columns)
    part = seen.crop((left, one.y, right, one.y + one.planes[0].height))
    away = ImageChops.difference(part, Image.new("RGB", part.size, colour)).convert("L")
    return away.point(lambda value: 255 * (value < 40)).histogram()[255] / (
        part.width * part.height
    )


@pytest.mark.parametrize(
    ("text", "sides"),
    [("Kettle teapot", [(0, 0.5), (0.5, 1)]), ("تغلي الماء", [(0.5, 1), (0, 0.5)])],
)
def test_the_word_that_is_spoken_has_the_accent_whatever_side_it_is_on(
    text: str, sides: list[tuple[float, float]]
) -> None:
    cue = Cue(1, 4, text, words=(1.0, 2.0))
    made = Composition(captions=Captions(cues=(cue,), style="highlight", accent="#ff0000"))
    for frame, (spoken, silent) in ((30, sides), (50, sides[::-1])):
        _, [one] = _stamps(made, (cue,), frame)
        assert _share_of("#ff0000", one, spoken) > 0.05
        assert _share_of("#ffffff", one, spoken) < 0.01 < _share_of("#ffffff", one, silent)


def test_a_few_words_at_a_time_appear_when_they_are_spoken_at_one_height() -> None:
    cue = Cue(1, 5, "Bright, gentle light", words=(1.0, 2.0, 3.0))
    made = Composition(captions=Captions(cues=(cue,), style="pop"))
    growing, first, second = (_stamps(made, (cue,), frame)[1][0] for frame in (20, 30, 50))
    assert growing.planes[0].width < first.planes[0].width < second.planes[0].width
    assert (first.y, first.planes[0].height) == (second.y, second.planes[0].height)
    assert not _stamps(made, (cue,), 19)[1]


def test_an_overlay_rises_by_even_steps_to_its_place() -> None:
    made = Composition(overlays=(Overlay(text="Mia", position="lower-third", motion="rise"),))
    tops = [_stamps(made, (), frame)[0][0].y for frame in range(16)]
    assert tops == sorted(tops, reverse=True)
    assert 20 < tops[0] - tops[-1] <= 0.1 * _SIZE[1]
    assert all(top % 2 == 0 for top in tops)
    assert len(set(tops[10:])) == 1


@pytest.mark.parametrize("position", ["lower-third", "top-left", "center"])
def test_a_text_is_written_letter_by_letter_in_a_place_that_stays(position: Position) -> None:
    overlay = Overlay(text="Mia Reyes\nat home", position=position, motion="type")
    made = Composition(overlays=(overlay,), look=Look(colours=("#203040",)))
    stamps = [_stamps(made, (), frame)[0][0] for frame in (0, 6, 12, 30)]
    assert len({(one.x, one.y, one.planes[0].size) for one in stamps}) == 1
    white = [_share_of("#ffffff", one, (0, 1)) for one in stamps]
    assert white == sorted(set(white))
    assert of_overlay(overlay, _LONG).moving <= 1.2 * _LONG.rate


def test_overlays_of_a_clip_count_from_its_begin_and_end_with_it() -> None:
    image = ClipMedium("clips[1]", Path("a.png"), (64, 64))
    shots = tuple(Shot((Pane(image, count),), count) for count in (60, 100))
    clips = tuple(
        Clip(media=(Path("a.png"),), overlays=(Overlay(text="a", start=1),)) for _ in shots
    )
    made = Composition(clips=clips, overlays=(Overlay(text="b", start=1),))
    timeline = replace(_LONG, shots=shots, overlaps=(0,))
    found = {name: of_overlay(one, timeline) for name, one in overlays_of(made, timeline)}
    assert {name: (on.start, on.end) for name, on in found.items()} == {
        "clips[0].overlays[0]": (20, 60),
        "clips[1].overlays[0]": (80, 160),
        "overlays[0]": (20, 160),
    }
    timeline = replace(timeline, overlaps=(30,))
    alone = [of_overlay(one, timeline) for _, one in overlays_of(made, timeline)]
    assert [(on.start, on.end) for on in alone[:2]] == [(20, 30), (60, 130)], "without transitions"


def test_a_film_over_the_film_plays_in_a_box_with_round_corners_and_holds_its_last_frame(
    tmp_path: Path,
) -> None:
    asked: list[tuple[int, int]] = []

    def play(path: Path, size: tuple[int, int]) -> Iterator[VideoFrame]:
        asked.append(size)
        return (frame_of_image(Image.new("RGB", size, one)) for one in ("blue", "red"))

    inset = Overlay(
        media=film(tmp_path / "a.mp4", seconds=0.2), position="right", start=1, motion="none"
    )
    for frame, colour in ((20, (0, 0, 255)), (21, (255, 0, 0)), (60, (255, 0, 0))):
        stamps, _ = _stamps(Composition(overlays=(inset,)), (), frame, play)
        seen = image_of(draw_stamps(frame_of_image(Image.new("RGB", _SIZE, "white")), stamps))
        box = stamps[-1].x, stamps[-1].y, *stamps[-1].planes[0].size
        middle = seen.getpixel((box[0] + box[2] // 2, box[1] + box[3] // 2))
        assert middle == pytest.approx(colour, abs=6)
        assert min(seen.getpixel((box[0], box[1]))) > 100  # type: ignore[arg-type]  # of RGB
    assert set(asked) == {(172, 116)}


def _meet(one: Stamp, other: Stamp) -> bool:
    """Whether what is opaque of both, without shadows, shares pixels."""
    boxes = []
    for stamp_ in (one, other):
        solid = stamp_.masks[0].point(lambda value: 255 * (value > 200)).getbbox() or (0, 0, 0, 0)
        boxes.append([at + (stamp_.x, stamp_.y)[index % 2] for index, at in enumerate(solid)])
    (a, b, c, d), (e, f, g, h) = boxes
    return max(a, e) < min(c, g) and max(b, f) < min(d, h)


_OVERLAYS = st.builds(
    Overlay,
    text=st.sampled_from(["€ 640", "Mia Reyes\nHead of design"]),
    position=st.sampled_from(get_args(Position)),
    start=st.floats(0, 6),
    seconds=st.floats(0.1, 4),
    motion=st.sampled_from(get_args(TextMotion)),
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(_OVERLAYS, max_size=2),
    st.sampled_from(["plain", "plate", "highlight", "pop"]),
    st.sampled_from(["bottom", "middle", "top"]),
    st.sampled_from([(270, 480), (270, 270), (480, 270)]),
)
def test_no_caption_meets_an_overlay_on_any_frame_unless_that_is_said(
    overlays: list[Overlay], style: CaptionStyle, position: CaptionPosition, size: tuple[int, int]
) -> None:
    cues = tuple(time_words(one, ()) for one in _CUES)
    captions = Captions(cues=cues, style=style, position=position)
    drawn = Drawn(Composition(captions=captions, overlays=tuple(overlays)), cues, _LONG, size)
    met = False
    for frame in range(_LONG.picture_frames):
        lower, upper = (list(one.stamps(frame)) for one in (drawn.overlays, drawn.captions))
        met = met or any(_meet(one, other) for one in lower for other in upper)
    assert not met or any("caption" in one for one in drawn.find_collisions("film.mp4"))
