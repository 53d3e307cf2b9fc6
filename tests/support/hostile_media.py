"""Media made by bytes to hurt who decodes them, all small, and a look at who decodes."""

from __future__ import annotations

import io
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image


def picture_with_text_for_orientation() -> bytes:
    """A JPEG of 40 × 20 whose Exif orientation is the text ``left``."""
    entry = struct.pack(">HHI4s", 0x0112, 2, 4, b"lef\0")
    exif = b"Exif\0\0" + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + b"\0\0\0\0"
    data = io.BytesIO()
    Image.new("RGB", (40, 20), (200, 30, 0)).save(data, "jpeg", exif=exif)
    return data.getvalue()


def sound(*, codec: int = 1, seconds: float = 0.5, tag: bytes = b"") -> bytes:
    """A WAV of silence, said to be of a codec, with a title."""
    samples = bytes(2 * round(8000 * seconds))
    parts = [(b"fmt ", struct.pack("<HHIIHH", codec, 1, 8000, 16000, 2, 16))]
    if tag:
        tag += bytes(len(tag) % 2)
        parts.append((b"LIST", b"INFO" + b"INAM" + struct.pack("<I", len(tag)) + tag))
    parts.append((b"data", samples))
    body = b"WAVE" + b"".join(name + struct.pack("<I", len(one)) + one for name, one in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def aac_frames(count: int) -> bytes:
    """So many ADTS frames of 11 bytes."""
    size = 11
    header = bytes(
        [0xFF, 0xF1, 0x50, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC]
    )
    return (header + b"\x01\x18\x20\x07") * count


def film_with_a_pause(path: Path, seconds: int, size: tuple[int, int] = (16, 16)) -> Path:
    """A film of four pictures with `seconds` before the last; about 2 KB."""
    with av.open(str(path), "w", format="matroska") as container:
        video = container.add_stream("libx264", rate=60, options={"x264-params": "sei=0"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.time_base = Fraction(1, 60)
        for number in (0, 1, 2, seconds * 60):
            frame: av.VideoFrame = av.VideoFrame.from_image(  # type: ignore[no-untyped-call]  # so in av
                Image.new("RGB", size, (number % 255, 0, 0))
            )
            frame.pts, frame.time_base = number, Fraction(1, 60)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def png_of(width: int, height: int) -> bytes:
    """A PNG of one colour."""
    data = io.BytesIO()
    Image.new("1", (width, height)).save(data, "png")
    return data.getvalue()


def decoders(mark: Path) -> list[int]:
    """Decoding processes that have a path among those that modules are looked for in."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"media.decoder" in command and os.fsencode(mark) in command:
                found.append(int(folder.name))
    return found
