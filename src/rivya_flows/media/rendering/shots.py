"""Frames of one shot, in the size of one format."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, repeat

from av.video.frame import VideoFrame
from PIL import Image, ImageFilter

from rivya_flows.errors import MediaError
from rivya_flows.language.cut_terms import Reframe
from rivya_flows.media.picture import Part, film_frames
from rivya_flows.media.probe import on_ground, upright
from rivya_flows.media.rendering.planes import (
    Planes,
    frame_of,
    frame_of_image,
    image_of,
    planes_of,
)
from rivya_flows.media.rendering.reframe import (
    GROUND_BLUR,
    GROUND_SCALE,
    Placement,
    Size,
    edges_over,
    focus_of,
    ground_light,
    placement,
    soft_seam,
    window,
)
from rivya_flows.media.rendering.timeline import Shot

_BLACK = 16  # in limited range
_FULL = [min(255, max(0, (v - _BLACK) * 255 // 219)) for v in range(256)]  # of a luma
_SHARP, _PLAIN = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR


def shot_frames(
    shot: Shot, rate: Fraction, size: Size, reframe: Reframe, bars: str
) -> Iterator[VideoFrame]:
    """The frames of a shot: exactly `shot.frames`.

    Args:
        shot: A film or a still.
        rate: Frames a second of the timeline.
        size: Even width and height of the frames.
        reframe: What happens to a picture of another shape.
        bars: Colour beside a picture with `pad`, such as ``#112233``.

    Raises:
        MediaError: The medium is broken; names the clip.
    """
    medium = shot.medium
    place = placement(medium.size, size, reframe, shot.motion)
    ground = None
    if place.region != place.size and reframe == "pad":
        ground = planes_of(frame_of_image(Image.new("RGB", size, bars)))
    try:
        if medium.rate is None:
            still = _still(shot, place, bars if reframe == "pad" else "white")
            canvases: Iterator[VideoFrame] = repeat(still, shot.frames)
        else:
            canvases = _held(shot, rate, place)
        previous, made = None, None
        for index, canvas in enumerate(canvases):
            if canvas is not previous or made is None or shot.motion != "none":
                moves = max(1, shot.frames - 1)
                made = _placed(canvas, place, index / moves, ground)
            previous = canvas
            yield made
    except MediaError as error:
        raise MediaError(f"{medium.name}: {error.message}", error.hint) from error


def _still(shot: Shot, place: Placement, ground: str) -> VideoFrame:
    image = on_ground(upright(shot.medium.path), ground)
    box = window(image.size, place.canvas, focus_of(image, place.canvas))
    canvas = image.resize(place.canvas, Image.Resampling.LANCZOS, box=box)
    return frame_of_image(canvas)


def _held(shot: Shot, rate: Fraction, place: Placement) -> Iterator[VideoFrame]:
    """Frames of a film on the canvas; at its end the last is held, or it restarts."""
    shown, last = 0, None
    part = _part(shot, rate, place)
    while shown < shot.frames:
        frames = film_frames(shot.medium.path, place.canvas, rate, shot.start, part)
        for frame in islice(frames, min(shot.own, shot.frames - shown)):
            last = frame
            shown += 1
            yield frame
        frames.close()  # type: ignore[attr-defined]  # a generator
        if last is None:
            raise MediaError(f"{shot.medium.path}: has no frame at {shot.start:g} s")
        if not shot.looped:
            yield from repeat(last, shot.frames - shown)
            return


def _part(shot: Shot, rate: Fraction, place: Placement) -> Part:
    """What the canvas shows of a film, by the detail of its first frame."""
    width, height = shot.medium.size
    focus = (0.5, 0.5)
    whole = window(shot.medium.size, place.canvas)
    if whole[2] - whole[0] < width - 1 or whole[3] - whole[1] < height - 1:
        first = next(film_frames(shot.medium.path, (160, 160), rate, shot.start), None)
        if first is not None:
            focus = focus_of(image_of(first), place.canvas, shot.medium.size)
    left, top, right, bottom = window(shot.medium.size, place.canvas, focus)
    return left / width, top / height, right / width, bottom / height


def _placed(
    canvas: VideoFrame, place: Placement, share: float, ground: Planes | None
) -> VideoFrame:
    """The canvas as the camera sees it, on a ground where it leaves bars."""
    if place.motion == "none" and place.region == place.size:
        return canvas
    planes = planes_of(canvas)
    seen = planes
    if place.motion != "none":
        seen = _seen(planes, place, share)
    if place.region == place.size:
        return frame_of(seen)
    grounds = _blurred(planes, place.size) if ground is None else ground
    left, top = place.corner
    made = [plane.copy() for plane in grounds]
    for plane, inner, half in zip(made, seen, (1, 2, 2), strict=True):
        cover = soft_seam(place).resize(inner.size) if ground is None else None
        plane.paste(inner, (left // half, top // half), cover)
    return frame_of((made[0], made[1], made[2]))


def _seen(planes: Planes, place: Placement, share: float) -> Planes:
    """Resampled at fractions of pixels: whole ones would tremble."""
    left, top, right, bottom = place.camera(share)
    found = []
    # The eye sees no difference in colour, and the plain filter takes half the time.
    for plane, half, how in zip(planes, (1, 2, 2), (_SHARP, _PLAIN, _PLAIN), strict=True):
        size = (place.region[0] // half, place.region[1] // half)
        box = (
            max(0.0, left / half),
            max(0.0, top / half),
            min(float(plane.width), right / half),
            min(float(plane.height), bottom / half),
        )
        found.append(plane.resize(size, how, box=box))
    return found[0], found[1], found[2]


def _blurred(planes: Planes, size: Size) -> Planes:
    """A blurred copy of the edges that fills a frame, dark unless the picture has a bright ground."""
    found, light = [], ground_light(planes[0].point(_FULL))
    for plane, half, zero in zip(planes, (1, 2, 2), (_BLACK, 128, 128), strict=True):
        full = (size[0] // half, size[1] // half)
        tiny = (max(1, full[0] // GROUND_SCALE), max(1, full[1] // GROUND_SCALE))
        small = edges_over(plane, tiny).filter(ImageFilter.GaussianBlur(GROUND_BLUR / half))
        small = small.point([round(zero + (v - zero) * light) for v in range(256)])
        found.append(small.resize(full, Image.Resampling.BILINEAR))
    return found[0], found[1], found[2]
