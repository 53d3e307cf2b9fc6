"""Which overlays and captions are on which frame, and how opaque."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rivya_flows.language.subtitles import Cue
from rivya_flows.media.edit import Overlay
from rivya_flows.media.rendering.planes import Stamp
from rivya_flows.media.rendering.timeline import Timeline

_OVERLAY_FADE_SECONDS = 0.25
_CAPTION_FADE_SECONDS = 0.2


@dataclass(frozen=True)
class Appearance:
    """When something is on the film, in frames.

    Attributes:
        end: The first frame without it.
        fade_in, fade_out: Frames in which it appears and vanishes, inside of the others.
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


class StampSchedule:
    """Draws what appears when it first does, and forgets it when it is gone."""

    def __init__(self, given: Sequence[tuple[Appearance, Callable[[], Stamp | None]]]) -> None:
        self._waiting = deque(sorted(given, key=lambda one: one[0].start))
        self._shown: list[tuple[Appearance, Stamp | None]] = []

    def stamps(self, frame: int) -> Iterator[Stamp]:
        """What is on a frame; frames are asked for in order."""
        while self._waiting and self._waiting[0][0].start <= frame:
            appearance, draw = self._waiting.popleft()
            if appearance.end > frame:
                self._shown.append((appearance, draw()))
        self._shown = [one for one in self._shown if one[0].end > frame]
        for appearance, drawn in self._shown:
            if drawn is not None:
                yield drawn.faded(appearance.share(frame))
