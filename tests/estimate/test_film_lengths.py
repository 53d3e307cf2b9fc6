"""A plan and the renderer say the same of how long a film is."""

from __future__ import annotations

from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import Any

from hypothesis import assume, example, given, settings, strategies as st

from rivya_client.errors import MediaError
from rivya_cut.composition import Composition
from rivya_cut.placing import heard_seconds, sounds_of
from rivya_cut.rendering.timeline import ClipMedium, Timeline, arrange, wanted_overlap
from rivya_flows.language.cut_places import CutMedium, media_in, whole_forms, with_media
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.steps.cut import without_nulls
from rivya_flows.steps.cut_lengths import film_spans, length_problems, start_problems

_RATE = Fraction(60)  # all times below are whole frames of it
_FRAMES = 2 / 60
_STILL = {"kind": "image", "sha256": "a"}
_SOUND = {"kind": "audio", "sha256": "a", "duration_seconds": 1.0}
_TIMES = st.integers(1, 40).map(lambda tenths: tenths / 10)
_STARTS = st.integers(0, 20).map(lambda tenths: tenths / 10)


def _asset(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    if kind == "image":
        return st.just(_STILL)
    return st.builds(
        lambda seconds: {"kind": kind, "sha256": "a", "duration_seconds": seconds}, _TIMES
    )


def _some(needed: dict[str, Any], **optional: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries(needed, optional=optional)


_SOUNDS = _some(
    {"media": _asset("audio")},
    role=st.sampled_from(["speech", "effect", "music"]),
    at=_STARTS | _TIMES.map(lambda one: one * 3),
    start=_STARTS,
    seconds=_TIMES,
    repeat=st.booleans(),
)
_TRANSITIONS = st.builds(
    lambda kind, seconds: {"kind": kind, **({} if kind == "cut" else {"seconds": seconds})},
    st.sampled_from(["cut", "fade", "push"]),
    _TIMES,
)
_CLIPS = _some(
    {"media": st.lists(_asset("video") | _asset("image"), min_size=1, max_size=2)},
    seconds=_TIMES,
    start=_STARTS,
    speed=st.sampled_from([0.5, 1.0, 2.0]),
    transition=_TRANSITIONS,
    narration=_SOUNDS | st.none(),
    speaks=st.booleans(),
)
_FILMS = _some(
    {"clips": st.lists(_CLIPS | _asset("image") | _asset("video"), min_size=1, max_size=4)},
    transition=_TRANSITIONS,
    narration=_SOUNDS,
    music=_SOUNDS | _asset("audio"),
    audio=st.lists(_SOUNDS | _asset("audio") | st.none(), max_size=3),
    overlays=st.lists(_some({"text": st.just("a")}, start=_STARTS.map(lambda one: one * 6)), max_size=1),
    end_card=_some({"title": st.just("a")}, seconds=_TIMES),
    length=st.sampled_from(["speech", "picture"]) | _TIMES,
)  # fmt: skip

_HIDDEN = st.tuples(
    st.lists(st.integers(0, 3), min_size=1, max_size=9),
    st.sets(st.sampled_from(["transition", "audio", "end_card", "length"])),
)


def _rendered(whole: dict[str, Any]) -> tuple[Composition, Timeline]:
    """The timeline of a film as the renderer arranges it; its media all have a sound."""
    seconds = [one.value.get("duration_seconds") for one in media_in(whole)]
    places = iter(range(len(seconds)))
    made = Composition.model_validate(with_media(whole, lambda _: str(next(places))) | {"fps": 60})

    def length(path: Path) -> float | None:
        found: float | None = seconds[int(path.name)]
        return found

    def medium(path: Path) -> ClipMedium:
        lasts = length(path)
        rate = None if lasts is None else _RATE
        return ClipMedium("", path, (8, 8), rate, lasts or 0.0, lasts is not None)

    heard = {
        name: heard_seconds(sound, length(sound.media) or 0.0)
        for name, sound in sounds_of(made).items()
    }
    lengths = {name: one for name, one in heard.items() if one is not None}
    return made, arrange(made, [tuple(map(medium, clip.media)) for clip in made.clips], lengths)


def _speaks(made: Composition, whole: dict[str, Any]) -> bool:
    """Whether there is speech, as the renderer checks it; an image has no voice."""
    films = (any("duration_seconds" in one for one in clip["media"]) for clip in whole["clips"])
    own = any(
        clip.narration or (clip.speaks and film)
        for clip, film in zip(made.clips, films, strict=True)
    )
    return own or any(one.role == "speech" for one in made.sounds.values())


def _hide(medium: CutMedium, hidden: int) -> Any:
    """A medium of which its length or all is unknown."""
    lasts = medium.value.get("duration_seconds")
    if hidden == 1:
        return Unknown()
    return {**medium.value, "duration_seconds": None} if lasts and hidden == 2 else medium.value


@settings(max_examples=200)
@example({"clips": [_STILL], "music": {"media": _SOUND, "role": "speech"}, "length": "speech"}, ([0], set()))  # fmt: skip
@example({"clips": [_STILL], "end_card": {"title": "a"}, "audio": [{"media": _SOUND, "role": "effect", "at": 4}]}, ([0], set()))  # fmt: skip
@given(_FILMS, _HIDDEN)
def test_a_film_is_as_long_as_the_plan_says_and_the_plan_refuses_nothing_that_is_right(
    written: dict[str, Any], hidden: tuple[list[int], set[str]]
) -> None:
    whole = without_nulls(whole_forms(written))
    try:
        made, timeline = _rendered(whole)
    except MediaError:
        assume(False)
    images = [
        clip for clip in whole["clips"]
        if clip.get("speaks") and not any("duration_seconds" in one for one in clip["media"])
    ]  # fmt: skip
    assume(not images)  # refused
    assume(made.length != "speech" or _speaks(made, whole))
    split = any(clip.get("speaks") and len(clip["media"]) > 1 for clip in whole["clips"])

    known = film_spans(whole)[1]
    assert known[0] - _FRAMES <= timeline.seconds <= known[1] + _FRAMES
    assert known[0] == known[1] or split
    _refuses_rightly(whole, made, timeline)

    how, keys = cycle(hidden[0]), hidden[1]
    partly = with_media(whole, lambda medium: _hide(medium, next(how)))
    for key in keys:
        partly |= {key: Unknown()} if key in partly else {}
    least, most = film_spans(partly)[1]
    assert least - _FRAMES <= timeline.seconds <= most + _FRAMES
    _refuses_rightly(partly, made, timeline)


def _refuses_rightly(given: dict[str, Any], made: Composition, timeline: Timeline) -> None:
    assert not [*start_problems(given)]
    problems = [one.message for one in length_problems(given)]
    wanted = [wanted_overlap(one, timeline.rate) for one in timeline.transitions]
    if any("of transitions" in one for one in problems):
        assert any(a < b for a, b in zip(timeline.overlaps, wanted, strict=True))
    if any("starts at" in one for one in problems):
        late = any(one.start >= float(timeline.picture_frames / timeline.rate) - _FRAMES for one in made.overlays)  # fmt: skip
        late = late or any(one.at >= timeline.seconds - _FRAMES for one in made.audio)
        assert late
