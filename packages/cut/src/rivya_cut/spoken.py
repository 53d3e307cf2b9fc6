"""What is said in a film: captions of the whole, or those of its clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from rivya_cut.captions import cut_text, time_captions, time_words
from rivya_cut.composition import Composition, Transcript
from rivya_cut.placing import PlacedSound
from rivya_cut.rendering.timeline import Timeline
from rivya_cut.speech import Intervals, union
from rivya_cut.subtitles import MAX_SUBTITLES, Cue

_LEAST_CUE = 0.1  # seconds of what is left of a cue where its clip is cut


class FilmCaptions(NamedTuple):
    """What is said, and those of the cues that are drawn."""

    cues: tuple[Cue, ...] = ()
    drawn: tuple[Cue, ...] = ()
    estimated: bool = False


class _Line(NamedTuple):
    """A cue that is given as captions, or else one that a clip knows."""

    cue: Cue
    is_given: bool
    is_estimated: bool = True


def captions_of(
    composition: Composition, sounds: Sequence[PlacedSound], timeline: Timeline
) -> FilmCaptions:
    """Captions before the end card: those of the film, or else those of its clips or what these know."""
    captions, end = composition.captions, float(timeline.picture_frames / timeline.rate)
    beats = [*_beats(composition, sounds, timeline)]
    if captions is not None and (captions.text or captions.cues):
        lead = union(one.speech for one in sounds if one.speaks and not one.gives_way)
        lines = [*_say(captions, lead, end)]
    else:
        lines = [*_in_turn(given or known for known, given in beats)]
    burned_in = [line.cue for known, _ in beats for line in known if line.cue.burned_in]

    def cut(line: _Line) -> _Line:
        cue = replace(line.cue, end=min(line.cue.end, end))
        if line.is_given:
            cue = replace(cue, burned_in=any(_overlap(cue, other) for other in burned_in))
        return line._replace(cue=cue)

    found = [cut(line) for line in lines if line.cue.start < end]
    speech = union(one.speech for one in sounds if one.speaks)
    is_drawn = captions is not None and captions.style != "none"
    drawn = (line.cue for line in found if is_drawn and (line.is_given or not line.cue.burned_in))
    return FilmCaptions(
        tuple(line.cue for line in found),
        tuple(time_words(cue, speech) for cue in drawn),
        any(line.is_estimated for line in found),
    )


def _overlap(one: Cue, other: Cue) -> bool:
    return one.start < other.end and other.start < one.end


def _say(transcript: Transcript, speech: Intervals, seconds: float) -> Iterator[_Line]:
    """What is said in so many seconds, with its own times or by the pauses of the speech."""
    if transcript.cues:
        yield from (_Line(cue, True, transcript.estimated) for cue in transcript.cues)
    else:
        texts = cut_text(transcript.text or "", transcript.language)
        yield from (_Line(cue, True) for cue in time_captions(texts, speech, seconds))


def _beats(
    composition: Composition, sounds: Sequence[PlacedSound], timeline: Timeline
) -> Iterator[tuple[list[_Line], list[_Line]]]:
    """What each clip knows, and its captions, at their places."""
    speech = {one.name: one.speech for one in sounds}
    for index, (clip, shot, frame) in enumerate(
        zip(composition.clips, timeline.shots, timeline.begins(), strict=True)
    ):
        begin, own, end = (
            float(at / timeline.rate) for at in (frame, frame + shot.own, frame + shot.frames)
        )
        lines = [_Line(cue, False) for cue in clip.cues]
        known = [*_move(lines, begin - clip.start / clip.speed, clip.speed, begin, own)]
        given: list[_Line] = []
        if clip.captions is not None:
            name = f"clips[{index}]" + (".narration" if clip.narration else "")
            spoken = tuple((start - begin, until - begin) for start, until in speech.get(name, ()))
            given += _move(_say(clip.captions, spoken, end - begin), begin, 1.0, begin, end)
        yield known, given


def _move(
    lines: Iterable[_Line], shift: float, speed: float, begin: float, end: float
) -> Iterator[_Line]:
    """The lines by the times of the film, inside of their clip."""
    for line in lines:
        start, until, *words = (
            at / speed + shift for at in (line.cue.start, line.cue.end, *line.cue.words)
        )
        cue = replace(line.cue, start=start, end=until, words=tuple(round(at, 3) for at in words))
        yield from _inside(line._replace(cue=cue), begin, end)


def _inside(line: _Line, begin: float, end: float) -> Iterator[_Line]:
    start, until = max(line.cue.start, begin), min(line.cue.end, end)
    if until - start > _LEAST_CUE:
        yield line._replace(cue=replace(line.cue, start=round(start, 3), end=round(until, 3)))


def _in_turn(beats: Iterable[Sequence[_Line]]) -> Iterator[_Line]:
    """The lines of all clips; a transition shows the end of the clip before."""
    last, count = 0.0, 0
    for line in (one for lines in beats for one in lines):
        for one in _inside(line, last, line.cue.end) if count < MAX_SUBTITLES else ():
            last, count = one.cue.end, count + 1
            yield one
