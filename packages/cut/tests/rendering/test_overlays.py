"""When overlays and captions are seen, and what lies on what."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from PIL import Image

from rivya_cut.composition import Captions, Composition, Overlay
from rivya_cut.rendering.overlays import (
    Appearance,
    Drawn,
    Sight,
    StampSchedule,
    of_cues,
    of_overlay,
)
from rivya_cut.rendering.planes import Stamp, stamp
from rivya_cut.rendering.timeline import Timeline
from rivya_cut.subtitles import Cue

_FILM = Timeline(Fraction(20), (), (), (), picture_frames=100, card_frames=40)


def test_an_overlay_fades_in_and_out_and_stays_until_the_end_card() -> None:
    assert of_overlay(Overlay(text="a"), _FILM) == Appearance(0, 100)
    assert of_overlay(Overlay(text="a", start=4.5, seconds=9), _FILM) == Appearance(90, 100, 3, 0)
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
