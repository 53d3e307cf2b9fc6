"""Which frames become posters."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from rivya_cut.composition import Transition
from rivya_cut.rendering.overlays import Appearance
from rivya_cut.rendering.posters import poster_frames
from rivya_cut.rendering.timeline import ClipMedium, Pane, Shot, Timeline


def _timeline(*frames: int, overlap: int = 10) -> Timeline:
    medium = ClipMedium("clips[0]", Path("a.png"), (96, 64))
    shots = tuple(Shot((Pane(medium, one),), one) for one in frames)
    overlaps = (overlap,) * (len(shots) - 1)
    length = sum(frames) - sum(overlaps)
    joins = (Transition(kind="fade"),) * len(overlaps)
    return Timeline(Fraction(25), shots, overlaps, joins, length)


def test_posters_are_of_different_shots_first_and_in_no_transition() -> None:
    timeline = _timeline(100, 100, 100)  # joins at 90 and 180
    first, *others = poster_frames(timeline, [], 4)
    assert first == 112
    assert others == sorted(others)
    shots = [sum(at >= begin for begin in timeline.begins()) for at in (first, *others)]
    assert set(shots) == {1, 2, 3}
    assert not any(join <= at < join + 10 for join in (90, 180) for at in (first, *others))


def test_no_overlay_comes_or_goes_in_a_poster() -> None:
    title = Appearance(120, 200, 10, 10)
    found = poster_frames(_timeline(100, 100, 100), [title], 3)
    assert all(title.share(at) in (0, 1) for at in found)
    assert title.share(found[0]) == 1


def test_a_film_has_as_many_posters_as_frames() -> None:
    assert sorted(poster_frames(_timeline(3), [], 10)) == [0, 1, 2]
    assert len(poster_frames(_timeline(4, 4, overlap=2), [], 6)) == 6
