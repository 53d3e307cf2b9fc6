"""Composes a film or stills and sounds into one MP4: H.264 and AAC, ready to stream."""

from __future__ import annotations

import errno
import math
import secrets
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rivya_flows.assets import Probe
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import MAX_COMPOSED_BYTES, beyond
from rivya_flows.media.picture import Fit, Picture, arranged, film, slideshow
from rivya_flows.media.probe import probe
from rivya_flows.media.sound import (
    RATE,
    Track,
    balanced,
    fade_before,
    levelled,
    measure,
    mix,
)

_AUDIO_BIT_RATE = 192_000
# x264 writes the number of threads into the stream, so it is fixed: equal input, equal bytes.
_THREADS = 2
_BT709 = 1  # in the numbering of ITU-T H.273: primaries, transfer and matrix
_LIMITED_RANGE = 1


def compose(
    destination: Path,
    *,
    video: Path | None = None,
    images: tuple[Path, ...] = (),
    audio: tuple[Path, ...] = (),
    loudness: float = -16.0,
    fit: Fit = "hold",
) -> Probe:
    """Write one MP4 with picture and sound, and probe it.

    The first sound leads: it sets the level and the length. The others, and the sound of the film,
    are mixed 12 dB below it and never lengthen the result. Without `audio`, the film keeps its
    sound. Stills share the length of the sound; without sound, each lasts 3 s.

    Args:
        destination: Written atomically: an error leaves the old file, or none.
        video: A film; its size, aspect ratio and frame rate are kept.
        images: Stills, instead of a film.
        audio: Sounds, all starting at second 0.
        loudness: Integrated loudness of the result, in LUFS.
        fit: If the leading sound is longer than the film: `hold` freezes the last frame, `loop`
            restarts the film. With `cut` the result ends with the shorter of the two.

    Raises:
        MediaError: A file is missing, broken or of the wrong kind, or the result cannot be written.
    """
    if (video is None) == (not images):
        raise MediaError("expected either a film or stills", "give one of the two")
    lead, others = _tracks(video, audio, fit)
    sound_seconds = None if lead is None else measure((lead,)).seconds
    if video is not None:
        picture = film(video)
        own_sound = not audio
        count = picture.frame_count if own_sound else _count(picture, sound_seconds, fit)
    else:
        picture = slideshow(images, sound_seconds)
        count = picture.frame_count
    sound = None
    if lead is not None:
        sound = _sound(lead, others, loudness, float(count / picture.rate))
    return _write_atomically(destination, picture, arranged(picture, count, fit), count, sound)


def _tracks(
    video: Path | None, audio: tuple[Path, ...], fit: Fit
) -> tuple[Track | None, tuple[Track, ...]]:
    """The leading sound and the others; None and nothing for a silent film."""
    for path in audio:
        if probe(path).kind != "audio":
            raise MediaError(f"{path}: not a sound", "give mp3, wav, m4a, aac, ogg or flac")
    tracks = [Track(path) for path in audio]
    if video is not None and probe(video).has_audio:
        tracks.append(Track(video, looped=fit == "loop" and bool(audio)))
    return (tracks[0], tuple(tracks[1:])) if tracks else (None, ())


def _count(picture: Picture, sound_seconds: float | None, fit: Fit) -> int:
    """Number of frames of the result."""
    if sound_seconds is None:
        return picture.frame_count
    if fit == "cut":
        return max(1, min(picture.frame_count, math.floor(sound_seconds * picture.rate)))
    return max(picture.frame_count, math.ceil(sound_seconds * picture.rate))


def _sound(
    lead: Track, others: tuple[Track, ...], loudness: float, seconds: float
) -> Iterator[AudioFrame]:
    """The finished mix; it may be longer or shorter than `seconds`."""
    tracks = tuple(
        _faded(track, seconds, slack=1 / 8 if track is lead else 0.0) for track in (lead, *others)
    )
    tracks = balanced(tracks[0], tracks[1:], loudness)
    return mix(tracks, *levelled(tracks, loudness, seconds))


def _faded(track: Track, seconds: float, slack: float) -> Track:
    """The track with a fade where it would be cut off by more than `slack` seconds."""
    if not track.looped and measure((track,)).seconds <= seconds + slack:
        return track
    return replace(track, fade_out_at=fade_before(seconds))


def _write_atomically(
    destination: Path,
    picture: Picture,
    frames: Iterator[VideoFrame],
    count: int,
    sound: Iterator[AudioFrame] | None,
) -> Probe:
    # Absolute, so that no name is read as a protocol; in the same folder, so that the move is atomic.
    part = destination.absolute().with_name(f".{destination.name}.{secrets.token_hex(4)}.part")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            _encode(container, picture, frames, count, sound)
        made = probe(part)
        part.replace(destination)
    except MemoryError:  # FFmpeg's own is one too
        raise
    except (av.FFmpegError, OSError) as error:
        if error.errno == errno.EFBIG:
            raise beyond(
                destination, f"{MAX_COMPOSED_BYTES:,} bytes", "MAX_COMPOSED_BYTES"
            ) from error
        reason = error.strerror or str(error)
        hint = "check the folder and the free space"
        raise MediaError(f"{destination}: cannot be written: {reason}", hint) from error
    finally:
        part.unlink(missing_ok=True)
    return made


def _encode(
    container: OutputContainer,
    picture: Picture,
    frames: Iterator[VideoFrame],
    count: int,
    sound: Iterator[AudioFrame] | None,
) -> None:
    """Encode picture and sound interleaved, so that neither waits in memory for the other."""
    video = _video_stream(container, picture)
    audio = None if sound is None else _audio_stream(container)
    blocks = iter(()) if sound is None else _blocks(sound, round(count / picture.rate * RATE))
    heard = 0
    for index, frame in enumerate(frames):
        frame.pts, frame.time_base = index, 1 / picture.rate
        # The encoder chooses the type of each frame, not the source.
        frame.pict_type = av.video.frame.PictureType.NONE
        container.mux(video.encode(frame))
        while audio is not None and heard / RATE <= (index + 1) / picture.rate:
            block = next(blocks, None)
            if block is None:
                break
            heard += block.samples
            container.mux(audio.encode(block))
    container.mux(video.encode(None))
    if audio is not None:
        for block in blocks:
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def _video_stream(container: OutputContainer, picture: Picture) -> VideoStream:
    options = {"crf": "19", "preset": "veryfast"}
    stream = container.add_stream("libx264", rate=picture.rate, options=options)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / picture.rate
    context.thread_count = _THREADS
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


def _audio_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=RATE, layout="stereo")
    stream.codec_context.bit_rate = _AUDIO_BIT_RATE
    return stream


def _blocks(sound: Iterator[AudioFrame], total: int) -> Iterator[AudioFrame]:
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
