"""Draws on the planes of a frame: 4:2:0, BT.709, limited range.

A plane is a greyscale picture of Pillow: luma at full size, the two of colour at half. So a frame is
changed where it must be, in the colours that are encoded, and never converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageChops

Planes = tuple[Image.Image, Image.Image, Image.Image]

BLACK, NEUTRAL = 16, 128
"""Of a luma plane in limited range, and of a colour plane without colour."""
_ZEROS = (0, NEUTRAL, NEUTRAL)


def planes_of(frame: VideoFrame) -> Planes:
    """The planes of a 4:2:0 frame: they share its memory, so copy one before you draw on it."""
    luma, blue, red = (view(plane) for plane in frame.planes[:3])
    return luma, blue, red


def frame_of(planes: Planes) -> VideoFrame:
    """A new frame."""
    width, height = planes[0].size
    frame = VideoFrame(width, height, "yuv420p")
    for plane, image in zip(frame.planes, planes, strict=True):
        plane.update(image.tobytes("raw", "L", plane.line_size, 1))
    return frame


def frame_of_image(image: Image.Image) -> VideoFrame:
    """A picture in RGB, of even sides, as a frame."""
    frame: VideoFrame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]  # so in av
    return frame.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )


def image_of(frame: VideoFrame) -> Image.Image:
    """A frame as a picture in RGB."""
    seen = frame.reformat(
        format="rgb24", src_colorspace=Colorspace.ITU709, src_color_range=ColorRange.MPEG
    )
    image: Image.Image = seen.to_image()  # type: ignore[no-untyped-call]  # so in av
    return image


@dataclass(frozen=True)
class Stamp:
    """A picture with transparency, ready to be drawn on frames at its place.

    Attributes:
        x, y: Even, and inside the frame but for the bottom of the stamp.
        planes: Its colours, already multiplied with its transparency, so that no colour of a
            transparent pixel reaches the edge of a visible one.
        masks: Its opacity, at the size of each plane.
    """

    x: int
    y: int
    planes: Planes
    masks: Planes

    def move_down(self, step: int) -> Stamp:
        """The stamp, an even number of pixels further down."""
        return replace(self, y=self.y + step) if step else self

    def with_opacity(self, share: float) -> Stamp:
        """The stamp with `share` (0 to 1) of its opacity."""
        if share >= 1:
            return self
        opacity = [round(value * share) for value in range(256)]
        colour = [round(NEUTRAL + (value - NEUTRAL) * share) for value in range(256)]
        luma, blue, red = self.planes
        mask, half, _ = (one.point(opacity) for one in self.masks)
        faded = (luma.point(opacity), blue.point(colour), red.point(colour))
        return Stamp(self.x, self.y, faded, (mask, half, half))


def stamp(image: Image.Image, x: int, y: int, size: tuple[int, int]) -> Stamp | None:
    """A picture in RGBA at `x`, `y` of frames of that size; None if nothing of it is inside."""
    left, top = max(0, x), max(0, y)
    right, bottom = min(size[0], x + image.width), min(size[1], y + image.height)
    if left >= right or top >= bottom:
        return None
    image = image.crop((left - x, top - y, right - x, bottom - y))
    # Even, since a pixel of colour stands for two by two; the frame is even, so it stays inside.
    x, y = left // 2 * 2, top // 2 * 2
    width, height = right - x + (right - x) % 2, bottom - y + (bottom - y) % 2
    even = Image.new("RGBA", (width, height))
    even.paste(image, (left - x, top - y))
    mask = even.getchannel("A")
    frame: VideoFrame = VideoFrame.from_image(even.convert("RGB"))  # type: ignore[no-untyped-call]  # so in av
    frame = frame.reformat(
        format="yuv444p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    luma, blue, red = planes_of(frame)
    half = (width // 2, height // 2)
    small = mask.resize(half, Image.Resampling.BOX)
    colours = []
    for plane in (blue, red):
        neutral = Image.new("L", plane.size, NEUTRAL)
        colours.append(Image.composite(plane, neutral, mask).resize(half, Image.Resampling.BOX))
    dark = Image.composite(luma, Image.new("L", luma.size), mask)
    return Stamp(x, y, (dark, colours[0], colours[1]), (mask, small, small))


def frame_stamp(frame: VideoFrame, x: int, y: int, mask: Image.Image) -> Stamp:
    """A frame with even sides, seen through a mask of its size or its own, at an even place."""
    if frame.format.name == "yuva420p":
        mask = view(frame.planes[3])
    half = mask.resize((frame.width // 2, frame.height // 2), Image.Resampling.BOX)
    masks = (mask, half, half)
    luma, blue, red = (
        Image.composite(plane, Image.new("L", plane.size, zero), seen)
        for plane, seen, zero in zip(planes_of(frame), masks, _ZEROS, strict=True)
    )
    return Stamp(x, y, (luma, blue, red), masks)


def draw_stamps(frame: VideoFrame, stamps: Sequence[Stamp]) -> VideoFrame:
    """A copy of the frame with the stamps on it, in order; the frame itself without stamps."""
    if not stamps:
        return frame
    drawn = _copy(frame)
    for one in stamps:
        corners = ((one.x, one.y), *[(one.x // 2, one.y // 2)] * 2)
        for parts in zip(drawn.planes, one.planes, one.masks, corners, _ZEROS, strict=True):
            _draw(*parts)
    return drawn


def _copy(frame: VideoFrame) -> VideoFrame:
    copy = VideoFrame(frame.width, frame.height, "yuv420p")
    if all(a.line_size == b.line_size for a, b in zip(copy.planes, frame.planes, strict=True)):
        for plane, source in zip(copy.planes, frame.planes, strict=True):
            data: Any = source  # a buffer
            plane.update(data)
        return copy
    return frame_of(planes_of(frame))


def _draw(
    plane: VideoPlane, picture: Image.Image, mask: Image.Image, corner: tuple[int, int], zero: int
) -> None:
    (x, y), width = corner, picture.width
    height = min(picture.height, plane.height - y)  # one that moves may begin below the frame
    if height < picture.height:
        picture, mask = (one.crop((0, 0, width, max(0, height))) for one in (picture, mask))
    ground = view(plane).crop((x, y, x + width, y + height))
    # What is left of the ground, and what the picture adds to `zero`.
    ground.paste(zero, (0, 0, width, height), mask)
    box = ImageChops.add(ground, picture, 1, -zero).tobytes()
    data: Any = plane  # a buffer
    with memoryview(data) as pixels:
        for row in range(height):
            begin = (y + row) * plane.line_size + x
            pixels[begin : begin + width] = box[row * width : (row + 1) * width]


def view(plane: VideoPlane) -> Image.Image:
    size = (plane.width, plane.height)
    data: Any = plane  # a buffer, which the types of Pillow do not know
    return Image.frombuffer("L", size, data, "raw", "L", plane.line_size, 1)
