"""Where the captions of one film stand, beside its overlays."""

from __future__ import annotations

from fractions import Fraction

from rivya_flows.language.subtitles import Cue
from rivya_flows.media.edit import Captions, Composition, Overlay, Transition
from rivya_flows.media.rendering.drawn import Drawn
from rivya_flows.media.rendering.timeline import Timeline

_FILM = Timeline(Fraction(20), (), (), Transition(), picture_frames=160, card_frames=0)
_SIZE = (540, 540)
_CUES = (
    Cue(0, 1.9, "Before the price"),
    Cue(2, 5, "While the price is on the film, in a caption of two lines that is long"),
    Cue(5.2, 8, "After it"),
)


def _spans(overlay: Overlay, captions: Captions) -> list[tuple[int, int]]:
    """Top and bottom of each caption."""
    made = Composition(captions=captions, overlays=(overlay,))
    drawn = Drawn(made, captions.cues, _FILM, _SIZE)
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
