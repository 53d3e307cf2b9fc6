"""Two frames become one where a clip follows another, by the share (0 to 1) of the second."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from av.video.frame import VideoFrame
from PIL import Image

from rivya_cut.rendering.planes import BLACK, NEUTRAL, Planes, frame_of, planes_of
from rivya_cut.terms import TransitionKind

_SHADOW, _SHADOW_WIDTH = 0.55, 0.06  # before the edge of a frame that slides; of the width
_SOFT = 0.16  # of the width: the edge of a wipe
_INTO, _SETTLE = (
    1.6,
    1.14,
)  # how much larger a zoom shows the one at its end, the other at its begin

_Mix = Callable[[Image.Image, Image.Image, int], Image.Image]
"""One plane of two; the number is how many of its pixels are as wide as one of colour: 2 or 1."""


def blend(one: VideoFrame, other: VideoFrame, share: float) -> VideoFrame:
    """`one` with `share` of `other`."""
    return _mix_planes(planes_of(one), planes_of(other), lambda a, b, _: Image.blend(a, b, share))


def push(one: VideoFrame, other: VideoFrame, share: float) -> VideoFrame:
    """`other` comes in from the right and pushes `one` out."""
    step = round(one.width * share / 2)

    def beside(a: Image.Image, b: Image.Image, unit: int) -> Image.Image:
        made, move = Image.new("L", a.size), step * unit
        made.paste(a, (-move, 0))
        made.paste(b, (a.width - move, 0))
        return made

    return _mix_planes(planes_of(one), planes_of(other), beside)


def slide(one: VideoFrame, other: VideoFrame, share: float) -> VideoFrame:
    """`other` comes in from the right over `one`, on which it casts a soft shadow."""
    step, wide = round(one.width * share / 2), max(1, round(one.width * _SHADOW_WIDTH / 2))
    strength = _SHADOW * 4 * share * (1 - share)

    def over(a: Image.Image, b: Image.Image, unit: int) -> Image.Image:
        made, left = a.copy(), a.width - step * unit
        shades = [(at + 0.5) / (wide * unit) for at in range(wide * unit)]
        shadow = _columns([strength * shade**2 for shade in shades], a.height)
        made.paste(
            BLACK if unit == 2 else NEUTRAL, (left - shadow.width, 0, left, a.height), shadow
        )
        made.paste(b, (left, 0))
        return made

    return _mix_planes(planes_of(one), planes_of(other), over)


def wipe(one: VideoFrame, other: VideoFrame, share: float) -> VideoFrame:
    """`other` is uncovered from the left, with a soft edge."""

    def uncover(a: Image.Image, b: Image.Image, unit: int) -> Image.Image:
        soft = a.width * _SOFT
        edge = share * (a.width + soft)
        seen = [min(1.0, max(0.0, (edge - at - 0.5) / soft)) for at in range(a.width)]
        return Image.composite(b, a, _columns(list(map(ease, seen)), a.height))

    return _mix_planes(planes_of(one), planes_of(other), uncover)


def zoom(one: VideoFrame, other: VideoFrame, share: float) -> VideoFrame:
    """The camera moves into `one`, which dissolves into `other` that settles from slightly larger."""
    near = _closer(planes_of(one), _INTO**share)
    far = _closer(planes_of(other), _SETTLE ** (1 - share))
    # Both are seen for half of the movement: longer, it would look like a fade.
    seen = ease(min(1.0, max(0.0, 2 * share - 0.5)))
    return _mix_planes(near, far, lambda a, b, _: Image.blend(a, b, seen))


MIXED: Mapping[TransitionKind, Callable[[VideoFrame, VideoFrame, float], VideoFrame]] = {
    "cut": blend,  # of clips that do not overlap: never called
    "fade": blend,
    "slide": slide,
    "push": push,
    "wipe": wipe,
    "zoom": zoom,
}


def ease(share: float) -> float:
    """The share of a movement that begins and ends slowly."""
    return share * share * (3 - 2 * share)


def _mix_planes(one: Planes, other: Planes, mix: _Mix) -> VideoFrame:
    first, second, third = (
        mix(a, b, unit) for a, b, unit in zip(one, other, (2, 1, 1), strict=True)
    )
    return frame_of((first, second, third))


def _columns(shares: list[float], height: int) -> Image.Image:
    """A mask with one opacity for each column."""
    row = Image.frombytes("L", (len(shares), 1), bytes(round(255 * share) for share in shares))
    return row.resize((len(shares), height), Image.Resampling.NEAREST)


def _closer(planes: Planes, scale: float) -> Planes:
    """The middle, as large as the whole."""
    found = []
    for plane in planes:
        x, y = (side * (1 - 1 / scale) / 2 for side in plane.size)
        box = (x, y, plane.width - x, plane.height - y)
        found.append(plane.resize(plane.size, Image.Resampling.BICUBIC, box=box))
    return found[0], found[1], found[2]
