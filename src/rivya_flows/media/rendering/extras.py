"""A still and a short loop of a finished film."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame

from rivya_flows.errors import MediaError
from rivya_flows.media.graphs import ready
from rivya_flows.media.rendering.planes import image_of
from rivya_flows.media.rendering.reframe import even
from rivya_flows.media.rendering.schedule import Appearance
from rivya_flows.media.rendering.shots import film_frames
from rivya_flows.media.rendering.timeline import Timeline

MAX_GIF_BYTES = 8 * 2**20
"""Size of a loop; it is made smaller until it fits."""

_RATE, _SECONDS = Fraction(12), 6
_WIDTHS = (480, 360, 270, 200)
_POSTER_POSITION = 0.4  # of the picture, as of the small picture of a film


def poster_frame(timeline: Timeline, overlays: list[Appearance]) -> int:
    """The frame for the poster: in no transition, with as many overlays as can be.

    Of the frames that are as good, that nearest to 0.4 of the picture.
    """
    wanted = timeline.picture_frames * _POSTER_POSITION
    begins = timeline.begins()
    joins = [
        range(begin, begin + overlap)
        for begin, overlap in zip(begins[1:], timeline.overlaps, strict=True)
    ]
    # An overlay changes nothing between its ends, so a few frames stand for all of them.
    step = max(1, timeline.picture_frames // 200)
    frames = [
        at for at in range(0, timeline.picture_frames, step) if not any(at in j for j in joins)
    ]

    def worth(frame: int) -> tuple[float, float]:
        return sum(one.share(frame) for one in overlays), -abs(frame - wanted)

    return max(frames, key=worth, default=0)


def write_poster(frame: VideoFrame, destination: Path) -> None:
    """Write a frame as a JPEG."""
    image_of(frame).save(destination, "jpeg", quality=90)


def write_loop(film: Path, size: tuple[int, int], destination: Path) -> None:
    """Write the first 6 s of a film as a GIF, at most 480 pixels wide, 12 frames a second.

    Raises:
        MediaError: Even the smallest is larger than `MAX_GIF_BYTES`.
    """
    for width in _WIDTHS:
        width = min(width, size[0])
        small = (even(width), even(width * size[1] / size[0]))
        _write_gif(film, small, destination)
        if destination.stat().st_size <= MAX_GIF_BYTES:
            return
    raise MediaError("loop.gif: larger than MAX_GIF_BYTES", "leave `gif` out of `extras`")


def _write_gif(film: Path, size: tuple[int, int], destination: Path) -> None:
    # Read twice: in one graph, all frames would wait in memory for the palette.
    [palette] = _palette(_small(film, size))
    with av.open(str(destination), "w", format="gif", options={"loop": "0"}) as container:
        stream = container.add_stream("gif", rate=_RATE)
        (stream.width, stream.height), stream.pix_fmt = size, "pal8"
        for frame in _painted(_small(film, size), palette):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _small(film: Path, size: tuple[int, int]) -> Iterator[VideoFrame]:
    for index, frame in enumerate(islice(film_frames(film, size, _RATE), int(_RATE * _SECONDS))):
        frame.pts, frame.time_base = index, 1 / _RATE
        yield frame


def _palette(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    first = next(frames)
    graph = Graph()
    source, sink = _source(graph, first), graph.add("buffersink")
    maker = graph.add("palettegen")
    source.link_to(maker)
    maker.link_to(sink)
    graph.configure()
    for frame in chain((first,), frames):
        source.push(frame)
    source.push(None)
    yield from _frames(sink)


def _painted(frames: Iterator[VideoFrame], palette: VideoFrame) -> Iterator[VideoFrame]:
    first = next(frames)
    graph = Graph()
    source, colours = _source(graph, first), _source(graph, palette)
    sink, painter = graph.add("buffersink"), graph.add("paletteuse", "dither=bayer:bayer_scale=4")
    source.link_to(painter, 0, 0)
    colours.link_to(painter, 0, 1)
    painter.link_to(sink)
    graph.configure()
    colours.push(palette)
    colours.push(None)
    for frame in chain((first,), frames):
        source.push(frame)
        yield from _frames(sink)
    source.push(None)
    yield from _frames(sink)


def _source(graph: Graph, frame: VideoFrame) -> FilterContext:
    return graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=1 / _RATE
    )


def _frames(sink: FilterContext) -> Iterator[VideoFrame]:
    for frame in ready(sink.pull):
        assert isinstance(frame, VideoFrame)
        yield frame
