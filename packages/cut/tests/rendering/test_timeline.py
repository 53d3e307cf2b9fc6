"""How clips are arranged on one timeline."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rivya_client.errors import MediaError
from rivya_cut.composition import Clip, Composition, EndCard, Sound, Transition
from rivya_cut.fields import Part
from rivya_cut.rendering.timeline import ClipMedium, Timeline, arrange
from rivya_cut.terms import Format

_RATE = Fraction(10)
_CUT = Transition()


def _still() -> ClipMedium:
    return ClipMedium("clips[0]", Path("a.png"), (64, 36))


def _film(seconds: float, rate: Fraction = _RATE) -> ClipMedium:
    return ClipMedium("clips[0]", Path("a.mp4"), (64, 36), rate, seconds)


def _arranged(
    *given: tuple[Clip, *tuple[ClipMedium, ...]],
    lead: float | None = None,
    transition: Transition = _CUT,
    length: Part | float | None = None,
    end_card: EndCard | None = None,
    formats: tuple[Format, ...] = (),
) -> Timeline:
    composition = Composition(
        clips=tuple(clip for clip, *_ in given),
        transition=transition,
        length=length,
        end_card=end_card,
        formats=formats,
        narration=None if lead is None else Sound(media=Path("voice")),
    )
    lengths = {} if lead is None else {"narration": lead}
    return arrange(composition, [tuple(media) for _, *media in given], lengths)


def _clip(seconds: float | None = None, start: float = 0.0) -> Clip:
    return Clip(media=Path("a"), seconds=seconds, start=start)


def test_clips_follow_each_other_at_the_rate_of_the_first_film() -> None:
    made = _arranged((_clip(1), _still()), (_clip(start=0.5), _film(2)))
    assert made.rate == 10
    assert [shot.frames for shot in made.shots] == [10, 15]
    assert made.begins() == (0, 10)
    assert made.frames == 25


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        ({"fps": 25}, Fraction(25)),
        ({"fps": 29.97}, Fraction(30_000, 1_001)),
        ({"for": ["tiktok"]}, Fraction(24)),
        ({"for": ["tiktok", "linkedin"], "fps": 60}, Fraction(60)),
    ],
)
def test_the_rate_is_as_asked_for_or_one_that_the_platforms_take(
    given: dict[str, object], rate: Fraction
) -> None:
    composition = Composition.model_validate({"clips": "a.mp4"} | given)
    assert arrange(composition, [(_film(2),)], {}).rate == rate


@pytest.mark.parametrize(("rate", "shown"), [(Fraction(120), 60), (Fraction(30000, 1001), None)])
def test_the_rate_is_at_most_60(rate: Fraction, shown: int | None) -> None:
    assert _arranged((_clip(), _film(2, rate))).rate == (shown or rate)


def test_stills_alone_are_shown_at_24_frames_for_three_seconds_each() -> None:
    made = _arranged((_clip(), _still()), (_clip(1), _still()))
    assert made.rate == 24
    assert made.frames == 96


def test_a_film_shorter_than_its_seconds_ends_with_what_it_has() -> None:
    assert _arranged((_clip(seconds=9, start=1), _film(2))).frames == 10


def test_a_film_that_ends_before_its_start_is_told_with_its_length() -> None:
    with pytest.raises(MediaError, match=r"clips\[0\]: a\.mp4: lasts 2\.00 s; `start` is 2 s"):
        _arranged((_clip(start=2), _film(2)))


def test_a_fast_film_of_which_less_than_a_frame_is_left_is_refused() -> None:
    with pytest.raises(MediaError, match=r"lasts 2\.00 s; `start` is 1\.8 s"):
        _arranged((Clip(media=Path("a.mp4"), start=1.8, speed=4), _film(2)))


def test_a_transition_overlaps_at_most_half_of_a_clip() -> None:
    made = _arranged(
        (_clip(1), _film(9)),
        (_clip(0.4), _film(9)),
        (_clip(1), _film(9)),
        transition=Transition(kind="fade", seconds=0.5),
    )
    assert made.overlaps == (2, 2)
    assert made.frames == 20
    assert made.begins() == (0, 8, 10)


def test_each_clip_says_how_it_follows_the_one_before_it_or_else_the_film_does() -> None:
    push = Clip(media=Path("a"), transition=Transition(kind="push", seconds=0.2))
    made = _arranged(
        (_clip(1), _still()),
        (push, _film(1)),
        (_clip(1), _film(1)),
        transition=Transition(kind="fade", seconds=0.4),
    )
    assert [one.kind for one in made.transitions] == ["push", "fade"]
    assert made.overlaps == (2, 4)


def test_what_shares_a_frame_lasts_as_its_longest_film_and_is_heard_by_its_first_sound() -> None:
    loud = replace(_film(2), has_sound=True)
    made = _arranged((_clip(start=0.5), _still(), _film(1.5), loud, replace(loud, seconds=3.0)))
    [shot] = made.shots
    assert shot.frames == 25
    assert [pane.own for pane in shot.panes] == [0, 10, 15, 25]
    assert (shot.medium, shot.own) == (loud, 15)
    [stills] = _arranged((_clip(), _still(), _still()), lead=5).shots
    assert stills.frames == stills.own == 120


def test_a_fast_film_is_shorter_and_a_slow_one_longer() -> None:
    fast, slow = (Clip(media=Path("a"), speed=speed, start=1) for speed in (2, 0.5))
    made = _arranged((fast, _film(3)), (slow, _film(3)))
    assert [shot.frames for shot in made.shots] == [10, 40]


def test_a_longer_narration_holds_the_last_clip_and_the_end_card_comes_after_it() -> None:
    made = _arranged((_clip(), _film(1)), lead=2.34, end_card=EndCard(seconds=2))
    [shot] = made.shots
    assert (shot.frames, shot.own) == (24, 10)
    assert (made.picture_frames, made.card_frames) == (24, 20)


@pytest.mark.parametrize(
    ("clips", "frames"),
    [
        ([(_clip(), _film(1)), (_clip(1), _still())], [10, 70]),
        ([(_clip(), _still()), (_clip(), _film(1))], [70, 10]),
        ([(_clip(), _film(1)), (_clip(), _still()), (_clip(), _still())], [10, 35, 35]),
    ],
)
def test_stills_without_seconds_share_what_the_narration_needs_or_else_the_last_clip_lasts(
    clips: list[tuple[Clip, ClipMedium]], frames: list[int]
) -> None:
    made = _arranged(*clips, lead=8)
    assert [shot.frames for shot in made.shots] == frames
    assert [shot.own for shot in made.shots] == frames
    assert made.picture_frames == 80


@pytest.mark.parametrize(
    ("length", "lead", "frames"),
    [
        (None, 0.5, 10),
        (None, 3, 30),
        ("speech", 0.5, 5),
        ("speech", 3, 30),
        ("picture", 0.5, 10),
        ("picture", 3, 10),
        (2.5, 3, 25),
        (0.8, None, 8),
    ],
)
def test_a_film_is_as_long_as_its_length_says(
    length: Part | float | None, lead: float | None, frames: int
) -> None:
    assert _arranged((_clip(), _film(1)), lead=lead, length=length).picture_frames == frames


def test_a_length_in_seconds_counts_the_end_card() -> None:
    card = EndCard(seconds=1)
    made = _arranged((_clip(), _film(1)), length=3, end_card=card)
    assert (made.picture_frames, made.card_frames) == (20, 10)
    with pytest.raises(MediaError, match="the end card is as long as the film"):
        _arranged((_clip(), _film(1)), length=1, end_card=card)


def test_frames_of_all_formats_are_bounded() -> None:
    long = (_clip(3000), _still())
    assert _arranged(long, formats=("1:1",)).frames == 72_000
    with pytest.raises(MediaError, match="MAX_FRAMES"):
        _arranged(long, formats=("1:1", "9:16", "16:9", "4:5"))


def _narrated(**options: Any) -> Clip:
    return Clip(media=Path("a"), narration=Sound(media=Path("voice"), **options))


def test_a_clip_is_seen_as_long_as_its_narration_and_a_transition_makes_no_pause() -> None:
    clips = (_narrated(), _narrated(), _narrated(at=1))
    composition = Composition(clips=clips, transition=Transition(kind="fade", seconds=0.4))
    lengths = {f"clips[{at}].narration": seconds for at, seconds in enumerate((5, 4.05, 2))}
    made = arrange(composition, [(_still(),), (_film(2),), (_film(2),)], lengths)
    assert made.overlaps == (4, 4)
    assert [(shot.frames, shot.narrated) for shot in made.shots] == [(50, 0), (45, 4), (30, 10)]
    assert made.begins()[1] + 4 == 50


@pytest.mark.parametrize(("length", "frames"), [(None, 60), ("speech", 60), ("picture", 40)])
def test_a_film_is_as_long_as_all_speech_over_it_and_as_no_other_sound(
    length: Part | None, frames: int
) -> None:
    audio = (Sound(media=Path("a"), at=4), Sound(media=Path("b"), at=5, role="effect"))
    made = Composition(clips=(_clip(4),), audio=audio, music=Sound(media=Path("c"), role="music"))
    lengths = {"audio[0]": 2.0, "audio[1]": 3.0, "music": 9.0}
    arranged = arrange(made.model_copy(update={"length": length}), [(_film(9),)], lengths)
    assert arranged.picture_frames == frames


def test_speech_alone_ends_with_that_of_the_last_clip() -> None:
    composition = Composition(clips=(_clip(2), _narrated(), _clip(2)), length="speech")
    lengths = {"clips[1].narration": 1.5}
    assert arrange(composition, [(_film(9),)] * 3, lengths).picture_frames == 35
