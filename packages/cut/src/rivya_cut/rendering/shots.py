"""The frames of a timeline in the size of one format: films and stills, reframed and joined."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path

import av
from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageFilter, ImageOps

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_FRAMES, beyond
from rivya_cut.composition import Composition
from rivya_cut.graphs import link, ready
from rivya_cut.reading import (
    decode_all,
    keeps_alpha,
    on_ground,
    open_media,
    picture_stream,
    probe,
    turn,
    upright,
)
from rivya_cut.rendering.planes import (
    BLACK,
    NEUTRAL,
    Planes,
    frame_of,
    frame_of_image,
    image_of,
    planes_of,
)
from rivya_cut.rendering.reframe import (
    GROUND_BLUR,
    GROUND_SCALE,
    Placement,
    Size,
    bars,
    cells,
    edges_over,
    focus_of,
    ground_lights,
    placement,
    soft_seam,
    window,
)
from rivya_cut.rendering.timeline import ClipMedium, Pane, Shot, Timeline
from rivya_cut.rendering.transitions import MIXED, blend, ease

_Part = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, as shares of its width and height."""
_WHOLE: _Part = (0.0, 0.0, 1.0, 1.0)

_TURNS = {
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}
_UNTAGGED = 2  # "unspecified" in the numbering of ITU-T H.273
_FULL = [min(255, max(0, (v - BLACK) * 255 // 219)) for v in range(256)]  # of a luma
_SHARP, _PLAIN = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
_CARD_FADE_SECONDS = 0.4
_LONG_SIDE, _SHORT_SIDE = 1920, 1080


def pace(path: Path) -> tuple[Fraction, int]:
    """Frames a second of a film, at most 60, and how many it has."""
    with open_media(path) as container:
        stream = _stream(path, container)
        rate = Fraction(stream.average_rate or stream.guessed_rate or 24)
        rate = min(max(rate.limit_denominator(1001), Fraction(1)), Fraction(60))
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
    count = max(1, round((seconds or probe(path).duration_seconds or 0.0) * rate))
    if count > MAX_FRAMES:
        raise beyond(path, f"{MAX_FRAMES:,} frames", "MAX_FRAMES")
    return rate, count


def still_size(path: Path) -> Size:
    """Even width and height of a film that begins with an image: at most 1080p."""
    with Image.open(path) as image:
        size = ImageOps.exif_transpose(image).size
    scale = min(1.0, _LONG_SIDE / max(size), _SHORT_SIDE / min(size))
    width, height = (max(2, round(side * scale) // 2 * 2) for side in size)
    return width, height


def picture_frames(
    composition: Composition, timeline: Timeline, size: Size
) -> Iterator[VideoFrame]:
    """The frames before the end card, in even `size`: its shots, joined by their transitions."""
    return islice(_join_shots(composition, timeline, size), timeline.picture_frames)


def card(timeline: Timeline, card: VideoFrame, last: VideoFrame) -> Iterator[VideoFrame]:
    """The frames of the end card, which fades in over the last frame before it."""
    fade = min(round(_CARD_FADE_SECONDS * timeline.rate), timeline.card_frames // 3)
    for step in range(timeline.card_frames):
        yield card if step >= fade else blend(last, card, ease((step + 1) / (fade + 1)))


def film_frames(
    path: Path,
    size: Size,
    rate: Fraction,
    start: float = 0.0,
    part: _Part = _WHOLE,
    speed: float = 1.0,
    see_through: bool = False,
) -> Iterator[VideoFrame]:
    """A `part` of a film from second `start` on: upright, in even `size`, 4:2:0 in BT.709.

    With `see_through`, frames of a film that has transparent parts have a fourth plane.
    """
    with open_media(path) as container:
        stream = _stream(path, container)
        if start and stream.time_base:
            begin = round(start / stream.time_base) + (stream.start_time or 0)
            with contextlib.suppress(av.FFmpegError):  # then it is decoded from its first frame
                container.seek(begin, stream=stream)
        graph: Graph | None = None
        see_through = see_through and keeps_alpha(stream)
        frames = decode_all(container, stream) if see_through else container.decode(stream)
        pixels = "yuva420p" if see_through else "yuv420p"
        for frame in frames:
            if graph is None:
                shape = frame.width, frame.height, frame.format.name
                graph = _reshape(stream, frame, size, rate, start, part, speed, pixels)
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
    size: Size,
    rate: Fraction,
    start: float,
    part: _Part,
    speed: float,
    pixels: str,
) -> Graph:
    matrix = "auto"
    if frame.colorspace == _UNTAGGED:
        matrix = "bt709" if frame.height >= 720 else "bt601"
    pace = f"{rate.numerator}/{rate.denominator}"
    origin = "STARTPTS"
    if start:  # the first frame is that of the seek
        origin, pace = str(stream.start_time or 0), f"{pace}:start_time={start / speed:.6f}"
    if speed > 1:  # what is left may be too short for a frame
        pace = f"{pace}:eof_action=pass"
    left, top, right, bottom = part
    visible = f"w=iw*{right - left:.6f}:h=ih*{bottom - top:.6f}:x=iw*{left:.6f}:y=ih*{top:.6f}"
    steps = [
        ("setpts", f"(PTS-{origin})/{speed}"),
        ("fps", pace),
        *_TURNS.get(turn(frame), ()),
        *([] if part == _WHOLE else [("crop", visible)]),
        (
            "scale",
            f"{size[0]}:{size[1]}:flags=bicubic:in_color_matrix={matrix}"
            ":out_color_matrix=bt709:out_range=tv",
        ),
        ("setsar", "1"),
        ("format", pixels),
    ]
    graph = Graph()
    begin = graph.add_buffer(template=stream, format=frame.format, time_base=stream.time_base)
    link(graph, begin, [*steps, ("buffersink", "")])
    graph.configure()
    return graph


def _stream(path: Path, container: InputContainer) -> VideoStream:
    stream = picture_stream(container)
    if stream is None:
        raise MediaError(f"{path}: holds no moving picture")
    stream.codec_context.thread_count = 2
    return stream


def _join_shots(composition: Composition, timeline: Timeline, size: Size) -> Iterator[VideoFrame]:
    def frames_of(shot: Shot) -> Iterator[VideoFrame]:
        return _shot_frames(shot, timeline.rate, size, composition)

    current, visible = frames_of(timeline.shots[0]), 0
    joins = zip(timeline.overlaps, timeline.transitions, strict=True)
    for index, (overlap, transition) in enumerate(joins):
        yield from islice(current, timeline.shots[index].frames - visible - overlap)
        following = frames_of(timeline.shots[index + 1])
        for step in range(overlap):
            share = ease((step + 1) / (overlap + 1))
            yield MIXED[transition.kind](next(current), next(following), share)
        current, visible = following, overlap
    yield from current


def _shot_frames(
    shot: Shot, rate: Fraction, size: Size, composition: Composition
) -> Iterator[VideoFrame]:
    """The frames of a shot: exactly `shot.frames`."""
    if len(shot.panes) == 1:
        yield from _pane_frames(shot.panes[0], shot, rate, size, composition)
        return
    grid = cells(size, len(shot.panes), shot.split)
    sources = [
        _pane_frames(pane, shot, rate, cell.size, composition)
        for pane, cell in zip(shot.panes, grid, strict=True)
    ]
    gaps = planes_of(frame_of_image(Image.new("RGB", size, bars(composition.look))))
    previous, made = None, None
    for frames in zip(*sources, strict=True):
        if made is None or frames != previous:
            planes = gaps[0].copy(), gaps[1].copy(), gaps[2].copy()
            for frame, cell in zip(frames, grid, strict=True):
                for plane, inner, half in zip(planes, planes_of(frame), (1, 2, 2), strict=True):
                    plane.paste(inner, (cell.left // half, cell.top // half))
            made = frame_of(planes)
        previous = frames
        yield made


def _pane_frames(
    pane: Pane, shot: Shot, rate: Fraction, size: Size, composition: Composition
) -> Iterator[VideoFrame]:
    """The frames of one medium of a shot, in even `size`."""
    medium = pane.medium
    place = placement(medium.size, size, composition.reframe, shot.motion)
    pad = composition.reframe == "pad"
    beside = bars(composition.look) if pad else "white"
    ground = None
    if place.region != place.size and pad:
        ground = planes_of(frame_of_image(Image.new("RGB", size, beside)))
    try:
        if medium.rate is None:
            still = _still(medium.path, place, beside)
            canvases: Iterator[VideoFrame] = repeat(still, shot.frames)
        else:
            canvases = _hold_frames(pane, shot, rate, place)
        previous, made = None, None
        for index, canvas in enumerate(canvases):
            if canvas is not previous or made is None or shot.motion != "none":
                moves = max(1, shot.frames - 1)
                made = _place(canvas, place, index / moves, ground)
            previous = canvas
            yield made
    except MediaError as error:
        raise MediaError(f"{medium.name}: {error.message}", error.hint) from error


def _still(path: Path, place: Placement, ground: str) -> VideoFrame:
    image = on_ground(upright(path), ground)
    box = window(image.size, place.canvas, focus_of(image, place.canvas))
    canvas = image.resize(place.canvas, Image.Resampling.LANCZOS, box=box)
    return frame_of_image(canvas)


def _hold_frames(pane: Pane, shot: Shot, rate: Fraction, place: Placement) -> Iterator[VideoFrame]:
    """Frames of a film on the canvas; at its end the last is held."""
    path, part = pane.medium.path, _part(pane.medium, shot, rate, place)
    frames = film_frames(path, place.canvas, rate, shot.start, part, shot.speed)
    count, last = 0, None
    for frame in islice(frames, min(pane.own, shot.frames)):
        last = frame
        count += 1
        yield frame
    frames.close()  # type: ignore[attr-defined]  # a generator
    if last is None:
        raise MediaError(f"{path}: has no frame at {shot.start:g} s")
    yield from repeat(last, shot.frames - count)


def _part(medium: ClipMedium, shot: Shot, rate: Fraction, place: Placement) -> _Part:
    """What the canvas shows of a film, by the detail of its first frame."""
    width, height = medium.size
    focus = (0.5, 0.5)
    whole = window(medium.size, place.canvas)
    if whole[2] - whole[0] < width - 1 or whole[3] - whole[1] < height - 1:
        first = next(film_frames(medium.path, (160, 160), rate, shot.start), None)
        if first is not None:
            focus = focus_of(image_of(first), place.canvas, medium.size)
    left, top, right, bottom = window(medium.size, place.canvas, focus)
    return left / width, top / height, right / width, bottom / height


def _place(canvas: VideoFrame, place: Placement, share: float, ground: Planes | None) -> VideoFrame:
    """The canvas as the camera sees it, on a ground where it leaves bars."""
    if place.motion == "none" and place.region == place.size:
        return canvas
    planes = planes_of(canvas)
    seen = planes
    if place.motion != "none":
        seen = _resample(planes, place, share)
    if place.region == place.size:
        return frame_of(seen)
    grounds = _blur_edges(planes, place.size) if ground is None else ground
    left, top = place.corner
    made = [plane.copy() for plane in grounds]
    for plane, inner, half in zip(made, seen, (1, 2, 2), strict=True):
        cover = soft_seam(place).resize(inner.size) if ground is None else None
        plane.paste(inner, (left // half, top // half), cover)
    return frame_of((made[0], made[1], made[2]))


def _resample(planes: Planes, place: Placement, share: float) -> Planes:
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


def _blur_edges(planes: Planes, size: Size) -> Planes:
    """A blurred copy of the edges that fills a frame, dark unless the picture has a bright ground."""
    found: list[Image.Image] = []
    lights = ground_lights(planes[0].point(_FULL), size)
    for plane, half, zero in zip(planes, (1, 2, 2), (BLACK, NEUTRAL, NEUTRAL), strict=True):
        full = (size[0] // half, size[1] // half)
        tiny = (max(1, full[0] // GROUND_SCALE), max(1, full[1] // GROUND_SCALE))
        small = edges_over(plane, tiny, lights, zero)
        small = small.filter(ImageFilter.GaussianBlur(GROUND_BLUR / half))
        found.append(small.resize(full, Image.Resampling.BILINEAR))
    return found[0], found[1], found[2]
