"""Arranges clips on one timeline: how many frames of each are shown, and how many overlap."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_DURATION_SECONDS, MAX_FRAMES, beyond
from rivya_cut.composition import Clip, Composition, Transition
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
    alone = [_shot(clip, shared, rate) for clip, shared in zip(clips, media, strict=True)]
    transitions = tuple(clip.transition or composition.transition for clip in clips[1:])
    shots, overlaps = _join(alone, clips, transitions, lengths, rate)
    own = sum(shot.frames for shot in shots) - sum(overlaps)
    card = composition.end_card
    card_frames = 0 if card is None else _count(card.seconds, rate)
    timeline = Timeline(rate, shots, overlaps, transitions, own, card_frames)
    over_all = max(
        (math.ceil(end * rate - 1e-6) for end in _speech_ends(composition, lengths)), default=0
    )
    spoken = max(over_all, *_clip_speech_ends(timeline, lengths))
    match composition.length:
        case None:
            length = max(own, over_all)
        case "speech":
            length = spoken or own
        case "picture":
            length = own
        case seconds:
            length = _count(seconds, rate) - card_frames
    if length < 1:
        raise MediaError("the end card is as long as the film", "make `length` longer")
    open_ = [at for at, one in enumerate(clips) if one.seconds is None and is_still(media[at])]
    shots = _lengthen(shots, open_, max(0, length - own))
    timeline = replace(timeline, shots=shots, picture_frames=length)
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


def _join(
    shots: Sequence[Shot],
    clips: Sequence[Clip],
    transitions: Sequence[Transition],
    lengths: Mapping[str, float],
    rate: Fraction,
) -> tuple[tuple[Shot, ...], tuple[int, ...]]:
    """The shots, as long as their narrations, and what they overlap.

    A narration begins when its clip alone is seen. The one before it may last until then, so that a
    transition makes no pause between them.
    """
    made: list[Shot] = []
    overlaps: list[int] = []
    for index, (clip, shot) in enumerate(zip(clips, shots, strict=True)):
        spoken = math.ceil(lengths.get(f"clips[{index}].narration", 0.0) * rate - 1e-6)
        begin = 0 if clip.narration is None else round(clip.narration.at * rate)
        if made:
            most = max(shot.frames // 2, spoken and max(spoken, (begin + spoken) // 2))
            wanted = wanted_overlap(transitions[index - 1], rate)
            overlaps.append(min(wanted, made[-1].frames // 2, most))
            begin = max(begin, overlaps[-1])
        frames = max(shot.frames, spoken and begin + spoken)
        made.append(replace(shot, frames=frames, narrated=begin))
    return tuple(made), tuple(overlaps)


def _speech_ends(composition: Composition, lengths: Mapping[str, float]) -> Iterator[float]:
    """When each speech over the whole film ends, in seconds."""
    for name, sound in composition.sounds.items():
        if sound.role == "speech" and name in lengths:
            yield sound.at + lengths[name]


def _clip_speech_ends(timeline: Timeline, lengths: Mapping[str, float]) -> Iterator[int]:
    """The frame at which the speech of each clip ends; 0 without any."""
    for index, (shot, begin) in enumerate(zip(timeline.shots, timeline.begins(), strict=True)):
        spoken = lengths.get(f"clips[{index}].narration")
        own = begin + min(shot.own, shot.frames) if shot.speaks else 0
        yield (
            own
            if spoken is None
            else max(own, begin + shot.narrated + math.ceil(spoken * timeline.rate - 1e-6))
        )


def _lengthen(shots: tuple[Shot, ...], stills: Sequence[int], missing: int) -> tuple[Shot, ...]:
    """The shots with as many more frames: shared by some stills, or else of the last shot."""
    made, longer = [*shots], stills or (len(shots) - 1,)
    for place, at in enumerate(longer):
        more = missing * (place + 1) // len(longer) - missing * place // len(longer)
        made[at] = replace(made[at], frames=made[at].frames + more)
    return tuple(made)
