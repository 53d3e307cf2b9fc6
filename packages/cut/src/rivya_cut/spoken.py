"""What is said in a film: captions, the cues of its clips, and when they speak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rivya_cut.captions import cut_text, time_captions, time_words
from rivya_cut.composition import Composition
from rivya_cut.rendering.timeline import Shot, Timeline
from rivya_cut.sound import RATE, Piece, samples
from rivya_cut.speech import Intervals, find_speech
from rivya_cut.subtitles import MAX_SUBTITLES, Cue

_JOIN = round(0.01 * RATE)
_LEAST_CUE = 0.1  # seconds of what is left of a cue where its clip is cut


class FilmCaptions(NamedTuple):
    """What is said, and those of the cues that are drawn."""

    cues: tuple[Cue, ...] = ()
    drawn: tuple[Cue, ...] = ()
    estimated: bool = False


def captions_of(composition: Composition, speech: Intervals, timeline: Timeline) -> FilmCaptions:
    """Captions before the end card: those that are given, or else what the clips know."""
    captions, end = composition.captions, float(timeline.picture_frames / timeline.rate)
    cues: Sequence[Cue] = _clip_cues(composition, timeline)
    is_own = captions is not None and bool(captions.text or captions.cues)
    if captions is not None and is_own:
        burned_in = [cue for cue in cues if cue.burned_in]
        texts = cut_text(captions.text or "", captions.language)
        cues = [
            replace(cue, burned_in=any(map(partial(_overlap, cue), burned_in)))
            for cue in captions.cues or time_captions(texts, speech, end)
        ]
    found = tuple(replace(cue, end=min(cue.end, end)) for cue in cues if cue.start < end)
    is_drawn = captions is not None and captions.style != "none"
    drawn = tuple(
        time_words(cue, speech) for cue in found if is_drawn and (is_own or not cue.burned_in)
    )
    estimated = captions.estimated if captions is not None and captions.cues else bool(found)
    return FilmCaptions(found, drawn, estimated)


def _overlap(one: Cue, other: Cue) -> bool:
    return one.start < other.end and other.start < one.end


def _clip_cues(composition: Composition, timeline: Timeline) -> list[Cue]:
    """The cues of all clips at their places."""
    found: list[Cue] = []
    for clip, shot, (begin, end) in zip(
        composition.clips, timeline.shots, _spans(timeline), strict=True
    ):
        shift = begin - shot.start
        for cue in clip.cues:
            # A transition shows the end of the clip before.
            last = found[-1].end if found else 0.0
            start = max(cue.start + shift, begin, last)
            until = min(cue.end + shift, end)
            if until - start > _LEAST_CUE:
                words = tuple(round(word + shift, 3) for word in cue.words)
                found.append(replace(cue, start=round(start, 3), end=round(until, 3), words=words))
    return found[:MAX_SUBTITLES]


def _spans(timeline: Timeline) -> list[tuple[float, float]]:
    """Begin and end in seconds of what each shot shows of its medium."""
    return [
        (float(begin / timeline.rate), float((begin + shot.own) / timeline.rate))
        for begin, shot in zip(timeline.begins(), timeline.shots, strict=True)
    ]


def clip_speech(timeline: Timeline) -> Intervals:
    """When the clips speak."""
    found: list[tuple[float, float]] = []
    for shot, (begin, end) in zip(timeline.shots, _spans(timeline), strict=True):
        shift = begin - shot.start
        for start, until in find_speech(shot.medium.path) if shot.speaks else ():
            if start + shift < end and until + shift > begin:
                found.append((max(start + shift, begin), min(until + shift, end)))
    return tuple(sorted(found))


def clip_sounds(
    timeline: Timeline, wanted: Callable[[Shot], bool] = lambda _: True
) -> dict[Path, list[Piece]]:
    """The sounds of the wanted shots on a timeline, by file.

    A held frame is silent. They fade with their transitions.
    """
    found: dict[Path, list[Piece]] = {}
    overlaps = (0, *timeline.overlaps, 0)

    def length(frames: int) -> int:
        return round(frames / timeline.rate * RATE)

    for index, (shot, begin) in enumerate(zip(timeline.shots, timeline.begins(), strict=True)):
        path, end = shot.medium.path, min(begin + shot.frames, timeline.picture_frames)
        if not (shot.medium.has_sound and wanted(shot)) or begin >= end:
            continue
        last = min(begin + shot.own, end)
        count = length(last - begin)
        out = overlaps[index + 1] if last == begin + shot.frames else 0
        # Short fades at hard cuts, so that there is no click.
        come, go = (min(max(length(one), _JOIN), count // 2) for one in (overlaps[index], out))
        start = round(shot.start * RATE)
        piece = Piece(partial(samples, path), length(begin), count, start, 1.0, come, go)
        found.setdefault(path, []).append(piece)
    return found
