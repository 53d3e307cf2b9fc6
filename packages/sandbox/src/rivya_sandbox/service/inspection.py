"""Checks that an upload is a complete file of its kind and not a bomb, and measures its duration.

Images are not decoded: headers give the size, and the structure shows whether the end is there.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from rivya_sandbox.service.errors import Refusal, invalid

_MOST_PIXELS = 2**26
_MOST_BOXES = 10_000
_UNTOLD = 2**32 - 1  # the length in a RIFF file written as a stream


def inspect(file: BinaryIO, kind: str, mime_type: str) -> float | None:
    """The duration in seconds with three decimals; None for an image, or if the file has none.

    Args:
        file: Readable and seekable; left at any position.
        kind: ``image``, ``video`` or ``audio``.
        mime_type: By its signature.

    Raises:
        Refusal: It is truncated, cannot be read, or has too many pixels.
    """
    if _is_cut(file):
        raise invalid("The file is cut off.")
    file.seek(0)
    if kind == "image":
        _check_picture(file, mime_type)
        return None
    return _length(file, kind)


def _is_cut(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF":
        lines = int.from_bytes(head[4:8], "little")
        return lines != _UNTOLD and lines + 8 > size
    return head[4:8] == b"ftyp" and not _has_whole_boxes(file, size)


def _has_whole_boxes(file: BinaryIO, size: int) -> bool:
    """Whether the boxes of an MP4 file end at the end of the file."""
    position = 0
    for _ in range(_MOST_BOXES):
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:  # to the end
            length = size - position
        if length < 8:
            return False
        position += length
        if position >= size:
            return position == size
    return False


def _check_picture(file: BinaryIO, mime_type: str) -> None:
    try:
        with Image.open(file) as picture:
            width, height = picture.size
            _check_pixels(width, height)
            if mime_type == "image/png":
                picture.verify()
            elif mime_type == "image/jpeg":
                picture.draft("L", (1, 1))  # an eighth of the size
                picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise _too_large() from problem
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as problem:
        raise invalid("The picture is cut off or cannot be read.") from problem


def _length(file: BinaryIO, kind: str) -> float | None:
    # Imported on first use: it is large, and most servers never receive a film.
    import av

    try:
        with av.open(file, "r") as container:
            streams = container.streams.video if kind == "video" else container.streams.audio
            if not streams:
                raise invalid(f"The file holds no {kind}.")
            # A stream of an unknown codec has no context.
            if all(stream.codec_context is None for stream in streams):
                raise invalid(f"The {kind} is of a codec that cannot be read.")
            for picture in container.streams.video:
                if picture.codec_context is not None:
                    _check_pixels(picture.codec_context.width, picture.codec_context.height)
            if container.duration is not None:
                return round(container.duration / av.time_base, 3)
            # Bare frames have no header; their packets give the duration.
            ends = [
                float((packet.pts + packet.duration) * packet.time_base)
                for packet in container.demux()
                if packet.pts is not None and packet.duration is not None and packet.time_base
            ]
    except (av.FFmpegError, ValueError) as problem:
        raise invalid("The file cannot be read.") from problem
    return round(max(ends), 3) if ends else None


def _check_pixels(width: int, height: int) -> None:
    if width * height > _MOST_PIXELS:
        raise _too_large()


def _too_large() -> Refusal:
    return invalid(f"The picture has more than {_MOST_PIXELS} pixels.")
