"""Composes a film or stills and sounds into one MP4: H.264 and AAC, ready to stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.video.frame import VideoFrame

from rivya_flows.assets import Probe
from rivya_flows.errors import MediaError
from rivya_flows.language.cut_terms import Fit
from rivya_flows.media.edit import Composition
from rivya_flows.media.encoding import (
    STREAMING,
    audio_stream,
    blocks,
    numbered,
    video_stream,
)
from rivya_flows.media.picture import Picture, arranged, film, slideshow
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


def compose(destination: Path, composition: Composition, tags: Mapping[str, str]) -> Probe:
    """Write a composition of the keys of the first version as one MP4, and probe it.

    The first sound leads: it sets the level and the length. The others, and the sound of the film,
    are mixed 12 dB below it and never lengthen the result. Without `audio`, the film keeps its
    sound. Stills share the length of the sound; without sound, each lasts 3 s.

    If the leading sound is longer than the film, `fit` says what happens: `hold` freezes the last frame,
    `loop` restarts the film. With `cut` the result ends with the shorter of the two.

    Args:
        destination: A new file; `final_cut.render` clears it away after an error.
        composition: Its `video` or `images`, `audio`, `loudness` and `fit` count.
        tags: Metadata of the result, such as ``copyright``.

    Raises:
        MediaError: A file is missing, broken or of the wrong kind.
        av.FFmpegError, OSError: The result cannot be written.
    """
    video, audio, fit = composition.video, composition.audio, composition.fit
    if (video is None) == (not composition.images):
        raise MediaError("expected either a film or stills", "give one of the two")
    lead, others = _tracks(video, audio, fit)
    sound_seconds = None if lead is None else measure((lead,)).seconds
    if video is not None:
        picture = film(video)
        count = _count(picture, sound_seconds, fit) if audio else picture.frame_count
    else:
        picture = slideshow(composition.images, sound_seconds)
        count = picture.frame_count
    sound = None
    if lead is not None:
        sound = _sound(lead, others, composition.loudness, float(count / picture.rate))
    with av.open(str(destination), "w", format="mp4", options=STREAMING) as container:
        container.metadata.update(tags)
        _encode(container, picture, arranged(picture, count, fit), count, sound)
    return probe(destination)


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


def _encode(
    container: OutputContainer,
    picture: Picture,
    frames: Iterator[VideoFrame],
    count: int,
    sound: Iterator[AudioFrame] | None,
) -> None:
    """Encode picture and sound interleaved, so that neither waits in memory for the other."""
    # With macroblock trees x264 gives equal frames other bytes now and then.
    options = {"crf": "21", "preset": "veryfast", "bf": "0", "x264-params": "mbtree=0"}
    video = video_stream(container, (picture.width, picture.height), picture.rate, options)
    audio = None if sound is None else audio_stream(container)
    heard_blocks = iter(()) if sound is None else blocks(sound, round(count / picture.rate * RATE))
    heard = 0
    for index, frame in enumerate(frames):
        container.mux(video.encode(numbered(frame, index, picture.rate)))
        while audio is not None and heard / RATE <= (index + 1) / picture.rate:
            block = next(heard_blocks, None)
            if block is None:
                break
            heard += block.samples
            container.mux(audio.encode(block))
    container.mux(video.encode(None))
    if audio is not None:
        for block in heard_blocks:
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
