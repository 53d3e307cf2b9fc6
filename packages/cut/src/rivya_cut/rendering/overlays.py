"""Overlays and captions of one film: when each is seen, and what is drawn on a frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from rivya_cut.composition import Composition, Overlay
from rivya_cut.drawing.caption_layer import caption_layer
from rivya_cut.drawing.layers import obstacles, overlay_layer, overlay_layers
from rivya_cut.drawing.parts import Box
from rivya_cut.rendering.planes import Stamp, stamp
from rivya_cut.rendering.reframe import Size
from rivya_cut.rendering.timeline import Timeline
from rivya_cut.subtitles import Cue

_OVERLAY_FADE_SECONDS = 0.25
_CAPTION_FADE_SECONDS = 0.2


@dataclass(frozen=True)
class Appearance:
    """When something is on the film, in frames.

    Attributes:
        end: The first frame without it.
    """

    start: int
    end: int
    fade_in: int = 0
    fade_out: int = 0

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


def of_overlay(overlay: Overlay, timeline: Timeline) -> Appearance:
    """It fades, except at the first frame of the film, and under the end card, which fades itself."""
    start = round(overlay.start * timeline.rate)
    end = timeline.picture_frames
    if overlay.seconds is not None:
        end = min(end, round((overlay.start + overlay.seconds) * timeline.rate))
    fade = _fade(_OVERLAY_FADE_SECONDS, start, end, timeline)
    return Appearance(
        start, end, fade if start else 0, fade if end < timeline.picture_frames else 0
    )


def of_cues(cues: Sequence[Cue], timeline: Timeline) -> list[Appearance]:
    """They fade where no other cue is near: between two that follow each other, fades would blink."""
    found: list[Appearance] = []
    # The end card fades in over the last frame before it, where no caption is to shine through.
    last = timeline.picture_frames - (1 if timeline.card_frames else 0)
    near = round(_CAPTION_FADE_SECONDS * timeline.rate)
    times = [(round(cue.start * timeline.rate), round(cue.end * timeline.rate)) for cue in cues]
    for index, (start, end) in enumerate(times):
        end = min(end, last)
        fade = _fade(_CAPTION_FADE_SECONDS, start, end, timeline)
        after = index and start - times[index - 1][1] <= near
        before = index + 1 < len(times) and times[index + 1][0] - end <= near
        found.append(Appearance(start, end, 0 if after else fade, 0 if before else fade))
    return found


def _fade(seconds: float, start: int, end: int, timeline: Timeline) -> int:
    return max(0, min(round(seconds * timeline.rate), (end - start) // 3))


def no_room(index: int, where: str) -> str:
    """What is said of an overlay that covers another."""
    return f"overlays[{index}] lies on another in {where}: there is no room for both"


class StampSchedule:
    """Draws what appears when it first does, and forgets it when it is gone."""

    def __init__(self, given: Sequence[tuple[Appearance, Callable[[], Stamp | None]]]) -> None:
        self._waiting = deque(sorted(given, key=lambda one: one[0].start))
        self._visible: list[tuple[Appearance, Stamp | None]] = []

    def stamps(self, frame: int) -> Iterator[Stamp]:
        """What is on a frame; frames are asked for in order."""
        while self._waiting and self._waiting[0][0].start <= frame:
            appearance, draw = self._waiting.popleft()
            if appearance.end > frame:
                self._visible.append((appearance, draw()))
        self._visible = [one for one in self._visible if one[0].end > frame]
        for appearance, drawn in self._visible:
            if drawn is not None:
                yield drawn.with_opacity(appearance.share(frame))


class Drawn:
    """What is drawn on the frames of one film."""

    def __init__(
        self, made: Composition, cues: Sequence[Cue], timeline: Timeline, size: Size
    ) -> None:
        self._made, self._size = made, size
        self._covering = 0
        self.appearances = [of_overlay(one, timeline) for one in made.overlays]
        self._boxes: dict[int, Box] = {}
        self._corners: dict[int, tuple[int, int]] = {}
        self._crowded: list[int] = []
        # Drawn again when they appear: the pictures of all may be too large to keep.
        for index, layer in overlay_layers(made.overlays, size, made.look, self._together):
            self._boxes[index], self._corners[index] = layer.box, (layer.x, layer.y)
            self._crowded += [] if layer.clear else [index]
        self.overlays = StampSchedule(
            [(on, partial(self._overlay, index)) for index, on in enumerate(self.appearances)]
        )
        visible = of_cues(cues, timeline)
        # In the middle, overlays would part captions into some above and some below them.
        middle = made.captions is not None and made.captions.position == "middle"
        self._ever = self._obstacles(visible if middle else [])
        self.captions = StampSchedule(
            [(on, partial(self._caption, cue, on)) for on, cue in zip(visible, cues, strict=True)]
        )

    def find_collisions(self, where: str) -> Iterator[str]:
        """What lies on an overlay for want of room, in a film named `where`; asked at its end."""
        for index in self._crowded:
            yield no_room(index, where)
        if self._covering:
            count = "1 caption lies" if self._covering == 1 else f"{self._covering} captions lie"
            yield f"{count} on an overlay in {where}: there is no room for both"

    def _obstacles(self, visible: Sequence[Appearance]) -> list[Box]:
        """What captions keep clear of that are on the film then."""
        met = (
            box
            for index, box in self._boxes.items()
            if any(on.meets(self.appearances[index]) for on in visible)
        )
        return obstacles(met, self._size)

    def _together(self, one: int, other: int) -> bool:
        return self.appearances[one].meets(self.appearances[other])

    def _overlay(self, index: int) -> Stamp | None:
        layer = overlay_layer(self._made.overlays[index], self._size, self._made.look)
        return stamp(layer.image, *self._corners[index], self._size)

    def _caption(self, cue: Cue, on: Appearance) -> Stamp | None:
        """A caption, clear of the overlays that are on the film with it; in the middle of all, if it can."""
        made, avoid = self._made, self._obstacles([on])
        assert made.captions is not None
        layer = caption_layer(cue.text, self._size, made.captions, made.look, avoid, self._ever)
        self._covering += not layer.clear
        return stamp(layer.image, layer.x, layer.y, self._size)
