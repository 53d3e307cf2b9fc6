"""Decodes films and stills into frames of one size and frame rate."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageFilter, ImageOps

from rivya_flows.errors import MediaError
from rivya_flows.language.cut_terms import STILL_SECONDS, Fit
from rivya_flows.media.bounds import MAX_FRAMES, beyond
from rivya_flows.media.graphs import link, ready
from rivya_flows.media.probe import (
    on_ground,
    open_media,
    picture_stream,
    probe,
    shown_size,
    turn,
    upright,
)
from rivya_flows.media.rendering.planes import frame_of_image

STILL_RATE = Fraction(24)
"""Frames a second of a film made of stills alone."""
MIN_SLIDE_SECONDS, SLIDE_FADE_SECONDS = 0.5, 0.6
"""Of the old key `images`: the least length of a still, and the greatest of a cross-fade."""
_LONG_SIDE, _SHORT_SIDE = 1920, 1080
Part = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, as shares of its width and height."""
WHOLE: Part = (0.0, 0.0, 1.0, 1.0)

_TURNS = {
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}
_UNTAGGED = 2  # "unspecified" in the numbering of ITU-T H.273


@dataclass(frozen=True)
class Picture:
    """A sequence of frames, before it is held, looped or cut.

    Attributes:
        width: Even, in pixels.
        height: The same.
        rate: Frames a second.
        frame_count: Of one pass.
        frames: Gives one pass; call it again to restart.
    """

    width: int
    height: int
    rate: Fraction
    frame_count: int
    frames: Callable[[], Iterator[VideoFrame]]


def film(path: Path) -> Picture:
    """A film at its own size and frame rate (at most 60).

    Raises:
        MediaError: It is not a film, or broken.
    """
    if probe(path).kind != "video":
        raise MediaError(f"{path}: not a film", "give stills as `images`, a sound as `audio`")
    with open_media(path) as container:
        stream = _stream(path, container)
        width, height = shown_size(stream, next(container.decode(stream)))
        rate = _rate(stream)
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        else:
            seconds = probe(path).duration_seconds or 0.0
    size = (_even(width), _even(height))
    count = max(1, round(seconds * rate))
    if count > MAX_FRAMES:
        raise beyond(path, f"{MAX_FRAMES:,} frames", "MAX_FRAMES")
    return Picture(*size, rate, count, lambda: film_frames(path, size, rate))


def slideshow(paths: tuple[Path, ...], seconds: float | None) -> Picture:
    """Stills in sequence, each for an equal share, with a cross-fade between.

    The first one sets the size, at most 1080p; others are centred on a blurred copy.

    Args:
        paths: One or more images.
        seconds: Length of the whole; None: 3 s for each. Never under half a second for each.

    Raises:
        MediaError: One is not an image, or broken.
    """
    for path in paths:
        if probe(path).kind != "image":
            raise MediaError(f"{path}: not an image", "give a film as `video`")
    share = STILL_SECONDS if seconds is None else seconds / len(paths)
    share = max(share, MIN_SLIDE_SECONDS)
    size = still_size(paths[0])
    count = round(share * len(paths) * STILL_RATE)
    if count > MAX_FRAMES:
        raise beyond("the composition", f"{MAX_FRAMES:,} frames", "MAX_FRAMES")
    return Picture(*size, STILL_RATE, count, lambda: _slide_frames(paths, size, share))


def arranged(picture: Picture, count: int, fit: Fit) -> Iterator[VideoFrame]:
    """Exactly `count` frames: cut, looped, or held on the last frame."""
    shown, last = 0, None
    while shown < count:
        for frame in picture.frames():
            last = frame
            yield frame
            shown += 1
            if shown == count:
                return
        if last is None:
            raise MediaError("the picture has no frames")
        while fit != "loop" and shown < count:
            yield last
            shown += 1


def film_frames(
    path: Path,
    size: tuple[int, int],
    rate: Fraction,
    start: float = 0.0,
    part: Part = WHOLE,
) -> Iterator[VideoFrame]:
    """Frames of a film, upright, of one size and pace, 4:2:0 in BT.709.

    Args:
        path: Of the film.
        size: Even width and height.
        rate: Frames a second.
        start: Second of the film at which they start.
        part: What is shown of it.
    """
    with open_media(path) as container:
        stream = _stream(path, container)
        if start and stream.time_base:
            begin = round(start / stream.time_base) + (stream.start_time or 0)
            with contextlib.suppress(av.FFmpegError):  # then it is decoded from its first frame
                container.seek(begin, stream=stream)
        graph: Graph | None = None
        for frame in container.decode(stream):
            if graph is None:
                shape = frame.width, frame.height, frame.format.name
                graph = _reshape(stream, frame, size, rate, start, part)
            elif (frame.width, frame.height, frame.format.name) != shape:
                # Filters do not look again: of a smaller frame they would show foreign memory.
                frame = frame.reformat(*shape)
            graph.vpush(frame)
            yield from ready(graph.vpull)
        if graph is not None:
            graph.vpush(None)
            yield from ready(graph.vpull)


def _reshape(
    stream: VideoStream,
    frame: VideoFrame,
    size: tuple[int, int],
    rate: Fraction,
    start: float,
    part: Part,
) -> Graph:
    matrix = "auto"
    if frame.colorspace == _UNTAGGED:
        matrix = "bt709" if frame.height >= 720 else "bt601"
    pace = f"{rate.numerator}/{rate.denominator}"
    origin = "STARTPTS"
    if start:  # the first frame is that of the seek
        origin, pace = str(stream.start_time or 0), f"{pace}:start_time={start:.6f}"
    left, top, right, bottom = part
    shown = f"w=iw*{right - left:.6f}:h=ih*{bottom - top:.6f}:x=iw*{left:.6f}:y=ih*{top:.6f}"
    steps = [
        ("setpts", f"PTS-{origin}"),
        ("fps", pace),
        *_TURNS.get(turn(frame), ()),
        *([] if part == WHOLE else [("crop", shown)]),
        (
            "scale",
            f"{size[0]}:{size[1]}:flags=bicubic:in_color_matrix={matrix}"
            ":out_color_matrix=bt709:out_range=tv",
        ),
        ("setsar", "1"),
        ("format", "yuv420p"),
    ]
    graph = Graph()
    begin = graph.add_buffer(template=stream, time_base=stream.time_base)
    link(graph, begin, [*steps, ("buffersink", "")])
    graph.configure()
    return graph


def _stream(path: Path, container: av.container.InputContainer) -> VideoStream:
    stream = picture_stream(container)
    if stream is None:
        raise MediaError(f"{path}: holds no moving picture")
    stream.codec_context.thread_count = 2
    return stream


def _rate(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or Fraction(24)
    return min(max(Fraction(rate).limit_denominator(1001), Fraction(1)), Fraction(60))


def still_size(path: Path) -> tuple[int, int]:
    """Even width and height of a film that begins with an image: at most 1080p."""
    with Image.open(path) as image:
        width, height = ImageOps.exif_transpose(image).size
    long_side, short_side = max(width, height), min(width, height)
    scale = min(1.0, _LONG_SIDE / long_side, _SHORT_SIDE / short_side)
    return _even(width * scale), _even(height * scale)


def _slide_frames(
    paths: tuple[Path, ...], size: tuple[int, int], share: float
) -> Iterator[VideoFrame]:
    fading = round(min(SLIDE_FADE_SECONDS, share / 3) * STILL_RATE)
    shown, current = 0, _slide(paths[0], size)
    for index in range(len(paths)):
        end = round((index + 1) * share * STILL_RATE)
        still = frame_of_image(current)
        if index + 1 == len(paths):
            yield from (still for _ in range(shown, end))
            return
        yield from (still for _ in range(shown, end - fading))
        following = _slide(paths[index + 1], size)
        for step in range(1, fading + 1):
            yield frame_of_image(Image.blend(current, following, step / (fading + 1)))
        shown, current = end, following


def _slide(path: Path, size: tuple[int, int]) -> Image.Image:
    """The whole image in a frame of that size, on a dark blurred copy of itself."""
    image = on_ground(upright(path), "white")
    whole = ImageOps.contain(image, size, Image.Resampling.LANCZOS)
    if whole.size == size:
        return whole
    small = (max(1, size[0] // 8), max(1, size[1] // 8))
    ground = ImageOps.fit(image, small).filter(ImageFilter.GaussianBlur(6))
    ground = ground.point([value * 6 // 10 for value in range(256)] * 3)
    ground = ground.resize(size, Image.Resampling.BICUBIC)
    ground.paste(whole, ((size[0] - whole.width) // 2, (size[1] - whole.height) // 2))
    return ground


def _even(length: float) -> int:
    # 4:2:0 keeps colour for every second pixel, so an odd side cannot be encoded.
    return max(2, round(length) // 2 * 2)
