"""The timeline for an editing program has the lengths of the film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_cut.composition import Composition
from rivya_cut.final_cut import render
from rivya_cut.results import TIMELINE
from support.composed_media import film, seconds, still, tone

otio = pytest.importorskip("opentimelineio", reason="needs the extra otio")


def _written(folder: Path, **made: Any) -> tuple[Any, float]:
    """The timeline of a cut, and the seconds of its film."""
    (folder / "out").mkdir()
    made["extras"] = ["otio"]
    found = render(Composition.model_validate(made), folder / "out", lambda share: None)
    assert found.timeline == TIMELINE
    read = otio.adapters.read_from_file(str(folder / "out" / TIMELINE))
    return read, seconds(found.media["film.mp4"])


def _ranges(track: Any) -> list[tuple[str, float, float, float]]:
    """Name, begin on the track, begin in the medium, and length of each part, in frames."""
    return [
        (
            one.name,
            one.range_in_parent().start_time.value,
            one.source_range.start_time.value,
            one.source_range.duration.value,
        )
        for one in track
        if not isinstance(one, otio.schema.Transition)
    ]


def test_an_editing_program_finds_clips_sounds_and_captions_at_their_times(tmp_path: Path) -> None:
    read, length = _written(
        tmp_path,
        clips=[
            {"media": film(tmp_path / "a.mp4", sound=0.2), "start": 0.25, "chapter": "One"},
            {"media": still(tmp_path / "b c.png", (96, 64)), "seconds": 1, "chapter": "Two"},
        ],
        transition={"kind": "fade", "seconds": 0.5},
        audio=[{"media": tone(tmp_path / "beep.wav", seconds=0.25), "role": "effect", "at": 0.5}],
        music={"media": tone(tmp_path / "bed.wav", seconds=1)},
        captions={"cues": [{"start": 0.25, "end": 1, "text": "Order\ntoday"}]},
        end_card={"title": "Aurora", "seconds": 0.5},
    )
    assert read.duration().rate == 12
    assert read.duration().to_seconds() == pytest.approx(length, abs=0.02)
    pictures, clips, music, effect = read.tracks
    # 9 and 12 frames share 4: the cut is in the middle of the transition.
    assert _ranges(pictures) == [("a", 0, 3, 7), ("b c", 7, 2, 10), ("end card", 17, 0, 6)]
    [transition] = [one for one in pictures if isinstance(one, otio.schema.Transition)]
    assert transition.transition_type == "SMPTE_Dissolve"
    assert (transition.in_offset.value, transition.out_offset.value) == (2, 2)
    assert _ranges(clips) == [("a", 0, 3, 7), ("", 7, 0, 10)]
    assert _ranges(music) == [("bed", 0, 0, 9), ("bed", 9, 0, 9), ("bed", 18, 0, 5)]
    assert _ranges(effect) == [("", 0, 0, 6), ("beep", 6, 0, 3)]
    fades = [one.out_offset.value for one in music if isinstance(one, otio.schema.Transition)]
    assert fades == [3, 3]  # a repetition begins a quarter of a second before the end
    urls = [one.media_reference.target_url for one in pictures.find_clips()]
    assert urls == ["../a.mp4", "../b%20c.png"]
    assert [
        (one.name, one.marked_range.start_time.value, one.marked_range.duration.value)
        for one in read.tracks.markers
    ] == [("One", 0, 5), ("Two", 5, 18), ("Order today", 3, 9)]


def test_a_frame_that_is_held_is_frozen(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", seconds=1)
    read, _ = _written(tmp_path, clips=[film(tmp_path / "a.mp4", seconds=0.5)], narration=voice)
    moving, held = read.tracks[0]
    assert _ranges(read.tracks[0]) == [("a", 0, 0, 6), ("a", 6, 5, 6)]
    assert not moving.effects
    assert isinstance(held.effects[0], otio.schema.FreezeFrame)


def test_media_elsewhere_are_named_without_their_folders(tmp_path: Path) -> None:
    (tmp_path / "store" / "ab").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    image = still(tmp_path / "store" / "ab" / "a.png", (96, 64))
    read, _ = _written(tmp_path / "run", clips=[image])
    assert [one.media_reference.target_url for one in read.find_clips()] == ["a.png"]


def test_each_part_of_an_edit_lies_inside_its_medium_and_has_room_for_its_transitions(
    tmp_path: Path,
) -> None:
    a = film(tmp_path / "a.mp4", sound=0.2)
    b = film(tmp_path / "b.mp4", seconds=1.5, rate=15)
    voice = tone(tmp_path / "voice.wav", seconds=1)
    kinds = ("fade", "slide", "push", "wipe", "zoom")
    clips = [
        a,
        *({"media": a, "transition": {"kind": kind, "seconds": 0.3}} for kind in kinds),
        {"media": a, "speed": 2, "start": 0.25, "volume": 0},
        {"media": b, "speed": 0.5, "seconds": 1},
        {"media": a, "narration": {"media": voice, "at": 0.25}, "transition": "fade"},
        {"media": a, "transition": {"kind": "fade", "seconds": 0.5}},
    ]
    read, length = _written(
        tmp_path,
        clips=clips,
        music=tone(tmp_path / "bed.wav", seconds=3),
        audio={"media": voice, "role": "effect", "at": 0.5, "start": 0.25, "seconds": 0.5},
        end_card={"title": "Aurora", "seconds": 0.5},
    )
    assert read.duration().to_seconds() == pytest.approx(length, abs=0.02)
    pictures, _, music, *_ = read.tracks
    assert music.duration() == pictures.duration() == read.duration()
    joins = [one.name for one in pictures if isinstance(one, otio.schema.Transition)]
    assert joins == [*kinds, "fade", "fade"]
    for track in read.tracks:
        for before, one, after in zip(track, track[1:], track[2:], strict=False):
            if isinstance(one, otio.schema.Transition):
                assert one.in_offset <= before.duration()
                assert one.out_offset <= after.duration()
    for one in read.find_clips():
        reach = one.source_range
        speed = one.effects[0].time_scalar if one.effects else 1  # 0 of a frame that is held
        end = reach.start_time.to_seconds() + reach.duration.to_seconds() * speed
        assert reach.start_time.to_seconds() >= 0
        whole = one.media_reference.available_range
        assert end <= whole.end_time_exclusive().to_seconds() + 0.5 / 12


def test_sounds_begin_and_end_where_they_are_heard(tmp_path: Path) -> None:
    loud = film(tmp_path / "a.mp4", seconds=0.5, sound=0.2)
    voice = tone(tmp_path / "voice.wav", seconds=1)
    read, _ = _written(
        tmp_path,
        clips=[loud, {"media": loud, "volume": 0}, {"media": loud, "narration": voice}],
        length=2,
        end_card={"title": "Aurora", "seconds": 0.5},
    )
    _, clips, narration = read.tracks
    # Without a sound: the silent clip, and the frame that is held.
    assert _ranges(clips) == [("a", 0, 0, 6), ("", 6, 0, 6), ("a", 12, 0, 6)]
    # It begins with its clip, and the end card is silent.
    assert _ranges(narration) == [("", 0, 0, 12), ("voice", 12, 0, 6)]


def test_media_that_share_the_frame_have_a_track_each(tmp_path: Path) -> None:
    a, b = film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4", seconds=0.5)
    read, _ = _written(tmp_path, clips=[{"media": [a, b]}, a])
    first, second = read.tracks
    assert _ranges(first) == [("a", 0, 0, 12), ("a", 12, 0, 12)]
    assert _ranges(second) == [("b", 0, 0, 6), ("b", 6, 5, 6), ("", 12, 0, 12)]
