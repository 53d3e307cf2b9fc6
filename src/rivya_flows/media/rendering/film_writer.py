"""Writes one film frame by frame, with sound that is encoded already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame

from rivya_flows.media.encoding import STREAMING, numbered, video_stream

_KEYFRAME_SECONDS = 2
# Measured: the second smallest of x264's presets costs two thirds of `veryfast` and, with its
# rate control by macroblock trees, makes films of the same size and likeness.
_H264 = {"preset": "superfast", "x264-params": "mbtree=1:rc-lookahead=10"}
_CRF = "19"


class FilmWriter:
    """A context manager: the film is complete when it ends without an error.

    Args:
        path: Of the MP4.
        size: Even width and height.
        rate: Frames a second.
        sound: An MP4 with AAC, as long as the film; None for a silent film.
        tags: Metadata of the film, such as ``copyright``.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        rate: Fraction,
        sound: Path | None,
        tags: Mapping[str, str],
    ) -> None:
        self._rate = rate
        self._shown = 0
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._container = stack.enter_context(
                av.open(str(path), "w", format="mp4", options=STREAMING)
            )
            self._container.metadata.update(tags)
            options = {**_H264, "crf": _CRF, "g": str(round(_KEYFRAME_SECONDS * rate))}
            self._video = video_stream(self._container, size, rate, options)
            self._sound: Iterator[Packet[AudioStream]] = iter(())
            if sound is not None:
                source = stack.enter_context(av.open(str(sound), "r", format="mov"))
                stream = source.streams.audio[0]
                self._audio = self._container.add_stream_from_template(stream)
                self._sound = (one for one in source.demux(stream) if one.dts is not None)
            self._stack = stack.pop_all()

    def write(self, frame: VideoFrame) -> None:
        """Encode the next frame, and copy the sound that belongs to it."""
        self._container.mux(self._video.encode(numbered(frame, self._shown, self._rate)))
        self._shown += 1
        self._copy_sound(self._shown / self._rate)

    def _copy_sound(self, until: Fraction | None) -> None:
        """Interleave picture and sound, so that neither waits in memory for the other."""
        for packet in self._sound:
            over = until is not None and packet.dts * packet.time_base > until  # type: ignore[operator]  # not None
            packet.stream = self._audio
            self._container.mux(packet)
            if over:
                return

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
                self._container.mux(self._video.encode(None))
                self._copy_sound(None)
