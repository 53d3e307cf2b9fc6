"""Frames of a film or picture, as files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image

from rivya_client.errors import MediaError
from rivya_cut.encoding import unwritable
from rivya_cut.measures import MAX_FRAMES
from rivya_cut.reading import open_media, picture_stream, probe, shown_size, turn, upright

_MAX_SIDE = 4096  # pixels; of a larger one, a smaller picture is taken
_HD_HEIGHT = 720  # from here on, players take colours for those of BT.709 where a film says nothing
_UNKNOWN = 2  # of ITU-T H.273


def extract_frames(path: Path, folder: Path, count: int) -> tuple[str, ...]:
    """Writes so many frames of a film as PNG, the first and the last among them; gives their names.

    A film that has fewer gives what it has, and a picture itself.

    Args:
        folder: Exists.
        count: 1 to `MAX_FRAMES`; 1 is the middle one.
    """
    if not 1 <= count <= MAX_FRAMES:
        raise ValueError(f"{count} frames; expected 1 to {MAX_FRAMES}")
    match probe(path).kind:
        case "audio":
            raise MediaError(f"{path}: has no picture", "give a film or an image")
        case "image":
            images = iter([upright(path)])
        case "video":
            images = _frames(path, count)
    names = []
    for number, image in enumerate(images, 1):
        image.thumbnail((_MAX_SIDE, _MAX_SIDE))
        names.append(f"{number:04}.png")
        try:
            image.save(folder / names[-1], "PNG", compress_level=1)  # a third of the time
        except OSError as error:
            raise unwritable(folder, error) from error
    if not names:
        raise MediaError(f"{path}: broken or cut short", "download or make it again")
    return tuple(names)


def _frames(path: Path, count: int) -> Iterator[Image.Image]:
    with open_media(path) as container:
        stream = picture_stream(container)
        assert stream is not None  # so probed
        times, keys = _times(container, stream)
        last = len(times) - 1
        steps = [last // 2] if count == 1 else [last * step // (count - 1) for step in range(count)]
        for frame in _at(container, stream, [times[step] for step in dict.fromkeys(steps)], keys):
            yield _picture(stream, frame)


def _times(container: InputContainer, stream: VideoStream) -> tuple[list[int], list[int]]:
    """When each frame is seen, and each that needs no other; bounded by the packets of `probe`."""
    frames = [
        (packet.pts, packet.is_keyframe)
        for packet in container.demux(stream)
        if packet.pts is not None and not packet.is_discard
    ]
    return sorted(time for time, _ in frames), sorted(time for time, is_key in frames if is_key)


def _at(
    container: InputContainer, stream: VideoStream, wanted: list[int], keys: list[int]
) -> Iterator[VideoFrame]:
    """The frames at these times, which grow; the last one that there is where later ones are broken off."""
    container.seek(wanted[0], stream=stream)
    frames, frame = container.decode(stream), None
    for time in wanted:
        if frame is not None and bisect_right(keys, time) > bisect_right(keys, frame.pts or 0):
            container.seek(time, stream=stream)
            frames = container.decode(stream)
        while frame is None or frame.pts is None or frame.pts < time:
            following = next(frames, None)
            if following is None:
                break
            frame = following
        if frame is not None:
            yield frame


def _picture(stream: VideoStream, frame: VideoFrame) -> Image.Image:
    says_nothing = frame.colorspace == _UNKNOWN and frame.height >= _HD_HEIGHT
    colours = Colorspace.ITU709 if says_nothing else None
    image: Image.Image = frame.reformat(format="rgb24", src_colorspace=colours).to_image()  # type: ignore[no-untyped-call]  # so in av
    image = image.rotate(turn(frame), expand=True)
    size = shown_size(stream, frame)
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
