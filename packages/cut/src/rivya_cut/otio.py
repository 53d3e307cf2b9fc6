"""Writes the timeline of a film for an editing program, as OpenTimelineIO.

It needs the extra `otio`, and is imported only where a timeline is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from rivya_cut.composition import Composition, Sound
from rivya_cut.encoding import Chapter
from rivya_cut.reading import probe
from rivya_cut.rendering.timeline import Shot, Timeline
from rivya_cut.subtitles import Cue

_MAX_REPEATS = 1_000  # of one sound


def write_timeline(
    composition: Composition,
    timeline: Timeline,
    cues: Iterable[Cue],
    chapters: Iterable[Chapter],
    destination: Path,
    folder: Path,
) -> None:
    """Write the clips, transitions, sounds, captions and chapters of a film.

    Of clips that share the frame the first is in it, and the end card is a gap. Media are named by their
    paths from `folder`, in which the timeline will be, or by their names if they are elsewhere.
    """
    writer = _Writer(composition, timeline, folder)
    film = otio.schema.Timeline("film", global_start_time=writer.time(0))
    film.tracks.append(writer.pictures())
    film.tracks.extend(writer.sounds())
    film.tracks.markers.extend([*map(writer.chapter, chapters), *map(writer.caption, cues)])
    # Not by an adapter: these look for plugins in the environment.
    destination.write_text(otio.core.serialize_json_to_string(film, indent=2), "utf-8")


@dataclass(frozen=True)
class _Part:
    """A shot on its track, where each transition has a cut in its middle; times in frames.

    Attributes:
        lead: Frames of the shot that its transition shows before the cut.
        begin, end: On the timeline.
    """

    index: int
    shot: Shot
    lead: int
    begin: int
    end: int


def _parts(timeline: Timeline) -> Iterator[_Part]:
    """Those of the shots that are seen."""
    overlaps = (0, *timeline.overlaps, 0)
    for index, (shot, first) in enumerate(zip(timeline.shots, timeline.begins(), strict=True)):
        lead, after = overlaps[index] // 2, overlaps[index + 1]
        end = min(first + shot.frames - (after - after // 2), timeline.picture_frames)
        if first + lead < end:
            yield _Part(index, shot, lead, first + lead, end)


class _Writer:
    def __init__(self, composition: Composition, timeline: Timeline, folder: Path) -> None:
        self._made, self._timeline, self._folder = composition, timeline, folder
        self._rate = float(timeline.rate)

    def time(self, frames: float) -> RationalTime:
        return RationalTime(round(frames), self._rate)

    def pictures(self) -> otio.schema.Track:
        track = otio.schema.Track("pictures", kind=otio.schema.TrackKind.Video)
        for part in _parts(self._timeline):
            if part.index and self._timeline.overlaps[part.index - 1]:
                track.append(self._transition(part.index))
            track.extend(self._clips(part))
        if self._timeline.card_frames:
            track.append(self._gap(self._timeline.card_frames, "end card"))
        return track

    def sounds(self) -> Iterator[otio.schema.Track]:
        """The sounds of the clips, and a track for each other sound."""
        if any(map(self._is_heard, _parts(self._timeline))):
            track = otio.schema.Track("clips", kind=otio.schema.TrackKind.Audio)
            for part in _parts(self._timeline):
                length = part.end - part.begin
                track.extend(self._clips(part) if self._is_heard(part) else [self._gap(length)])
            yield track
        for name, sound in self._made.sounds.items():
            yield self._sound(name, sound, round(sound.at * self._rate))
        for part in _parts(self._timeline):
            if (spoken := self._made.clips[part.index].narration) is not None:
                begin = part.begin - part.lead + part.shot.narrated
                yield self._sound(f"clips[{part.index}].narration", spoken, begin)

    def chapter(self, chapter: Chapter) -> otio.schema.Marker:
        return self._marker(chapter.title, chapter.start, chapter.end, "PURPLE", "chapter")

    def caption(self, cue: Cue) -> otio.schema.Marker:
        start, end = cue.start * self._rate, cue.end * self._rate
        return self._marker(" ".join(cue.text.split()), start, end, "CYAN", "caption")

    def _is_heard(self, part: _Part) -> bool:
        return part.shot.medium.has_sound and self._made.clips[part.index].volume > 0

    def _transition(self, index: int) -> otio.schema.Transition:
        overlap = self._timeline.overlaps[index - 1]
        kind = (self._made.clips[index].transition or self._made.transition).kind
        return otio.schema.Transition(
            kind,
            "SMPTE_Dissolve" if kind == "fade" else "Custom_Transition",
            in_offset=self.time(overlap // 2),
            out_offset=self.time(overlap - overlap // 2),
        )

    def _clips(self, part: _Part) -> Iterator[otio.schema.Clip]:
        """A shot, and what its last frame is held for."""
        shot, speed = part.shot, self._made.clips[part.index].speed
        length = part.end - part.begin
        moving = min(length, shot.own - part.lead)
        start = shot.start * self._rate + part.lead * speed
        if moving > 0:
            made = self._clip(shot.medium.path, start, moving, shot)
            if speed != 1:
                made.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
            yield made
        if moving < length:
            last = shot.start * self._rate + (shot.own - 1) * speed
            held = self._clip(shot.medium.path, last, length - max(0, moving), shot)
            held.effects.append(otio.schema.FreezeFrame())
            yield held

    def _sound(self, name: str, sound: Sound, begin: int) -> otio.schema.Track:
        """A sound from a frame on, to the end of the film at most."""
        track = otio.schema.Track(name, kind=otio.schema.TrackKind.Audio)
        start, end = sound.start * self._rate, self._timeline.frames
        if sound.seconds is not None:
            end = min(end, begin + round(sound.seconds * self._rate))
        whole = round(((probe(sound.media).duration_seconds or 0) - sound.start) * self._rate)
        if begin:
            track.append(self._gap(min(begin, self._timeline.frames)))
        for _ in range(_MAX_REPEATS if sound.repeat else 1):
            length = min(whole, end - begin)
            if length < 1:
                break
            track.append(self._clip(sound.media, start, length))
            begin += length
        return track

    def _clip(
        self, path: Path, start: float, frames: int, shot: Shot | None = None
    ) -> otio.schema.Clip:
        medium = otio.schema.ExternalReference(target_url=self._url(path))
        if shot is not None and shot.medium.rate is not None:
            rate = float(shot.medium.rate)
            count = RationalTime(round(shot.medium.seconds * rate), rate)
            medium.available_range = TimeRange(RationalTime(0, rate), count)
        return otio.schema.Clip(path.stem, medium, TimeRange(self.time(start), self.time(frames)))

    def _gap(self, frames: int, name: str = "") -> otio.schema.Gap:
        return otio.schema.Gap(name, source_range=TimeRange(self.time(0), self.time(frames)))

    def _marker(
        self, name: str, start: float, end: float, colour: str, kind: str
    ) -> otio.schema.Marker:
        span = TimeRange(self.time(start), self.time(end) - self.time(start))
        return otio.schema.Marker(name, span, colour, {"rivya": {"kind": kind}})

    def _url(self, path: Path) -> str:
        """Its path from the folder, if it is in it or beside it, else its name: no paths of a machine."""
        near = Path(os.path.relpath(path.absolute(), self._folder.absolute()))
        return quote((near if near.parts[:2] != ("..", "..") else Path(path.name)).as_posix())
