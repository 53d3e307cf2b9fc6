"""Reads media files: probes them by decoding a part, and makes small pictures of them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from rivya_client.errors import MediaError
from rivya_client.mime_types import HEAD_BYTES, mime_type_of_head, suffix_of
from rivya_cut.bounds import MAX_DURATION_SECONDS, MAX_PACKETS, MAX_PIXELS, beyond
from rivya_cut.results import POSTER_SIDE, Probe

_KNOWN = "jpeg, png, webp, gif, mp4, mov, webm, mkv, mp3, wav, m4a, aac, ogg or flac"
# Naming the demuxer is a must: when it guesses, FFmpeg takes text for a playlist and opens files.
_DEMUXERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "audio/mp4": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/aac": "aac",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
}
# These do not store their length; FFmpeg estimates it from the first frames.
_LENGTH_GUESSED = {"audio/mpeg", "audio/aac"}
# What the decoders of Pillow raise on broken data.
_BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# Pillow only warns of an image up to twice its limit; make that an error.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

_MAX_PICTURES = 32  # of an animated image
_POSTER_QUALITY = 82
_POSTER_POSITION = 0.4  # of the length: past a fade from black, mostly the heart of a short film


def probe(path: Path) -> Probe:
    """Probe a file by its bytes, not its name."""
    mime_type = _mime_type(path)
    if mime_type.startswith("image/"):
        return _probe_image(path, mime_type)
    return _probe_streams(path, mime_type)


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a film or sound for demuxing; errors of FFmpeg become `MediaError`."""
    demuxer = _DEMUXERS.get(_mime_type(path))
    if demuxer is None:
        raise MediaError(f"{path}: not a film or a sound", "give mp4, mov, webm, mp3 or wav")
    try:
        # An open file, not its name: no name is then read as a protocol.
        with (
            path.open("rb") as file,
            # Tags are not used and may be of any encoding.
            av.open(file, "r", format=demuxer, metadata_errors="replace") as container,
        ):
            for stream in container.streams.video:
                if stream.codec_context is not None:  # a film may grow in its middle
                    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            yield container
    except MemoryError:  # FFmpeg's own is one too
        raise
    except (av.FFmpegError, EOFError, UnicodeDecodeError) as error:  # the last of a tag
        raise _broken_file(path) from error


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The video stream, other than a cover image in a sound file; None if there is none."""
    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            return stream
    return None


def is_see_through(path: Path) -> bool:
    """Whether parts of a film may be transparent."""
    with open_media(path) as container:
        stream = picture_stream(container)
        return stream is not None and keeps_alpha(stream)


def keeps_alpha(stream: VideoStream) -> bool:
    """Whether its frames may have transparent parts, as `decode_all` gives them."""
    return _hides_alpha(stream) or any(one.is_alpha for one in stream.format.components)


def _hides_alpha(stream: VideoStream) -> bool:
    """WebM keeps it beside the frames, where the decoder that FFmpeg takes by itself does not look."""
    return stream.codec_context.name == "vp9" and stream.metadata.get("alpha_mode") == "1"


def decode_all(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames with what is transparent in them."""
    if not _hides_alpha(stream):
        yield from container.decode(stream)
        return
    decoder = VideoCodecContext.create("libvpx-vp9", "r")
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    for packet in container.demux(stream):
        yield from decoder.decode(packet)


def shown_size(stream: VideoStream, frame: VideoFrame) -> tuple[int, int]:
    """Width and height in square pixels after rotation."""
    aspect = stream.sample_aspect_ratio or 1
    width, height = round(frame.width * aspect), frame.height
    return (height, width) if turn(frame) in (90, 270) else (width, height)


def turn(frame: VideoFrame) -> int:
    """Degrees by which to rotate a frame counter-clockwise: 0, 90, 180 or 270."""
    degrees = round(frame.rotation) % 360
    return degrees if degrees in (90, 180, 270) else 0  # a broken matrix gives nonsense


def upright(path: Path, side: int | None = None) -> Image.Image:
    """An image, turned as its camera was held: RGBA if a part of it is transparent, else RGB.

    It may be decoded at about `side` pixels; None: in full.
    """
    return next(pictures(path, side))


def pictures(path: Path, side: int | None = None) -> Iterator[Image.Image]:
    """An image as `upright`, then up to `_MAX_PICTURES` of those that follow where it is animated."""
    mime_type = _mime_type(path)
    if not mime_type.startswith("image/"):
        raise MediaError(f"{path}: not an image", "give jpeg, png, webp or gif")
    with _image(path, mime_type) as opened:
        if side is not None:
            opened.draft("RGB", (side, side))
        for one in islice(ImageSequence.Iterator(opened), _MAX_PICTURES):
            image = ImageOps.exif_transpose(one)
            yield image.convert("RGBA" if image.has_transparency_data else "RGB")


@contextmanager
def _image(path: Path, mime_type: str) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=[mime_type.removeprefix("image/")]) as image:
            _check_pixels(path, *image.size)
            yield image
    except _BOMBS as error:
        raise _too_large(path) from error
    except _BROKEN as error:
        raise _broken_file(path) from error


def on_ground(image: Image.Image, colour: str) -> Image.Image:
    """An image in RGB, its transparent parts on a colour."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, colour), image).convert("RGB")


def poster(path: Path, side: int = POSTER_SIDE, form: str = "jpeg") -> bytes | None:
    """A small picture of a picture, or from inside a film; None if none can be made."""
    try:
        if _mime_type(path).startswith("image/"):
            image: Image.Image | None = on_ground(upright(path, side), "white")
        else:
            image = _still(path)
    except (MediaError, *_BOMBS, *_BROKEN):
        return None
    if image is None:
        return None
    image.thumbnail((side, side))
    data = io.BytesIO()
    image.save(data, form, quality=_POSTER_QUALITY)
    return data.getvalue()


def _still(path: Path) -> Image.Image | None:
    with open_media(path) as container:
        stream = picture_stream(container)
        frame = None if stream is None else _frame_inside(container, stream)
        if frame is None:
            return None
        image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # so in av
        return image.rotate(turn(frame), expand=True)


def _frame_inside(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    wanted = (container.duration or 0) * _POSTER_POSITION / av.time_base
    container.seek(round(wanted * av.time_base))
    last = None
    # The seek lands on a key frame, which may be far before the wanted one.
    for frame in container.decode(stream):
        last = frame
        if frame.pts is not None and frame.time >= wanted:
            break
    return last


def _mime_type(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise MediaError(f"{path}: the file is empty")
    mime_type = mime_type_of_head(head)
    if mime_type is None or not suffix_of(mime_type):
        raise MediaError(f"{path}: no image, film or sound of a known kind", f"give {_KNOWN}")
    return mime_type


def _probe_image(path: Path, mime_type: str) -> Probe:
    with _image(path, mime_type) as image:
        image.load()
        # Exif orientations 5 to 8 swap width and height.
        sideways = image.getexif().get(0x0112) in (5, 6, 7, 8)
        width, height = reversed(image.size) if sideways else image.size
    return Probe("image", mime_type, path.stat().st_size, width, height)


def _probe_streams(path: Path, mime_type: str) -> Probe:
    with open_media(path) as container:
        video = picture_stream(container)
        audio = container.streams.audio[0] if container.streams.audio else None
        streams = [stream for stream in (video, audio) if stream is not None]
        if not streams:
            raise MediaError(f"{path}: has neither video nor sound")
        if any(getattr(stream, "codec_context", None) is None for stream in streams):
            raise MediaError(f"{path}: of a codec that is not known here", "convert it to MP4")
        if video is not None:
            _check_pixels(path, video.codec_context.width, video.codec_context.height)
        firsts, seconds = _walk(path, container, len(streams))
        declared = container.duration / av.time_base if container.duration else None
        if max(seconds, declared or 0.0) > MAX_DURATION_SECONDS:
            raise beyond(path, f"{MAX_DURATION_SECONDS:,} s of it", "MAX_DURATION_SECONDS")
        if declared is not None and mime_type not in _LENGTH_GUESSED:
            if seconds < declared * 0.95 - 0.25:
                raise MediaError(
                    f"{path}: cut short: {seconds:.1f} s of {declared:.1f} s are there",
                    "download or make it again",
                )
            seconds = declared
        size = path.stat().st_size
        if video is None:
            mime_type = mime_type.replace("video/", "audio/").replace("quicktime", "mp4")
            return Probe("audio", mime_type, size, None, None, seconds, True)
        frame = next(frame for frame in firsts if isinstance(frame, VideoFrame))
        width, height = shown_size(video, frame)
        mime_type = mime_type.replace("audio/", "video/")
        return Probe("video", mime_type, size, width, height, seconds, audio is not None)


def _walk(path: Path, container: InputContainer, wanted: int) -> tuple[list[object], float]:
    """The first decoded frame of each stream, and the time between first and last packet.

    Reads all packets, since a truncated film opens and its first frame decodes.
    """
    firsts: dict[int, object] = {}
    begins, ends = float("inf"), 0.0
    chosen = [picture_stream(container), *container.streams.audio[:1]]
    packets = container.demux([stream for stream in chosen if stream is not None])
    for count, packet in enumerate(packets):
        if count > MAX_PACKETS:
            raise beyond(path, f"{MAX_PACKETS:,} packets", "MAX_PACKETS")
        if packet.is_corrupt:
            raise _broken_file(path)
        if packet.stream_index not in firsts:
            for frame in packet.decode():
                firsts.setdefault(packet.stream_index, frame)
        if packet.pts is not None:
            begins = min(begins, float(packet.pts * packet.time_base))
            ends = max(ends, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    if len(firsts) < wanted:
        raise _broken_file(path)
    return list(firsts.values()), max(ends - begins, 0.0)


def _check_pixels(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> MediaError:
    return beyond(path, f"{MAX_PIXELS // 10**6} million pixels", "MAX_PIXELS")


def _broken_file(path: Path) -> MediaError:
    return MediaError(f"{path}: broken or cut short", "download or make it again")
