"""Joins shots by their transitions, and the end card to the last of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from av.video.frame import VideoFrame

from rivya_flows.media.rendering.planes import blended, pushed
from rivya_flows.media.rendering.timeline import Shot, Timeline

_CARD_FADE_SECONDS = 0.4


def picture(
    timeline: Timeline, frames_of: Callable[[Shot], Iterator[VideoFrame]]
) -> Iterator[VideoFrame]:
    """The frames before the end card."""
    return islice(_joined(timeline, frames_of), timeline.picture_frames)


def card(timeline: Timeline, card: VideoFrame, last: VideoFrame) -> Iterator[VideoFrame]:
    """The frames of the end card, which fades in over the last frame before it."""
    fade = min(round(_CARD_FADE_SECONDS * timeline.rate), timeline.card_frames // 3)
    for step in range(timeline.card_frames):
        yield card if step >= fade else blended(last, card, _eased((step + 1) / (fade + 1)))


def _joined(
    timeline: Timeline, frames_of: Callable[[Shot], Iterator[VideoFrame]]
) -> Iterator[VideoFrame]:
    mixed = pushed if timeline.transition.kind == "slide" else blended
    current, shown = frames_of(timeline.shots[0]), 0
    for index, overlap in enumerate(timeline.overlaps):
        yield from islice(current, timeline.shots[index].frames - shown - overlap)
        following = frames_of(timeline.shots[index + 1])
        for step in range(overlap):
            share = _eased((step + 1) / (overlap + 1))
            yield mixed(next(current), next(following), share)
        current, shown = following, overlap
    yield from current


def _eased(share: float) -> float:
    return share * share * (3 - 2 * share)
