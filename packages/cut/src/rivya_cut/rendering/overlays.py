"""Overlays and captions of one film: when each is seen, and what is drawn on a frame."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from av.video.frame import VideoFrame
from PIL import Image

from rivya_cut.captions import part_cue
from rivya_cut.composition import Captions, Composition, Overlay
from rivya_cut.drawing.caption_layer import CaptionPicture, caption_picture
from rivya_cut.drawing.layers import inset_mask, is_film, obstacles, overlay_layer, overlay_layers
from rivya_cut.drawing.parts import Layer
from rivya_cut.drawing.type import Box
from rivya_cut.drawing.typed import steps_of
from rivya_cut.reading import is_see_through
from rivya_cut.rendering.planes import Stamp, frame_stamp, stamp
from rivya_cut.rendering.reframe import Size
from rivya_cut.rendering.shots import film_frames
from rivya_cut.rendering.timeline import Timeline
from rivya_cut.subtitles import Cue
from rivya_cut.terms import CaptionStyle

_Look = TypeVar("_Look")
_NOTHING = Image.new("RGBA", (1, 1))
_OVERLAY_FADE_SECONDS = 0.25
_CAPTION_FADE_SECONDS = 0.2
_RISE_SECONDS, _RISE = 0.5, 0.1  # the way in shares of the shorter side
_STEP_SECONDS, _TYPE_SECONDS, _TYPE_SHARE = 0.06, 1.2, 0.4  # of a text that is written
_POP_SECONDS, _POP_SCALE = 0.12, 0.8  # how long words grow, and from which size
_SMALLER, _LEAST_SIZE = (0.85, 0.7, 0.55, 0.4, 0.3), 0.65  # of captions that find no room

Play = Callable[[Path, Size], Iterator[VideoFrame]]
"""The frames of a film over the film, of that even size and the rate of the timeline."""


@dataclass(frozen=True)
class Appearance:
    """When something is on the film, in frames.

    Attributes:
        end: The first frame without it.
        moving: How many frames it moves at its start, until it is at rest.
    """

    start: int
    end: int
    fade_in: int = 0
    fade_out: int = 0
    moving: int = 0

    def meets(self, other: Appearance) -> bool:
        """Whether both are on one frame."""
        return max(self.start, other.start) < min(self.end, other.end)

    def share(self, frame: int) -> float:
        """How opaque it is on a frame, from 0 to 1."""
        if not self.start <= frame < self.end:
            return 0.0
        come = (frame - self.start + 1) / (self.fade_in + 1)
        go = (self.end - frame) / (self.fade_out + 1)
        return min(1.0, come, go)

    def progress(self, frame: int) -> float:
        """How much of its movement is done, from above 0 to 1."""
        return min(1.0, (frame - self.start + 1) / (self.moving + 1))


def overlays_of(made: Composition, timeline: Timeline) -> tuple[tuple[str, Overlay], ...]:
    """All overlays by where they stand, with times of the film; those of clips below the others.

    One of a clip is seen while the clip alone is, without its transitions.
    """
    found, overlaps = [], (0, *timeline.overlaps, 0)
    for index, (clip, shot, begin) in enumerate(
        zip(made.clips, timeline.shots, timeline.begins(), strict=False)
    ):
        own = begin, begin + overlaps[index], begin + shot.frames - overlaps[index + 1]
        zero, first, last = (float(at / timeline.rate) for at in own)
        for number, one in enumerate(clip.overlays):
            end = last if one.seconds is None else min(last, zero + one.start + one.seconds)
            start = max(first, zero + one.start)
            times = {"start": start, "seconds": end - start}
            found.append((f"clips[{index}].overlays[{number}]", one.model_copy(update=times)))
    return *found, *((f"overlays[{at}]", one) for at, one in enumerate(made.overlays))


def of_overlay(overlay: Overlay, timeline: Timeline) -> Appearance:
    """It fades, except at the first frame of the film and at the last."""
    start = round(overlay.start * timeline.rate)
    end = _bare(timeline)
    if overlay.seconds is not None:
        end = min(end, round((overlay.start + overlay.seconds) * timeline.rate))
    if overlay.motion == "none":
        return Appearance(start, end)
    fade = _frames(_OVERLAY_FADE_SECONDS, start, end, timeline)
    come, go = fade if start else 0, fade if end < timeline.frames else 0
    moving = 0
    if overlay.motion == "rise":
        come = moving = _frames(_RISE_SECONDS, start, end, timeline)
    elif overlay.motion == "type":
        steps = len(steps_of(overlay.text or ""))
        wanted = min(_TYPE_SECONDS, steps * _STEP_SECONDS) * timeline.rate
        moving = max(0, min(round(wanted), round((end - start) * _TYPE_SHARE)))
    return Appearance(start, end, come, go, moving)


def of_cues(cues: Sequence[Cue], timeline: Timeline) -> list[Appearance]:
    """They fade where no other cue is near: between two that follow each other, fades would blink."""
    found: list[Appearance] = []
    last = _bare(timeline)
    near = round(_CAPTION_FADE_SECONDS * timeline.rate)
    times = [(round(cue.start * timeline.rate), round(cue.end * timeline.rate)) for cue in cues]
    for index, (start, end) in enumerate(times):
        end = min(end, last)
        fade = _frames(_CAPTION_FADE_SECONDS, start, end, timeline)
        after = index and start - times[index - 1][1] <= near
        before = index + 1 < len(times) and times[index + 1][0] - end <= near
        found.append(Appearance(start, end, 0 if after else fade, 0 if before else fade))
    return found


def _bare(timeline: Timeline) -> int:
    """The first frame on which nothing is drawn: the end card fades in over the last one before it."""
    return timeline.picture_frames - (1 if timeline.card_frames else 0)


def _frames(seconds: float, start: int, end: int, timeline: Timeline) -> int:
    """So long, and at most a third of the time that something is seen."""
    return max(0, min(round(seconds * timeline.rate), (end - start) // 3))


def no_room(name: str, where: str) -> str:
    """What is said of an overlay that covers another."""
    return f"{name} lies on another in {where}: there is no room for both"


@dataclass(frozen=True)
class Sight:
    """How something looks for all of its time or a part of it.

    Attributes:
        start, end: Frames of this part.
        draw: A stamp, or one for each frame.
        rise: Pixels that it comes from below.
    """

    on: Appearance
    start: int
    end: int
    draw: Callable[[], Stamp | Iterator[Stamp] | None]
    rise: float = 0.0

    def stamp_on(self, frame: int, drawn: Stamp | Iterator[Stamp]) -> Stamp:
        one = drawn if isinstance(drawn, Stamp) else next(drawn)
        below = self.rise * (1 - self.on.progress(frame)) ** 3
        return one.move_down(2 * round(below / 2)).with_opacity(self.on.share(frame))


def sights(
    on: Appearance, look_of: Callable[[int], _Look], draw: Callable[[_Look], Stamp | None]
) -> Iterator[Sight]:
    """Those of something whose look on a frame is `look_of` it: one for frames of one look."""
    for look, frames in groupby(range(on.start, on.end), look_of):
        first, *rest = frames
        yield Sight(on, first, rest[-1] + 1 if rest else first + 1, partial(draw, look))


class StampSchedule:
    """Draws what appears when it first does, and forgets it when it is gone."""

    def __init__(self, given: Iterable[Sight]) -> None:
        self._waiting = deque(sorted(enumerate(given), key=lambda one: one[1].start))
        self._visible: list[tuple[int, Sight, Stamp | Iterator[Stamp]]] = []

    def stamps(self, frame: int) -> Iterator[Stamp]:
        """What is on a frame, the first that was given at the bottom; frames are asked for in order."""
        self._visible = [one for one in self._visible if one[1].end > frame]
        while self._waiting and self._waiting[0][1].start <= frame:
            index, sight = self._waiting.popleft()
            if sight.end > frame and (drawn := sight.draw()):
                self._visible.append((index, sight, drawn))
                self._visible.sort(key=itemgetter(0))
        for _, sight, drawn in self._visible:
            yield sight.stamp_on(frame, drawn)


def _smaller(captions: Captions) -> Iterator[Captions]:
    """The captions, and with smaller letters, down to those that can still be read."""
    yield captions
    for share in _SMALLER:
        if (size := captions.size * share) >= _LEAST_SIZE:
            yield captions.model_copy(update={"size": size})


class Drawn:
    """What is drawn on the frames of one film."""

    def __init__(
        self,
        made: Composition,
        cues: Sequence[Cue],
        timeline: Timeline,
        size: Size,
        play: Play | None = None,
    ) -> None:
        self._made, self._size, self._timeline = made, size, timeline
        self._play = play or partial(film_frames, rate=timeline.rate, see_through=True)
        self._covering: set[int] = set()
        self._given = overlays_of(made, timeline)
        of_all = [overlay for _, overlay in self._given]
        self.appearances = [of_overlay(one, timeline) for one in of_all]
        self._ways: dict[int, Box] = {}
        self._layers: dict[int, Layer] = {}
        self._crowded: list[str] = []
        # Drawn again when they appear: the pictures of all may be too large to keep.
        for index, layer in overlay_layers(of_all, size, made.look, self._together):
            left, top, right, bottom = layer.box
            self._ways[index] = left, top, right, bottom + round(self._rise(of_all[index]))
            self._layers[index] = replace(layer, image=_NOTHING)
            self._crowded += [] if layer.clear else [self._given[index][0]]
        self.overlays = StampSchedule(
            sight for index in range(len(of_all)) for sight in self._overlay(index)
        )
        self.captions = StampSchedule(self._captions(cues))

    def find_collisions(self, where: str) -> Iterator[str]:
        """What lies on an overlay for want of room, in a film named `where`; asked at its end."""
        for name in self._crowded:
            yield no_room(name, where)
        if count := len(self._covering):
            lie = "1 caption lies" if count == 1 else f"{count} captions lie"
            yield f"{lie} on an overlay in {where}: there is no room for both"

    def _obstacles(self, visible: Sequence[Appearance]) -> list[Box]:
        """What captions keep clear of that are on the film then."""
        met = (
            box
            for index, box in self._ways.items()
            if any(on.meets(self.appearances[index]) for on in visible)
        )
        return obstacles(met, self._size)

    def _together(self, one: int, other: int) -> bool:
        return self.appearances[one].meets(self.appearances[other])

    def _rise(self, overlay: Overlay) -> float:
        return min(self._size) * _RISE if overlay.motion == "rise" else 0.0

    def _overlay(self, index: int) -> Iterator[Sight]:
        on, layer, (_, overlay) = self.appearances[index], self._layers[index], self._given[index]

        def draw(typed: int | None = None) -> Stamp | None:
            again = overlay_layer(overlay, self._size, self._made.look, typed=typed)
            return stamp(again.image, layer.x, layer.y, self._size)

        rise = self._rise(overlay)
        if overlay.motion == "type" and overlay.text:
            steps = steps_of(overlay.text)
            yield from sights(
                on, lambda at: steps[math.ceil(on.progress(at) * len(steps)) - 1], draw
            )
            return
        film = overlay.media if is_film(overlay) else None
        if film is None or not is_see_through(film):
            yield Sight(on, on.start, on.end, draw, rise)
        if film is not None:
            yield Sight(on, on.start, on.end, lambda: self._inset(overlay, layer.box), rise)

    def _inset(self, overlay: Overlay, box: Box) -> Iterator[Stamp]:
        """The frames of a film in a box; after its end the last is held."""
        assert overlay.media is not None
        left, top, right, bottom = box
        size = right - left, bottom - top
        mask, last = inset_mask(size), None
        for frame in self._play(overlay.media, size):
            last = frame_stamp(frame, left, top, mask)
            yield last
        while last is not None:
            yield last

    def _captions(self, cues: Sequence[Cue]) -> Iterator[Sight]:
        made = self._made
        if made.captions is None:
            return
        pops = made.captions.style == "pop"
        parts = [
            (n, part) for n, cue in enumerate(cues) for part in (part_cue(cue) if pops else [cue])
        ]
        visible = of_cues([part for _, part in parts], self._timeline)
        # In the middle, overlays would part captions into some above and some below them.
        ever = self._obstacles(visible if made.captions.position == "middle" else [])
        for (number, cue), on in zip(parts, visible, strict=True):
            picture = cache(partial(self._caption, number, cue, on, ever, made.captions))
            moments = self._moments(cue, on, made.captions.style)
            yield from sights(*moments, partial(self._draw_word, picture))

    def _caption(
        self, number: int, cue: Cue, on: Appearance, ever: list[Box], captions: Captions
    ) -> CaptionPicture:
        """A caption, clear of the overlays that are on the film with it; in the middle of all, if it can."""
        look, avoid = self._made.look, self._obstacles([on])
        pictures = (
            caption_picture(cue.text, self._size, one, look, avoid, ever)
            for one in _smaller(captions)
        )
        first = next(pictures)
        found = first if first.layer.clear else next((o for o in pictures if o.layer.clear), first)
        if not found.layer.clear:
            self._covering.add(number)
        return found

    def _moments(
        self, cue: Cue, on: Appearance, style: CaptionStyle
    ) -> tuple[Appearance, Callable[[int], tuple[int, float]]]:
        """When a caption is seen, and on a frame the word that is spoken and the scale."""
        if style == "pop":
            moving = _frames(_POP_SECONDS, on.start, on.end, self._timeline)
            on = replace(on, fade_in=0, moving=moving)
        spoken = [round(word * self._timeline.rate) for word in cue.words]

        def look_of(frame: int) -> tuple[int, float]:
            small = (1 - _POP_SCALE) * (1 - on.progress(frame)) ** 3 if on.moving else 0.0
            return bisect_right(spoken, frame) - 1, 1 - small

        return on, look_of if style in ("highlight", "pop") else (lambda _: (-1, 1.0))

    def _draw_word(
        self, picture_of: Callable[[], CaptionPicture], look: tuple[int, float]
    ) -> Stamp | None:
        (word, scale), picture = look, picture_of()
        image, x, y = picture.at_word(word), picture.layer.x, picture.layer.y
        if scale < 1:
            wide, high = (round(side * scale) for side in image.size)
            x, y = x + (image.width - wide) // 2, y + (image.height - high) // 2
            image = image.resize((wide, high), Image.Resampling.BICUBIC)
        return stamp(image, x, y, self._size)
