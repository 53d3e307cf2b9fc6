"""How long films and their clips are, as far as that is known, and what does not fit into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, get_args

from rivya_cut.composition import MAX_TRANSITION
from rivya_cut.platforms import too_long
from rivya_cut.rendering.timeline import Beat, join, picture_length
from rivya_cut.terms import STILL_SECONDS, Platform, TransitionKind
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.cut_places import Values, each_of, maps_in, members_of
from rivya_flows.language.expressions.output_types import Unknown, has_unknown
from rivya_flows.language.expressions.values import is_number
from rivya_flows.language.final_cut import medium_kind
from rivya_flows.language.syntax.tree import Path
from rivya_flows.steps.cut_speech import clip_speech, is_speech, sounds_in

Span = tuple[float, float]
"""The least and the greatest of a length in seconds; `inf` if that is not known."""

_UNITS = 1_000  # of a second, in which a plan counts as the renderer does in frames
_ENDLESS = 1e9  # seconds

NOTHING: Span = (0.0, 0.0)
UNKNOWN: Span = (0.0, inf)


def start_problems(given: Values) -> Iterator[Diagnostic]:
    """Clips that begin after the end of their video."""
    clips = members_of(given.get("clips"))
    for index, clip in enumerate(clips):
        if any(most <= 0 for _, most in _video_spans(clip)):
            message = f"clip {index + 1} starts after the end of its video"
            yield _wrong_value(_at(clips, index, "start"), message, "write an earlier second")


def length_problems(given: Values) -> Iterator[Diagnostic]:
    """Clips too short for their transitions, and what would never be seen or heard; once media are bought no
    reason to fail: a transition then takes half of a clip at most.
    """
    clips, beats = members_of(given.get("clips")), _beats(given, 1)
    overlaps = [beat.overlap / _UNITS for beat in beats[1:]]
    for index, length in enumerate(one.length / _UNITS for one in join(beats)):
        taken = sum(overlaps[max(0, index - 1) : index + 1])
        if 0 < length < taken:
            message = f"clip {index + 1} is shown for {length:g} s, which is shorter than its {taken:g} s of transitions"
            hint = "show it longer, or make the transition shorter"
            yield _wrong_value(_at(clips, index, "seconds"), message, hint)
    picture, whole = film_spans(given)
    if picture[1] <= 0 < whole[0] == whole[1]:
        hint = "make `length` longer, or the card shorter"
        yield _wrong_value(("length",), "the end card is as long as the film", hint)
    for message in too_long(platforms_in(given), whole[0]):
        at = "length" if given.get("length") is not None else "for"
        yield _wrong_value((at,), message, "make it shorter, or remove the platform")
    for key, place, what, (_, end) in (
        ("overlays", "start", "overlay", picture),
        ("audio", "at", "sound", whole),
    ):
        for index, one in maps_in(given.get(key)):
            start = one.get(place)
            if is_number(start) and start >= end > 0:
                ends = "the clips end" if end == picture[1] else "the film ends"
                message = f"the {what} starts at {start:g} s, but {ends} at {end:g} s"
                yield _wrong_value((key, index, place), message, "write an earlier second")


def platforms_in(given: Values) -> list[Platform]:
    """The platforms that a film is for, as far as they are known."""
    return [one for one in get_args(Platform) if one in each_of(given.get("for"))]


def _at(clips: Sequence[Any], index: int, key: str) -> Path:
    clip = clips[index]
    has = isinstance(clip, Mapping) and clip.get(key) is not None
    return ("clips", index, key) if has else ("clips", index)


def film_spans(given: Values) -> tuple[Span, Span]:
    """When the picture of a film ends, and the film, which an end card may follow."""
    speech, card, asked = speech_span(given), given.get("end_card"), given.get("length")
    beats = _beats(given, 0), _beats(given, 1)
    # Speech of an unknown length makes a film of its length shorter than the clips.
    ends = speech[1] > 0 or any(one.narration or one.speech for one in beats[1])
    speech = max(speech[0], ends / _UNITS), speech[1]
    seconds = _number(card, "seconds", 2.0) if card is not None else NOTHING
    length = asked if asked in (None, "speech", "picture") else _units(_number(given, "length")[0])
    least, most = (
        picture_length(beats[side], _units(speech[side]), _units(seconds[side]), length)
        for side in (0, 1)
    )
    if isinstance(asked, Unknown):
        return UNKNOWN, UNKNOWN
    picture = _seconds(min(least, most)), _seconds(max(least, most))
    if isinstance(length, int):
        return picture, (_seconds(length), _seconds(length))
    return picture, (picture[0] + seconds[0], picture[1] + seconds[1])


def speech_span(given: Values) -> Span:
    """When the last speech over the whole film ends."""
    found = [NOTHING]
    for sound in filter(is_speech, sounds_in(given)):
        at, (least, most) = _number(sound, "at", 0.0), heard_span(sound)
        is_known = isinstance(sound, Mapping) and not isinstance(sound.get("role"), Unknown)
        found.append((is_known and least and at[0] + least, most and at[1] + most))
    return _longest(*found)


def _beats(given: Values, side: int) -> list[Beat]:
    """The clips as short as they may be, or as long, in units; an unknown list of them is one."""
    clips = each_of(given.get("clips"))
    whole, other = given.get("transition"), 1 - side
    own = (one.get("transition") if isinstance(one, Mapping) else None for one in clips)
    overlaps = [
        UNKNOWN if isinstance(clip, Unknown) else _overlap(whole if one is None else one)
        for clip, one in zip(clips, own, strict=True)
    ]
    return [
        Beat(
            _units(shown_span(clip)[side]),
            _units(min(overlap[other], MAX_TRANSITION)),
            *(_units(span[side]) for span in (*_narration(clip), _own_speech(clip))),
        )
        for clip, overlap in zip(clips, overlaps, strict=True)
    ]


def _overlap(transition: Any) -> Span:
    if transition is None:
        return NOTHING
    if not isinstance(transition, Mapping):
        return UNKNOWN
    kind = transition.get("kind") or "cut"
    if kind == "cut":
        return NOTHING
    seconds = _number(transition, "seconds", 0.4)
    return seconds if kind in get_args(TransitionKind) and seconds[1] <= MAX_TRANSITION else UNKNOWN


def _narration(clip: Any) -> tuple[Span, Span]:
    """When the narration of a clip begins, and how long it is heard."""
    narration = clip.get("narration") if isinstance(clip, Mapping) else None
    if isinstance(clip, Mapping) and narration is None:
        return NOTHING, NOTHING
    return _number(narration, "at", 0.0), heard_span(narration)


def _own_speech(clip: Any) -> Span:
    """When the speech of the medium of a clip ends, or may end."""
    is_map = isinstance(clip, Mapping)
    if not clip_speech({**clip, "narration": None} if is_map else clip).speaks:
        return NOTHING
    least, most = shown_span(clip)
    if has_unknown(clip) and not (is_map and clip.get("speaks") is True):
        return 0.0, most
    # Of several videos one is heard, which may be the shortest.
    return min(least, *(one[0] for one in _video_spans(clip)), inf), most


def shown_span(clip: Any) -> Span:
    """How long a clip is shown for its own sake."""
    if not isinstance(clip, Mapping):
        return UNKNOWN
    media = members_of(clip.get("media"))
    if media and all(medium_kind(one) == "image" for one in media):
        return _number(clip, "seconds", STILL_SECONDS)
    return _shortest(_longest(*_video_spans(clip), NOTHING) if media else UNKNOWN, _limit(clip))


def _video_spans(clip: Any) -> list[Span]:
    """How much of each video of a clip there is, from its start on; below 0 if that is after its end."""
    media = members_of(clip.get("media")) if isinstance(clip, Mapping) else ()
    films = [one for one in media if medium_kind(one) != "image"]
    start, speed = _number(clip, "start", 0.0), _number(clip, "speed", 1.0)
    if start[0] != start[1] or speed[0] != speed[1] or speed[0] <= 0:
        return [UNKNOWN for _ in films]
    return [
        ((least - start[0]) / speed[0] if least else 0.0, (most - start[0]) / speed[0])
        for least, most in (_number(one, "duration_seconds", None) for one in films)
    ]


def heard_span(sound: Any) -> Span:
    """How long a sound is heard; 0 if it repeats until the end of the film."""
    if not isinstance(sound, Mapping):
        return UNKNOWN
    limit, repeats = _limit(sound), sound.get("repeat")
    whole, start = _number(sound.get("media"), "duration_seconds"), _number(sound, "start", 0.0)
    once = _shortest((max(0.0, whole[0] - start[1]), max(0.0, whole[1] - start[0])), limit)
    if repeats is None or repeats is False:
        return once
    again = NOTHING if sound.get("seconds") is None else limit
    return again if repeats is True else (min(once[0], again[0]), max(once[1], again[1]))


def _limit(part: Values) -> Span:
    return (inf, inf) if part.get("seconds") is None else _number(part, "seconds")


def _number(part: Any, key: str, default: float | None = None) -> Span:
    """A number of a map; unknown if there is none and no default."""
    if not isinstance(part, Mapping):
        return UNKNOWN
    value = default if part.get(key) is None else part[key]
    return (float(value), float(value)) if is_number(value) else UNKNOWN


def _longest(*spans: Span) -> Span:
    return max(least for least, _ in spans), max(most for _, most in spans)


def _shortest(*spans: Span) -> Span:
    return min(least for least, _ in spans), min(most for _, most in spans)


def _units(seconds: float) -> int:
    return round(min(max(0.0, seconds), _ENDLESS) * _UNITS)


def _seconds(units: int) -> float:
    return inf if units > _ENDLESS * _UNITS / 2 else units / _UNITS


def _wrong_value(path: Path, message: str, hint: str) -> Diagnostic:
    return Diagnostic("wrong-value", message, hint, path=path)
