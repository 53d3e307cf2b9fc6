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
from rivya_cut.terms import STILL_SECONDS, Fit, Motion

_STILL_RATE = Fraction(24)  # frames a second of a film made of stills alone
# Of `images`: the least length of one, and the greatest of a cross-fade, in seconds.
_MIN_SLIDE, _SLIDE_FADE = 0.5, 0.6


@dataclass(frozen=True)
class ClipMedium:
    """What is known of the file of a clip.

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
class Shot:
    """A clip on the timeline; times in frames of the timeline.

    Attributes:
        frames: Shown ones, with those that overlap.
        own: Frames that the film has from `start` on; after them the last is held, or the film
            restarts at `start`. All frames of a still.
    """

    medium: ClipMedium
    frames: int
    own: int
    start: float = 0.0
    motion: Motion = "none"
    looped: bool = False


@dataclass(frozen=True)
class Timeline:
    """Shots in order and the end card.

    Attributes:
        overlaps: Frames that each shot shares with the next, one fewer than shots.
        picture_frames: Those before the end card; the last shot may be cut short by it.
        card_frames: Those of the end card; 0 without one.
    """

    rate: Fraction
    shots: tuple[Shot, ...]
    overlaps: tuple[int, ...]
    transition: Transition
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
    composition: Composition, media: Sequence[ClipMedium], lead_seconds: float | None
) -> Timeline:
    """The timeline of a composition.

    Its rate is that of the first film, at most 60, or 24. Clips follow each other, less what
    they overlap: never more than half of a clip. If the leading sound is longer than all clips,
    `hold` holds the last frame of the last clip (a still lasts longer) until the sound ends, and
    `loop` restarts that clip. With `cut` the picture ends with the shorter of the two. The end card
    comes after picture and sound. `lead_seconds` is None without a leading sound.
    """
    rates = (medium.rate for medium in media if medium.rate is not None)
    rate = min(next(rates, _STILL_RATE), Fraction(60))
    (key, clips), transition = composition.visible_clips, composition.transition
    if key == "images":
        clips, transition = _slides(clips, transition, lead_seconds)
    shots = tuple(_shot(clip, medium, rate) for clip, medium in zip(clips, media, strict=True))
    overlaps = _overlaps(shots, transition, rate)
    length = sum(shot.frames for shot in shots) - sum(overlaps)
    wanted = None if lead_seconds is None else lead_seconds * rate
    shots, length = _fit_shots(shots, length, wanted, composition.fit)
    card = composition.end_card
    card_frames = 0 if card is None else max(1, round(card.seconds * rate))
    timeline = Timeline(rate, shots, overlaps, transition, length, card_frames)
    films = max(1, len(composition.formats)) * (2 if "clean" in composition.extras else 1)
    if timeline.frames * films > MAX_FRAMES:
        raise beyond("the composition", f"{MAX_FRAMES:,} frames in all formats", "MAX_FRAMES")
    if timeline.seconds > MAX_DURATION_SECONDS:
        raise beyond("the composition", f"{MAX_DURATION_SECONDS:,} s", "MAX_DURATION_SECONDS")
    return timeline


def _slides(
    clips: Sequence[Clip], transition: Transition, lead_seconds: float | None
) -> tuple[tuple[Clip, ...], Transition]:
    """Clips of `images`: they share the length of the sound, with a cross-fade between."""
    share = STILL_SECONDS if lead_seconds is None else lead_seconds / len(clips)
    share = max(share, _MIN_SLIDE)
    if transition.kind == "cut":
        transition = Transition(kind="fade", seconds=min(_SLIDE_FADE, share / 3))
    # Each but the last lasts longer by the overlap, so that the whole is as long as the shares.
    lengths = [*[share + transition.seconds] * (len(clips) - 1), share]
    pairs = zip(clips, lengths, strict=True)
    return tuple(clip.model_copy(update={"seconds": one}) for clip, one in pairs), transition


def _shot(clip: Clip, medium: ClipMedium, rate: Fraction) -> Shot:
    if medium.rate is None:
        seconds = STILL_SECONDS if clip.seconds is None else clip.seconds
        frames = _count(seconds, rate)
        return Shot(medium, frames, frames, motion=clip.motion)
    if medium.seconds - clip.start < float(1 / rate) / 2:
        raise MediaError(
            f"{medium.name}: {medium.path}: lasts {medium.seconds:.2f} s; `start` is "
            f"{clip.start:g} s",
            "let it start before its end",
        )
    seconds = medium.seconds - clip.start
    own = _count(seconds, rate)
    frames = own if clip.seconds is None else min(own, _count(clip.seconds, rate))
    return Shot(medium, frames, frames, clip.start, clip.motion)


def _count(seconds: float, rate: Fraction) -> int:
    return max(1, round(seconds * rate))


def _overlaps(shots: Sequence[Shot], transition: Transition, rate: Fraction) -> tuple[int, ...]:
    wanted = 0 if transition.kind == "cut" else max(1, round(transition.seconds * rate))
    return tuple(min(wanted, one.frames // 2, other.frames // 2) for one, other in pairwise(shots))


def _fit_shots(
    shots: tuple[Shot, ...], length: int, wanted: Fraction | float | None, fit: Fit
) -> tuple[tuple[Shot, ...], int]:
    """The shots, and the frames before the end card, for a leading sound of `wanted` frames."""
    if wanted is None:
        return shots, length
    if fit == "cut":
        return shots, max(1, min(length, math.floor(wanted)))
    missing = math.ceil(wanted - 1e-6) - length
    if missing <= 0:
        return shots, length
    last = shots[-1]
    frames = last.frames + missing
    own = frames if last.medium.rate is None else last.own
    held = replace(last, frames=frames, own=own, looped=fit == "loop")
    return (*shots[:-1], held), length + missing
