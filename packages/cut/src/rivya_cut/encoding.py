"""Writes films, posters and loops: H.264 or H.265 and AAC in an MP4 that is ready to stream, JPEG and GIF."""

from __future__ import annotations

import errno
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.filter import Graph
from av.packet import Packet
from av.video.format import VideoFormat
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_COMPOSED_BYTES, beyond
from rivya_cut.graphs import link, ready
from rivya_cut.rendering.planes import image_of
from rivya_cut.rendering.reframe import Size, even
from rivya_cut.rendering.shots import film_frames
from rivya_cut.sound import RATE
from rivya_cut.subtitles import Cue
from rivya_cut.terms import Codec

AUDIO_BIT_RATE = 192_000
MAX_GIF_BYTES = 8 * 2**20
"""Size of a loop; it is made smaller until it fits."""

_KEYFRAME_SECONDS = 2  # at most
# Measured: half the time of `veryfast`, and a third more bytes at equal likeness. Without macroblock
# trees, since with them x264 gave equal frames other bytes, once in twenty films of 96 by 64 pixels.
_X264 = "mbtree=0:bframes=0"
# Its report names the processor, and is left out.
_X265 = "frame-threads=1:info=0:log-level=none"
_PRESET = "superfast"
_ENCODERS: Mapping[Codec, Literal["libx264", "libx265"]] = {"h264": "libx264", "h265": "libx265"}
# x264 writes the number of threads into the stream, so it is fixed: equal input, equal bytes. Under a
# greatest rate, both encoders give other bytes each time with more than one.
_THREADS, _THREADS_AT_A_RATE = 2, 1
_BUFFER_SECONDS = 2  # over which a greatest rate is met
# Lower is better. 1080p of generated clips has 5, 8 and 12 Mbit/s at 22, 20 and 18, with a likeness
# (SSIM) of 0.9945, 0.9952 and 0.9960; the time is the same within a tenth.
_GOOD, _BETTER, _QUICK = 20, 18, 22
_H265_LESS = 3  # of x265, whose scale is another
_BT709 = 1  # in the numbering of ITU-T H.273: primaries, transfer and matrix
_LIMITED_RANGE = 1
_MAX_WAITING = 500  # packets: 20 s of film
_MILLISECOND = Fraction(1, 1000)
# How the track of subtitles is drawn, from which the encoder makes its description: white, at the bottom.
_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, BackColour, Bold, Italic, Underline, Alignment
Style: Default,Arial,16,&Hffffff,&H0,0,0,0,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_LOOP_RATE, _LOOP_SECONDS, _LOOP_WIDTHS = Fraction(12), 6, (480, 360, 270, 200)


def unwritable(destination: Path, error: av.FFmpegError | OSError) -> MediaError:
    """The error of a file or folder that cannot be written to."""
    if error.errno == errno.EFBIG:
        return beyond(destination, f"{MAX_COMPOSED_BYTES:,} bytes", "MAX_COMPOSED_BYTES")
    reason = error.strerror or str(error)
    hint = "check the folder and the free space"
    return MediaError(f"{destination}: cannot be written: {reason}", hint)


@dataclass(frozen=True)
class Chapter:
    """A part of a film; times in frames."""

    title: str
    start: int
    end: int


@dataclass(frozen=True)
class Package:
    """What a film is written as, whatever its frames are.

    Attributes:
        rate: Frames a second.
        bit_rate: Bits a second of the picture, at most; None: as many as it needs.
        quick: Whether it is a quick look.
        tags: Of the container.
        cues: Of a subtitle track that a player can turn off; without any there is no track.
        language: Of the cues, three letters of ISO 639-2.
    """

    rate: Fraction
    codec: Codec = "h264"
    bit_rate: int | None = None
    quick: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    cues: tuple[Cue, ...] = ()
    language: str = "und"
    chapters: tuple[Chapter, ...] = ()


class FilmWriter:
    """A context manager: the film is complete when it ends without an error.

    Args:
        path: Of the MP4.
        sound: Gives an MP4 with AAC, as long as the film, or None for a silent film. The first
            frames are encoded while it is made.
    """

    def __init__(
        self, path: Path, size: Size, package: Package, sound: Future[Path | None]
    ) -> None:
        self._path, self._package, self._sound = path, package, sound
        self._frame_count = 0
        self._waiting: list[Packet[VideoStream]] | None = []  # None: the file has begun
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._audio_until = Fraction(-1)  # AAC begins before 0
        self._stack = ExitStack()
        self._container = self._stack.enter_context(
            av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        )
        self._container.metadata.update(package.tags)
        self._container.set_chapters([*map(self._chapter, package.chapters)])
        threads, options = _settings(package)
        self._video = self._container.add_stream(
            _ENCODERS[package.codec], rate=package.rate, options=options
        )
        (self._video.width, self._video.height), self._video.pix_fmt = size, "yuv420p"
        context = self._video.codec_context
        context.time_base, context.thread_count = 1 / package.rate, threads
        if package.codec == "h265":
            context.codec_tag = "hvc1"  # players of Apple open no other
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        context.sample_aspect_ratio = Fraction(1)

    def write(self, frame: VideoFrame) -> None:
        """Encode the next frame, and copy the sound that belongs to it."""
        frame.pts, frame.time_base = self._frame_count, 1 / self._package.rate
        # The encoder chooses the type of each frame, not the source.
        frame.pict_type = PictureType.NONE
        packets = self._video.encode(frame)
        self._frame_count += 1
        if self._waiting is not None:
            self._waiting += packets
            if not self._sound.done() and len(self._waiting) < _MAX_WAITING:
                return
            packets = self._begin(self._waiting)
        self._mux(packets)

    def _begin(self, waiting: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
        """Add the sound, so that the file can begin; gives what waited for it."""
        self._waiting = None
        path = self._sound.result()
        if path is not None:
            source = self._stack.enter_context(av.open(str(path), "r", format="mov"))
            stream = source.streams.audio[0]
            self._audio = self._container.add_stream_from_template(stream)
            self._packets = (one for one in source.demux(stream) if one.dts is not None)
        if self._package.cues:
            self._write_subtitles()
        return waiting

    def _write_subtitles(self) -> None:
        """Write the track of subtitles: the container puts each among the pictures of its time."""
        track = self._container.add_stream("mov_text")
        track.codec_context.subtitle_header = _ASS_HEADER
        track.time_base = _MILLISECOND
        track.metadata["language"] = self._package.language
        for cue in self._package.cues:
            text = cue.text.encode()
            packet = Packet(struct.pack(">H", len(text)) + text)
            start, end = (round(one / _MILLISECOND) for one in (cue.start, cue.end))
            packet.stream, packet.time_base = track, _MILLISECOND
            packet.pts = packet.dts = start
            packet.duration = max(1, end - start)
            self._container.mux(packet)

    def _chapter(self, chapter: Chapter) -> Any:
        return {
            "id": chapter.start,
            "start": chapter.start,
            "end": chapter.end,
            "time_base": 1 / self._package.rate,
            "metadata": {"title": chapter.title},
        }

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Write each packet and the sound until its time: equal films, whenever the sound came."""
        for packet in packets:
            until = _time(packet)
            self._container.mux(packet)
            while self._audio_until <= until and (audio := next(self._packets, None)) is not None:
                self._audio_until = _time(audio)
                audio.stream = self._audio
                self._container.mux(audio)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            if kind is None:
                if self._waiting is not None:
                    self._mux(self._begin(self._waiting))
                self._mux(self._video.encode(None))
                for audio in self._packets:
                    audio.stream = self._audio
                    self._container.mux(audio)
        if kind is None and self._package.cues:
            _turn_off_subtitles(self._path)


def _settings(package: Package) -> tuple[int, dict[str, str]]:
    """The threads of the encoder (0: its own) and its options."""
    quality = _QUICK if package.quick else _GOOD if package.bit_rate is None else _BETTER
    most = None if package.quick else package.bit_rate
    options = {"preset": _PRESET, "g": str(math.floor(_KEYFRAME_SECONDS * package.rate))}
    if most is not None:
        options |= {"maxrate": str(most), "bufsize": str(_BUFFER_SECONDS * most)}
    threads = _THREADS if most is None else _THREADS_AT_A_RATE
    if package.codec == "h265":
        pools = "none" if threads == 1 else threads
        quality -= _H265_LESS
        return 0, options | {"x265-params": f"pools={pools}:{_X265}", "crf": str(quality)}
    return threads, options | {"x264-params": _X264, "crf": str(quality)}


def _turn_off_subtitles(film: Path) -> None:
    """Let players offer the track of subtitles: FFmpeg marks the first of each kind as shown."""
    with film.open("r+b") as file:
        for track, end in _boxes(
            file, b"trak", *next(_boxes(file, b"moov", 0, film.stat().st_size))
        ):
            media = next(_boxes(file, b"mdia", track, end))
            handler, _ = next(_boxes(file, b"hdlr", *media))
            file.seek(handler + 8)
            if file.read(4) == b"sbtl":
                header, _ = next(_boxes(file, b"tkhd", track, end))
                file.seek(header + 3)
                file.write(b"\x02")  # in the film, and not enabled


def _boxes(file: BinaryIO, kind: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the content of each box of a kind begins and ends, in an MP4 that we wrote."""
    while begin < end:
        file.seek(begin)
        size, found = struct.unpack(">I4s", file.read(8))
        if size == 1:  # of the pictures and sounds of a large file
            size = struct.unpack(">Q", file.read(8))[0]
        if found == kind:
            yield begin + 8, begin + size
        begin += size


def _time(packet: Packet[Any]) -> Fraction:
    assert packet.dts is not None
    return packet.dts * packet.time_base


def write_sound(sound: Iterator[AudioFrame], path: Path) -> None:
    """Write stereo at `RATE` as AAC in an MP4."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        stream.codec_context.bit_rate = AUDIO_BIT_RATE
        for frame in sound:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_poster(frame: VideoFrame, destination: Path) -> None:
    """Write a frame as a JPEG."""
    image_of(frame).save(destination, "jpeg", quality=90)


def write_loop(film: Path, size: Size, destination: Path) -> None:
    """Write the first 6 s of a film as a GIF, at most 480 pixels wide, 12 frames a second."""
    for width in _LOOP_WIDTHS:
        width = min(width, size[0])
        small = (even(width), even(width * size[1] / size[0]))
        with av.open(str(destination), "w", format="gif", options={"loop": "0"}) as container:
            stream = container.add_stream("gif", rate=_LOOP_RATE)
            (stream.width, stream.height), stream.pix_fmt = small, "pal8"
            for frame in _reduce_colours(film, small):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if destination.stat().st_size <= MAX_GIF_BYTES:
            return
    raise MediaError("loop.gif: larger than MAX_GIF_BYTES", "leave `gif` out of `extras`")


def _reduce_colours(film: Path, size: Size) -> Iterator[VideoFrame]:
    """Its frames in 256 colours of their own; all wait in memory until these are known."""
    graph, shape = Graph(), VideoFormat("yuv420p")
    source = graph.add_buffer(width=size[0], height=size[1], format=shape, time_base=1 / _LOOP_RATE)
    frames, colours = graph.add("split"), graph.add("palettegen")
    painter = graph.add("paletteuse", "dither=bayer:bayer_scale=4")
    source.link_to(frames)
    frames.link_to(painter, 0, 0)
    frames.link_to(colours, 1, 0)
    colours.link_to(painter, 0, 1)
    link(graph, painter, [("buffersink", "")])
    graph.configure()
    for index, frame in enumerate(
        islice(film_frames(film, size, _LOOP_RATE), int(_LOOP_RATE * _LOOP_SECONDS))
    ):
        frame.pts, frame.time_base = index, 1 / _LOOP_RATE
        graph.vpush(frame)
    graph.vpush(None)
    yield from ready(graph.vpull)
