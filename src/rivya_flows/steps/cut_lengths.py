"""How long films and their clips are, as far as that is known, and what does not fit into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, get_args

from rivya_cut.composition import MAX_TRANSITION
from rivya_cut.terms import STILL_SECONDS, TransitionKind
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.cut_places import Values, each_of, maps_in, members_of
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.values import is_number
from rivya_flows.language.final_cut import medium_kind
from rivya_flows.language.syntax.tree import Path
from rivya_flows.steps.cut_speech import is_speech, sounds_in


def start_problems(given: Values) -> Iterator[Diagnostic]:
    """Clips that begin after the end of their video."""
    clips = members_of(given.get("clips"))
    for index, clip in enumerate(clips):
        length = shown_seconds(clip)
        if length is not None and length <= 0:
            message = f"clip {index + 1} starts after the end of its video"
            yield _wrong_value(_at(clips, index, "start"), message, "write an earlier second")


def length_problems(given: Values) -> Iterator[Diagnostic]:
    """Clips too short for their transitions, and what would never be seen or heard; once media are bought no
    reason to fail: a transition then takes half of a clip at most.
    """
    clips, overlaps = members_of(given.get("clips")), overlaps_in(given)
    lengths = [most if least == most else None for least, most in beat_spans(given)]
    for index, length in enumerate(lengths):
        around = overlaps[max(0, index - 1) : index + 1]
        taken = sum(one for one in around if one is not None)
        if length is not None and 0 < length < taken:
            message = f"clip {index + 1} is shown for {length:g} s, which is shorter than its {taken:g} s of transitions"
            hint = "show it longer, or make the transition shorter"
            yield _wrong_value(_at(clips, index, "seconds"), message, hint)
    known = [length for length in (*lengths, *overlaps) if length is not None]
    if not clips or len(known) < len(lengths) + len(overlaps):
        return
    if {"narration", "length"} & given.keys() or any(map(is_speech, sounds_in(given))):
        return
    end = sum(known) - 2 * sum(one for one in overlaps if one is not None)
    for key, place, what in (("overlays", "start", "overlay"), ("audio", "at", "sound")):
        for index, one in maps_in(given.get(key)):
            start = one.get(place)
            if is_number(start) and start >= end > 0:
                message = f"the {what} starts at {start:g} s, but the clips end at {end:g} s"
                yield _wrong_value((key, index, place), message, "write an earlier second")


def _at(clips: Sequence[Any], index: int, key: str) -> Path:
    clip = clips[index]
    has = isinstance(clip, Mapping) and clip.get(key) is not None
    return ("clips", index, key) if has else ("clips", index)


def overlaps_in(given: Values) -> list[float | None]:
    """For how long each clip and the next one overlap; None if not known."""
    clips, whole = members_of(given.get("clips")), given.get("transition")
    own = (one.get("transition") if isinstance(one, Mapping) else None for one in clips[1:])
    return [
        None if isinstance(clip, Unknown) else _overlap_seconds(whole if one is None else one)
        for clip, one in zip(clips[1:], own, strict=True)
    ]


def _overlap_seconds(transition: Any) -> float | None:
    if transition is None:
        return 0.0
    if not isinstance(transition, Mapping):
        return None
    kind, seconds = transition.get("kind", "cut"), transition.get("seconds", 0.4)
    if kind == "cut":
        return 0.0
    known = kind in get_args(TransitionKind) and is_number(seconds) and seconds <= MAX_TRANSITION
    return float(seconds) if known else None


Span = tuple[float, float]
"""The least and the greatest of a length that may be unknown."""


def span_of(seconds: Any) -> Span:
    return (float(seconds), float(seconds)) if is_number(seconds) else (0.0, inf)


def beat_spans(given: Values) -> list[Span]:
    """How long each clip is shown, with its narration; an unknown list of clips is one of them."""
    overlaps = [0.0, *overlaps_in(given)]
    return [
        longest(span_of(shown_seconds(clip)), narration_span(clip, overlap), (0.0, 0.0))
        for clip, overlap in zip(each_of(given.get("clips")), overlaps, strict=False)
    ]


def narration_span(clip: Any, overlap: float | None) -> Span:
    """When the narration of a clip ends, from its begin; it begins when the clip before is not seen any more."""
    narration = clip.get("narration") if isinstance(clip, Mapping) else None
    if narration is None:
        return (0.0, 0.0)
    at = narration.get("at", 0.0) if isinstance(narration, Mapping) else None
    least, most = sound_span(narration)
    if not is_number(at):
        return least, most
    later = span_of(overlap) if overlap is not None else (0.0, MAX_TRANSITION)
    return least + max(0.0, later[0] - at), most + max(0.0, later[1] - at)


def longest(*spans: Span) -> Span:
    """The span of the longest of several lengths."""
    return max(least for least, _ in spans), max(most for _, most in spans)


def sound_span(sound: Any) -> Span:
    """When a sound ends, from the begin of its film or clip."""
    if not isinstance(sound, Mapping):
        return (0.0, inf)
    medium, seconds = sound.get("media"), sound.get("seconds")
    at, start = (sound.get(key, 0.0) for key in ("at", "start"))
    left = medium.get("duration_seconds") if isinstance(medium, Mapping) else None
    if not is_number(at) or not is_number(start):
        return (0.0, inf)
    least, most = span_of(max(0.0, left - start) if is_number(left) else None)
    if seconds is not None:
        least = min(least, seconds) if is_number(seconds) else 0.0
        most = min(most, span_of(seconds)[1])
    return at + least, at + most


def shown_seconds(clip: Any) -> float | None:
    """How long a clip is shown for its own sake; None if not known. Not above 0: nothing is left of it."""
    if not isinstance(clip, Mapping):
        return None
    media, seconds = members_of(clip.get("media")), clip.get("seconds")
    start, speed = clip.get("start", 0.0), clip.get("speed", 1.0)
    films = [one for one in media if medium_kind(one) != "image"]
    lengths = [one.get("duration_seconds") if isinstance(one, Mapping) else None for one in films]
    left = None
    known = [one for one in lengths if is_number(one)]
    if films and len(known) == len(films) and is_number(start) and is_number(speed) and speed > 0:
        left = (max(known) - start) / speed
    elif media and not films:
        left = STILL_SECONDS if seconds is None else None
    if is_number(seconds) and (left is None or left > 0):
        # The model of a clip reports another.
        return min(float(seconds), left or inf) if seconds > 0 else None
    return left if seconds is None or is_number(seconds) else None


def _wrong_value(path: Path, message: str, hint: str) -> Diagnostic:
    return Diagnostic("wrong-value", message, hint, path=path)
