"""Encodes films: H.264 and AAC in an MP4 that is ready to stream."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import MAX_COMPOSED_BYTES, beyond
from rivya_flows.media.sound import RATE

AUDIO_BIT_RATE = 192_000
STREAMING = {"movflags": "+faststart"}
"""Options of a container that can be played while it is downloaded."""

# x264 writes the number of threads into the stream, so it is fixed: equal input, equal bytes.
_THREADS = 2
_BT709 = 1  # in the numbering of ITU-T H.273: primaries, transfer and matrix
_LIMITED_RANGE = 1


def unwritable(destination: Path, error: av.FFmpegError | OSError) -> MediaError:
    """The error of a file or folder that cannot be written to."""
    if error.errno == errno.EFBIG:
        return beyond(destination, f"{MAX_COMPOSED_BYTES:,} bytes", "MAX_COMPOSED_BYTES")
    reason = error.strerror or str(error)
    hint = "check the folder and the free space"
    return MediaError(f"{destination}: cannot be written: {reason}", hint)


def video_stream(
    container: OutputContainer, size: tuple[int, int], rate: Fraction, options: Mapping[str, str]
) -> VideoStream:
    """A stream of H.264: 4:2:0 in BT.709, limited range, square pixels."""
    stream = container.add_stream("libx264", rate=rate, options=dict(options))
    (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / rate
    context.thread_count = _THREADS
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    context.sample_aspect_ratio = Fraction(1)
    return stream


def numbered(frame: VideoFrame, index: int, rate: Fraction) -> VideoFrame:
    """The same frame as number `index` of a film."""
    frame.pts, frame.time_base = index, 1 / rate
    # The encoder chooses the type of each frame, not the source.
    frame.pict_type = PictureType.NONE
    return frame


def audio_stream(container: OutputContainer) -> AudioStream:
    """A stream of AAC: stereo at `RATE`."""
    stream = container.add_stream("aac", rate=RATE, layout="stereo")
    stream.codec_context.bit_rate = AUDIO_BIT_RATE
    return stream


def blocks(sound: Iterator[AudioFrame], total: int) -> Iterator[AudioFrame]:
    """Exactly `total` samples, padded with silence, in the block size of AAC."""
    fifo, given = AudioFifo(), 0
    source = _endless(sound)
    while given < total:
        wanted = min(1024, total - given)
        while fifo.samples < wanted:
            fifo.write(next(source))
        block = fifo.read(wanted)
        assert block is not None
        block.pts, block.time_base = given, Fraction(1, RATE)
        given += wanted
        yield block


def _endless(sound: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    for frame in sound:
        frame.pts = None  # the fifo refuses any gap; blocks get new timestamps
        yield frame
    while True:
        silence = AudioFrame(format="fltp", layout="stereo", samples=1024)
        silence.sample_rate = RATE
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        yield silence
