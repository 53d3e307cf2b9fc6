"""Arranges clips on one timeline: how many frames of each are shown, and how many overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_DURATION_SECONDS, MAX_FRAMES, beyond
from rivya_cut.composition import Clip, Composition, Transition
from rivya_cut.fields import Part
from rivya_cut.platforms import fit_rate
from rivya_cut.terms import STILL_SECONDS, Motion, Split

_STILL_RATE = Fraction(24)  # frames a second of a film made of stills alone


@dataclass(frozen=True)
class ClipMedium:
    """What is known of a file of a clip.

    Attributes:
        name: Where it stands in the composition, such as ``clips[1]``.
        size: Width and height in pixels as shown.
        rate: Frames a second of a film; None for a still.
        seconds: Length of a film; 0 for a still.
    """

    name: str
    path: Path
    size: tuple[int, int]
    rate: Fraction | None = None
    seconds: float = 0.0
    has_sound: bool = False


@dataclass(frozen=True)
class Pane:
    """A medium of a shot.

    Attributes:
        own: Frames that a film has from `start` on; after them the last is held. 0 for a still.
    """

    medium: ClipMedium
    own: int = 0


@dataclass(frozen=True)
class Shot:
    """A clip on the timeline; times in frames of the timeline.

    Attributes:
        panes: What shares the frame.
        frames: Shown ones, with those that overlap.
        speaks: Whether its sound is speech.
        narrated: The frame of it with which its narration begins.
    """

    panes: tuple[Pane, ...]
    frames: int
    start: float = 0.0
    motion: Motion = "none"
    speaks: bool = False
    speed: float = 1.0
    split: Split = "row"
    narrated: int = 0

    @property
    def medium(self) -> ClipMedium:
        """The first that has a sound, which is heard, or else the first."""
        return self.audible.medium

    @property
    def own(self) -> int:
        """Frames until this medium ends."""
        return self.audible.own or self.frames

    @property
    def audible(self) -> Pane:
        """That of `medium`."""
        return next((one for one in self.panes if one.medium.has_sound), self.panes[0])


@dataclass(frozen=True)
class Timeline:
    """Shots in order and the end card.

    Attributes:
        overlaps: Frames that each shot shares with the next, one fewer than shots.
        transitions: How each shot is followed by the next.
        picture_frames: Those before the end card; the last shot may be cut short by it.
        card_frames: Those of the end card; 0 without one.
    """

    rate: Fraction
    shots: tuple[Shot, ...]
    overlaps: tuple[int, ...]
    transitions: tuple[Transition, ...]
    picture_frames: int
    card_frames: int = 0

    @property
    def frames(self) -> int:
        return self.picture_frames + self.card_frames

    @property
    def seconds(self) -> float:
        return float(self.frames / self.rate)

    def begins(self) -> tuple[int, ...]:
        """The first frame of each shot."""
        found = [0]
        for shot, overlap in zip(self.shots, self.overlaps, strict=False):
            found.append(found[-1] + shot.frames - overlap)
        return tuple(found)


class Beat(NamedTuple):
    """What decides when a clip is seen, in frames or any other unit.

    Attributes:
        length: How long it is shown for its own sake.
        overlap: What its transition takes of it and of the clip before it.
        at: When its narration begins, from its begin.
        narration: How long that is heard; 0 without any.
        speech: When its own sound ends, from its begin, if that is speech; or else 0.
    """

    length: int
    overlap: int = 0
    at: int = 0
    narration: int = 0
    speech: int = 0


class Slot(NamedTuple):
    """When a clip is seen, as long as its narration, and when that begins, from its begin."""

    begin: int
    length: int
    overlap: int
    narrated: int

    @property
    def end(self) -> int:
        return self.begin + self.length


def join(beats: Iterable[Beat]) -> list[Slot]:
    """Clips after each other, less what they overlap: never more than half of a clip.

    A narration begins when its clip alone is seen. The one before it may last until then, so that a
    transition makes no pause between them.
    """
    made: list[Slot] = []
    for length, overlap, at, narration, _ in beats:
        begin = 0
        if made:
            most = max(length // 2, narration and max(narration, (at + narration) // 2))
            overlap = min(overlap, made[-1].length // 2, most)
            begin = made[-1].end - overlap
        else:
            overlap = 0
        narrated = max(at, overlap)
        length = max(length, narration and narrated + narration)
        made.append(Slot(begin, length, overlap, narrated))
    return made


def picture_length(
    beats: Sequence[Beat], speech: int, card: int, length: Part | int | None = None
) -> int:
    """When the picture of a film ends, without its end card.

    Args:
        speech: When the last speech over the whole film ends; 0 without any.
        length: Of the film, with the end card.
    """
    slots = join(beats)
    own = slots[-1].end if slots else 0
    match length:
        case None:
            return max(own, speech)
        case "speech":
            ends = (
                slot.begin + max(beat.speech, beat.narration and slot.narrated + beat.narration)
                for beat, slot in zip(beats, slots, strict=True)
                if beat.speech or beat.narration
            )
            return max(speech, *ends, 0) or own
        case "picture":
            return own
        case _:
            return length - card


def arrange(
    composition: Composition, media: Sequence[tuple[ClipMedium, ...]], lengths: Mapping[str, float]
) -> Timeline:
    """The timeline of a composition; `media` are those of each clip.

    Its rate is `fps`, or else that of the first film, at most 60, or 24, within what the platforms
    take. Clips follow each other, less what they overlap: never more than half of a clip. One with a
    narration is seen until that ends. If they must last longer, as the speech of the film does or
    `length` says, the stills without `seconds` share what is missing; without such a still, the last
    frame of the last clip is held. If they must be shorter, the picture ends there. The end card comes
    after it.

    Args:
        lengths: Seconds that each sound is heard, by where it stands, such as ``clips[0].narration``;
            without those that repeat until the end.
    """
    rate = _rate(composition, media)
    clips = composition.clips
    shots = [_shot(clip, shared, rate) for clip, shared in zip(clips, media, strict=True)]
    transitions = tuple(clip.transition or composition.transition for clip in clips[1:])
    beats = [*_beats(clips, shots, (Transition(), *transitions), lengths, rate)]
    slots = join(beats)
    shots = [
        replace(shot, frames=slot.length, narrated=slot.narrated)
        for shot, slot in zip(shots, slots, strict=True)
    ]
    overlaps = tuple(slot.overlap for slot in slots[1:])
    card = 0 if composition.end_card is None else _count(composition.end_card.seconds, rate)
    speech = max(_speech_ends(composition, lengths, rate), default=0)
    asked = composition.length
    limit = _count(asked, rate) if isinstance(asked, int | float) else asked
    length = picture_length(beats, speech, card, limit)
    if length < 1:
        raise MediaError("the end card is as long as the film", "make `length` longer")
    open_ = [at for at, one in enumerate(clips) if one.seconds is None and is_still(media[at])]
    shots = _lengthen(shots, open_, max(0, length - slots[-1].end))
    timeline = Timeline(rate, tuple(shots), overlaps, transitions, length, card)
    films = max(1, len(composition.formats) + len(composition.platforms)) * (
        2 if "clean" in composition.extras else 1
    )
    if timeline.frames * films > MAX_FRAMES:
        raise beyond("the composition", f"{MAX_FRAMES:,} frames in all formats", "MAX_FRAMES")
    if timeline.seconds > MAX_DURATION_SECONDS:
        raise beyond("the composition", f"{MAX_DURATION_SECONDS:,} s", "MAX_DURATION_SECONDS")
    return timeline


def _rate(composition: Composition, media: Sequence[Sequence[ClipMedium]]) -> Fraction:
    if composition.fps is not None:
        # 29.97 and 59.94 are short for those of television.
        rate = Fraction(round(composition.fps) * 1000, 1001)
        near = abs(float(rate) - composition.fps) < 0.005
        return rate if near else Fraction(composition.fps).limit_denominator(1001)
    rates = (one.rate for shared in media for one in shared if one.rate is not None)
    rate = min(next(rates, _STILL_RATE), Fraction(60))
    return fit_rate(composition.platforms, rate) if composition.platforms else rate


def is_still(media: Sequence[ClipMedium]) -> bool:
    """Whether no film is among what shares a frame."""
    return all(one.rate is None for one in media)


def _shot(clip: Clip, media: Sequence[ClipMedium], rate: Fraction) -> Shot:
    """It lasts as the longest film, or as its clip says, if that is less or there is no film."""
    limit = None if clip.seconds is None else _count(clip.seconds, rate)
    panes = tuple(_pane(clip, medium, rate, limit) for medium in media)
    frames = max(pane.own for pane in panes) or limit or _count(STILL_SECONDS, rate)
    shot = Shot(panes, frames, clip.start, clip.motion, False, clip.speed, clip.split)
    return replace(shot, speaks=bool(clip.speaks) and shot.medium.has_sound)


def _pane(clip: Clip, medium: ClipMedium, rate: Fraction, limit: int | None) -> Pane:
    if medium.rate is None:
        return Pane(medium)
    seconds = medium.seconds - clip.start
    if seconds * rate < (clip.speed - 1e-6 if clip.start else 0.5):
        raise MediaError(
            f"{medium.name}: {medium.path}: lasts {medium.seconds:.2f} s; `start` is "
            f"{clip.start:g} s",
            "let it start before its end",
        )
    own = _count(seconds / clip.speed, rate)
    return Pane(medium, own if limit is None else min(own, limit))


def _count(seconds: float, rate: Fraction) -> int:
    return max(1, round(seconds * rate))


def wanted_overlap(transition: Transition, rate: Fraction) -> int:
    """The frames that a transition takes where both clips are long enough."""
    return 0 if transition.kind == "cut" else _count(transition.seconds, rate)


def _beats(
    clips: Sequence[Clip],
    shots: Sequence[Shot],
    transitions: Sequence[Transition],
    lengths: Mapping[str, float],
    rate: Fraction,
) -> Iterator[Beat]:
    for index, (clip, shot, transition) in enumerate(zip(clips, shots, transitions, strict=True)):
        at = 0.0 if clip.narration is None else clip.narration.at
        spoken = lengths.get(f"clips[{index}].narration", 0.0)
        yield Beat(
            shot.frames,
            wanted_overlap(transition, rate),
            round(at * rate),
            _until(spoken, rate),
            min(shot.own, shot.frames) if shot.speaks else 0,
        )


def _speech_ends(
    composition: Composition, lengths: Mapping[str, float], rate: Fraction
) -> Iterator[int]:
    """The frame at which each speech over the whole film ends."""
    for name, sound in composition.sounds.items():
        if sound.role == "speech" and name in lengths:
            yield _until(sound.at + lengths[name], rate)


def _until(seconds: float, rate: Fraction) -> int:
    """The frames that are needed to hear so many seconds."""
    return math.ceil(seconds * rate - 1e-6)


def _lengthen(shots: Sequence[Shot], stills: Sequence[int], missing: int) -> list[Shot]:
    """The shots with as many more frames: shared by some stills, or else of the last shot."""
    made, longer = [*shots], stills or (len(shots) - 1,)
    for place, at in enumerate(longer):
        more = missing * (place + 1) // len(longer) - missing * place // len(longer)
        made[at] = replace(made[at], frames=made[at].frames + more)
    return made
