"""Arranges clips on one timeline: how many frames of each are shown, and how many overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_DURATION_SECONDS, MAX_FRAMES, beyond
from rivya_cut.composition import Clip, Composition, Transition
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
    """

    panes: tuple[Pane, ...]
    frames: int
    start: float = 0.0
    motion: Motion = "none"
    speaks: bool = False
    speed: float = 1.0
    split: Split = "row"

    @property
    def medium(self) -> ClipMedium:
        """The first that has a sound, which is heard, or else the first."""
        return self._heard.medium

    @property
    def own(self) -> int:
        """Frames until this medium ends."""
        return self._heard.own or self.frames

    @property
    def _heard(self) -> Pane:
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
    composition: Composition, media: Sequence[tuple[ClipMedium, ...]], lead_seconds: float | None
) -> Timeline:
    """The timeline of a composition; `media` are those of each clip.

    Its rate is that of the first film, at most 60, or 24. Clips follow each other, less what
    they overlap: never more than half of a clip. If they must last longer, as the leading sound
    does or `length` says, the stills without `seconds` share what is missing; without such a still,
    the last frame of the last clip is held. If they must be shorter, the picture ends there. The
    end card comes after it. `lead_seconds` is None without a leading sound.
    """
    rates = (one.rate for shared in media for one in shared if one.rate is not None)
    rate = min(next(rates, _STILL_RATE), Fraction(60))
    clips = composition.clips
    shots = tuple(_shot(clip, shared, rate) for clip, shared in zip(clips, media, strict=True))
    transitions = tuple(clip.transition or composition.transition for clip in clips[1:])
    overlaps = tuple(
        min(wanted_overlap(how, rate), one.frames // 2, other.frames // 2)
        for how, (one, other) in zip(transitions, pairwise(shots), strict=True)
    )
    own = sum(shot.frames for shot in shots) - sum(overlaps)
    card = composition.end_card
    card_frames = 0 if card is None else _count(card.seconds, rate)
    spoken = own if lead_seconds is None else max(1, math.ceil(lead_seconds * rate - 1e-6))
    match composition.length:
        case None:
            length = max(own, spoken)
        case "speech":
            length = spoken
        case "picture":
            length = own
        case seconds:
            length = _count(seconds, rate) - card_frames
    if length < 1:
        raise MediaError("the end card is as long as the film", "make `length` longer")
    open_ = [at for at, one in enumerate(clips) if one.seconds is None and is_still(media[at])]
    shots = _lengthen(shots, open_, max(0, length - own))
    timeline = Timeline(rate, shots, overlaps, transitions, length, card_frames)
    films = max(1, len(composition.formats)) * (2 if "clean" in composition.extras else 1)
    if timeline.frames * films > MAX_FRAMES:
        raise beyond("the composition", f"{MAX_FRAMES:,} frames in all formats", "MAX_FRAMES")
    if timeline.seconds > MAX_DURATION_SECONDS:
        raise beyond("the composition", f"{MAX_DURATION_SECONDS:,} s", "MAX_DURATION_SECONDS")
    return timeline


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
    if seconds < float(1 / rate) / 2:
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


def _lengthen(shots: tuple[Shot, ...], stills: Sequence[int], missing: int) -> tuple[Shot, ...]:
    """The shots with as many more frames: shared by some stills, or else of the last shot."""
    made, longer = [*shots], stills or (len(shots) - 1,)
    for place, at in enumerate(longer):
        more = missing * (place + 1) // len(longer) - missing * place // len(longer)
        made[at] = replace(made[at], frames=made[at].frames + more)
    return tuple(made)
