"""A still that stands for a film until it plays; many films begin with a fade from black."""

from __future__ import annotations

import io
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rivya_flows.errors import MediaError
from rivya_flows.media.probe import open_media, picture_stream, turn

_WHERE = 0.4  # of the length: past the fade-in and mostly the heart of a short film
_LONGEST_SIDE = 640


def poster(path: Path) -> bytes | None:
    """A small JPEG from inside the film, or None if there is none to be had."""
    try:
        with open_media(path) as container:
            stream = picture_stream(container)
            if stream is None:
                return None
            frame = _frame_inside(container, stream)
            if frame is None:
                return None
            image = frame.to_image()  # type: ignore[no-untyped-call]  # so in av
            image = image.rotate(turn(frame), expand=True)
            image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
            data = io.BytesIO()
            image.save(data, "jpeg", quality=82)
            return data.getvalue()
    except MediaError:
        return None


def _frame_inside(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    wanted = (container.duration or 0) * _WHERE / av.time_base
    container.seek(round(wanted * av.time_base))
    last = None
    # The seek lands on a whole picture, which may be far before the wanted one.
    for frame in container.decode(stream):
        last = frame
        if frame.pts is not None and frame.time >= wanted:
            break
    return last
