"""Writes one film frame by frame, with sound that is encoded already."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rivya_flows.media.encoding import STREAMING, numbered, video_stream

_KEYFRAME_SECONDS = 2  # at most
# Measured: half the time of `veryfast`, and a third more bytes at equal likeness. Without macroblock
# trees, since with them x264 gave equal frames other bytes, once in twenty films of 96 by 64 pixels.
_H264 = {"preset": "superfast", "x264-params": "mbtree=0:bframes=0"}
_CRF = "22"
_MAX_WAITING = 500  # packets: 20 s of film


class FilmWriter:
    """A context manager: the film is complete when it ends without an error.

    Args:
        path: Of the MP4.
        size: Even width and height.
        rate: Frames a second.
        sound: Gives an MP4 with AAC, as long as the film, or None for a silent film. The first
            frames are encoded while it is made.
        tags: Metadata of the film, such as ``copyright``.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        rate: Fraction,
        sound: Future[Path | None],
        tags: Mapping[str, str],
    ) -> None:
        self._rate, self._sound, self._shown = rate, sound, 0
        self._waiting: list[Packet[VideoStream]] | None = []  # None: the file has begun
        self._heard: Iterator[Packet[AudioStream]] = iter(())
        self._heard_until = Fraction(-1)  # AAC begins before 0
        self._stack = ExitStack()
        self._container = self._stack.enter_context(
            av.open(str(path), "w", format="mp4", options=STREAMING)
        )
        self._container.metadata.update(tags)
        options = {**_H264, "crf": _CRF, "g": str(math.floor(_KEYFRAME_SECONDS * rate))}
        self._video = video_stream(self._container, size, rate, options)

    def write(self, frame: VideoFrame) -> None:
        """Encode the next frame, and copy the sound that belongs to it."""
        packets = self._video.encode(numbered(frame, self._shown, self._rate))
        self._shown += 1
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
            self._heard = (one for one in source.demux(stream) if one.dts is not None)
        return waiting

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Write each packet and the sound until its time: equal films, whenever the sound came."""
        for packet in packets:
            until = _time(packet)
            self._container.mux(packet)
            while self._heard_until <= until and (heard := next(self._heard, None)) is not None:
                self._heard_until = _time(heard)
                heard.stream = self._audio
                self._container.mux(heard)

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
                for heard in self._heard:
                    heard.stream = self._audio
                    self._container.mux(heard)


def _time(packet: Packet[Any]) -> Fraction:
    assert packet.dts is not None
    return packet.dts * packet.time_base
