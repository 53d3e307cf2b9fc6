"""Writes the timeline of a film for an editing program, as OpenTimelineIO.

It needs the extra `otio`, and is imported only where a timeline is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import quote

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from rivya_cut.composition import Composition, Sound
from rivya_cut.encoding import Chapter
from rivya_cut.placing import crossfade
from rivya_cut.reading import probe
from rivya_cut.rendering.timeline import Pane, Shot, Timeline
from rivya_cut.sound import RATE
from rivya_cut.subtitles import Cue

_MAX_PASSES = 1_000  # of all sounds that repeat: each takes a KiB


def write_timeline(
    composition: Composition,
    timeline: Timeline,
    cues: Iterable[Cue],
    chapters: Iterable[Chapter],
    destination: Path,
    folder: Path,
) -> None:
    """Write the clips, transitions, sounds, captions and chapters of a film.

    Each medium that shares the frame has a track, and the end card is a gap. Media are named by their
    paths from `folder`, in which the timeline will be, or by their names if they are elsewhere.
    """
    writer = _Writer(composition, timeline, folder)
    film = otio.schema.Timeline("film", global_start_time=writer.time(0))
    film.tracks.extend(writer.pictures())
    film.tracks.extend(writer.sounds())
    film.tracks.markers.extend([*map(writer.chapter, chapters), *map(writer.caption, cues)])
    # Not by an adapter: these look for plugins in the environment.
    destination.write_text(otio.core.serialize_json_to_string(film, indent=-1), "utf-8")


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


def _pane(at: int, part: _Part) -> Pane | None:
    return part.shot.panes[at] if at < len(part.shot.panes) else None


class _Writer:
    def __init__(self, composition: Composition, timeline: Timeline, folder: Path) -> None:
        self._made, self._timeline, self._folder = composition, timeline, folder
        self._rate, self._passes = float(timeline.rate), _MAX_PASSES

    def time(self, frames: float) -> RationalTime:
        return RationalTime(round(frames), self._rate)

    def pictures(self) -> Iterator[otio.schema.Track]:
        """A track for each medium that shares the frame."""
        for at in range(max(len(shot.panes) for shot in self._timeline.shots)):
            name = f"pictures {at + 1}" if at else "pictures"
            track = self._track(name, "Video", partial(_pane, at))
            if self._timeline.card_frames:
                track.append(self._gap(self._timeline.card_frames, "end card"))
            yield track

    def sounds(self) -> Iterator[otio.schema.Track]:
        """The sounds of the clips, and a track for each other sound."""
        parts = [*_parts(self._timeline)]
        if any(map(self._audible, parts)):
            yield self._track("clips", "Audio", self._audible)
        for name, sound in self._made.sounds.items():
            yield self._sound(name, sound, round(sound.at * self._rate), self._timeline.frames)
        for part in parts:
            if (spoken := self._made.clips[part.index].narration) is not None:
                begin = part.begin - part.lead + part.shot.narrated
                name = f"clips[{part.index}].narration"
                yield self._sound(name, spoken, begin, self._timeline.picture_frames)

    def chapter(self, chapter: Chapter) -> otio.schema.Marker:
        return self._marker(chapter.title, chapter.start, chapter.end, "PURPLE", "chapter")

    def caption(self, cue: Cue) -> otio.schema.Marker:
        start, end = cue.start * self._rate, cue.end * self._rate
        return self._marker(" ".join(cue.text.split()), start, end, "CYAN", "caption")

    def _audible(self, part: _Part) -> Pane | None:
        is_audible = part.shot.medium.has_sound and self._made.clips[part.index].volume > 0
        return part.shot.audible if is_audible else None

    def _track(
        self, name: str, kind: str, pane_of: Callable[[_Part], Pane | None]
    ) -> otio.schema.Track:
        """One medium of each shot, or a gap, joined by their transitions."""
        track = otio.schema.Track(name, kind=kind)
        for part in _parts(self._timeline):
            pane = pane_of(part)
            items = [*self._clips(part, pane, kind)] if pane else [self._gap(part.end - part.begin)]
            overlap = self._timeline.overlaps[part.index - 1] if part.index else 0
            if overlap and (pane or isinstance(track[-1], otio.schema.Clip)):
                transition = self._made.clips[part.index].transition or self._made.transition
                before, after = track[-1].duration().value, items[0].duration().value
                half = overlap // 2
                fades = kind == "Audio" or transition.kind == "fade"
                made = self._transition(min(half, before), min(overlap - half, after), fades)
                made.name = transition.kind
                track.append(made)
            track.extend(items)
        return track

    def _transition(self, before: float, after: float, fades: bool) -> otio.schema.Transition:
        """One that takes as many frames before the cut and after it: no more than its neighbours have."""
        return otio.schema.Transition(
            transition_type="SMPTE_Dissolve" if fades else "Custom_Transition",
            in_offset=self.time(before),
            out_offset=self.time(after),
        )

    def _clips(self, part: _Part, pane: Pane, kind: str) -> Iterator[otio.schema.Item]:
        """A medium of a shot, and what its last frame is held for, which is silent."""
        shot, medium, speed = part.shot, pane.medium, self._made.clips[part.index].speed
        length, own = part.end - part.begin, pane.own or part.shot.frames
        available = None
        if medium.rate is not None:
            rate = float(medium.rate)
            end = RationalTime(round(medium.seconds * rate), rate)
            available = TimeRange(RationalTime(0, rate), end)
        moving = max(0, min(length, own - part.lead))
        start = shot.start * self._rate + part.lead * speed
        if moving:
            made = self._clip(medium.path, start, moving, available)
            if speed != 1 and pane.own:
                made.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
            yield made
        if moving < length and kind == "Audio":
            yield self._gap(length - moving)
        elif moving < length:
            last = shot.start * self._rate + (own - 1) * speed
            held = self._clip(medium.path, last, length - moving, available)
            held.effects.append(otio.schema.FreezeFrame())
            yield held

    def _sound(self, name: str, sound: Sound, begin: int, end: int) -> otio.schema.Track:
        """A sound from a frame to another at most; its repetitions begin by crossfades, as they are heard."""
        track = otio.schema.Track(name, kind=otio.schema.TrackKind.Audio)
        if begin:
            track.append(self._gap(min(begin, end)))
        if sound.seconds is not None:
            end = min(end, begin + round(sound.seconds * self._rate))
        whole = round((probe(sound.media).duration_seconds or 0) * RATE)
        once = whole - round(sound.start * RATE)
        rate = self._rate / RATE
        repeats = sound.repeat and once * rate < end - begin
        fade = crossfade(once) if repeats else 0
        step = (once - fade) * rate
        available = TimeRange(RationalTime(0, RATE), RationalTime(whole, RATE))
        for number in count() if repeats else range(1):
            at = begin + round(number * step)
            length = min(begin + round((number + 1) * step), end) - at
            if length < 1 or self._passes < 1:
                break
            if number:
                self._passes -= 1
                track.append(self._transition(0, min(round(fade * rate), length), True))
            track.append(self._clip(sound.media, sound.start * self._rate, length, available))
        return track

    def _clip(
        self, path: Path, start: float, frames: int, available: TimeRange | None
    ) -> otio.schema.Clip:
        medium = otio.schema.ExternalReference(self._url(path), available)
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
