"""Overlays and captions of one film, drawn when they appear and clear of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from rivya_flows.language.subtitles import Cue
from rivya_flows.media.drawing.layers import (
    Box,
    caption_layer,
    obstacles,
    overlay_layer,
    overlay_layers,
)
from rivya_flows.media.edit import Composition
from rivya_flows.media.rendering.planes import Stamp, stamp
from rivya_flows.media.rendering.reframe import Size
from rivya_flows.media.rendering.schedule import Appearance, StampSchedule, of_cues, of_overlay
from rivya_flows.media.rendering.timeline import Timeline


class Drawn:
    """What is drawn on the frames of one film.

    Attributes:
        appearances: When each overlay is on the film.
        overlays, captions: What is on each frame.
    """

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
        shown = of_cues(cues, timeline)
        # In the middle, overlays would part captions into some above and some below them.
        middle = made.captions is not None and made.captions.position == "middle"
        self._ever = self._obstacles(shown if middle else [])
        self.captions = StampSchedule(
            [(on, partial(self._caption, cue, on)) for on, cue in zip(shown, cues, strict=True)]
        )

    def crowded(self, where: str) -> Iterator[str]:
        """What lies on an overlay for want of room, in a film named `where`; asked at its end."""
        for index in self._crowded:
            yield f"overlays[{index}] lies on another in {where}: there is no room for both"
        if self._covering:
            count = "1 caption lies" if self._covering == 1 else f"{self._covering} captions lie"
            yield f"{count} on an overlay in {where}: there is no room for both"

    def _obstacles(self, shown: Sequence[Appearance]) -> list[Box]:
        """What captions keep clear of that are on the film then."""
        met = (
            box
            for index, box in self._boxes.items()
            if any(on.meets(self.appearances[index]) for on in shown)
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
