"""Mixes sounds into one stereo track at a given loudness.

The first sound leads: it sets the length and the level. All others, such as music or the sound of a
film, are mixed `UNDER_DB` below it, whatever their level in the file.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph
from av.filter.context import FilterContext

from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import MAX_DURATION_SECONDS, beyond
from rivya_flows.media.graphs import Step, link, ready
from rivya_flows.media.probe import open_media

RATE = 48_000
"""Samples a second of every mix."""
UNDER_DB = 12.0
"""Level of other sounds below the leading one, in dB."""

SILENT_LUFS = -60.0
"""Nothing is heard at this loudness and below."""
MAX_GAIN_DB = 40.0
"""The most by which a quiet sound is raised."""

_FORMAT, _LAYOUT = "fltp", "stereo"
_FADE_SECONDS = 0.5
# Room for the overshoot of AAC: 0.84 is -1.5 dBFS.
_LIMITER = ("alimiter", "limit=0.84:level=disabled:latency=1")

SHAPE: Step = ("aformat", f"sample_fmts={_FORMAT}:channel_layouts={_LAYOUT}:sample_rates={RATE}")
"""Gives what `source` takes."""
SINK: Step = ("abuffersink", "")
# A sound below one block of 0.4 s has no loudness; silence after it is not counted.
METER: tuple[Step, ...] = (("apad", "whole_dur=0.5"), ("ebur128", "metadata=1"))
"""Writes the loudness so far into the metadata of each frame."""


@dataclass(frozen=True)
class Track:
    """One sound of a mix.

    Attributes:
        gain_db: Added to its level.
        looped: Restarts at its end, for ever.
        fade_out_at: Second at which its fade-out starts, or None.
    """

    path: Path
    gain_db: float = 0.0
    looped: bool = False
    fade_out_at: float | None = None


@dataclass(frozen=True)
class Measure:
    """Integrated loudness in LUFS (None: silent or too short to tell) and length in seconds.

    Source: EBU R 128, as FFmpeg's ebur128 filter measures it.
    """

    lufs: float | None
    seconds: float


def measure(tracks: tuple[Track, ...], *steps: Step, seconds: float | None = None) -> Measure:
    """Loudness and length of a mix after more filters, of its first `seconds` if given."""
    trim = (("atrim", f"end={seconds}"),) if seconds is not None else ()
    lufs, samples = None, 0
    for frame in mix(tracks, *steps, *trim, *METER):
        measured = frame.metadata.get("lavfi.r128.I")
        lufs = float(measured) if measured is not None else lufs
        samples += frame.samples
    audible = lufs if lufs is not None and lufs > SILENT_LUFS else None
    return Measure(audible, samples / RATE)


def balanced(lead: Track, others: tuple[Track, ...], lufs: float) -> tuple[Track, ...]:
    """The tracks with gains that bring the lead to `lufs` and the others below it."""
    targets = [(lead, lufs), *((other, lufs - UNDER_DB) for other in others)]
    return tuple(
        replace(track, gain_db=_gain(measure((replace(track, looped=False),)), target))
        for track, target in targets
    )


def levelled(tracks: tuple[Track, ...], lufs: float, seconds: float) -> tuple[Step, ...]:
    """The filters that bring a mix to `lufs` over its first `seconds`, without clipping."""
    gain = 0.0
    # The limiter reduces loudness, so the gain is found by iteration; one step is enough unless
    # the sound is very peaky.
    for _ in range(4):
        steps = (("volume", f"{gain:.2f}dB"), _LIMITER)
        missing = _gain(measure(tracks, *steps, seconds=seconds), lufs)
        if abs(missing) < 0.3:
            break
        gain = min(gain + missing, MAX_GAIN_DB)
    return (("volume", f"{gain:.2f}dB"), _LIMITER)


def mix(tracks: tuple[Track, ...], *steps: Step) -> Iterator[AudioFrame]:
    """The tracks mixed from second 0, then filtered by `steps`.

    Ends with the longest; never if one is looped.
    """
    graph = Graph()
    blend = graph.add("amix", f"inputs={len(tracks)}:duration=longest:normalize=0")
    pads = []
    for index, track in enumerate(tracks):
        pad = source(graph)
        chain = [("volume", f"{track.gain_db:.2f}dB")]
        if track.fade_out_at is not None:
            chain.append(("afade", f"t=out:st={track.fade_out_at:.3f}:d={_FADE_SECONDS}"))
        link(graph, pad, chain).link_to(blend, 0, index)
        pads.append(pad)
    sink = link(graph, blend, [*steps, SHAPE, SINK])
    graph.configure()
    yield from pump(list(zip(pads, map(samples, tracks), strict=True)), sink)


def samples(track: Track) -> Iterator[AudioFrame]:
    """The sound of a file as stereo at `RATE`, numbered from sample 0."""
    done = 0
    while True:
        begun = done
        for frame in _decoded(track.path):
            frame.pts, frame.time_base = done, Fraction(1, RATE)
            done += frame.samples
            if done - begun > MAX_DURATION_SECONDS * RATE:  # whatever its clock says
                what = f"{MAX_DURATION_SECONDS:,} s of sound"
                raise beyond(track.path, what, "MAX_DURATION_SECONDS")
            yield frame
        if done == begun:
            raise MediaError(f"{track.path}: holds no sound", "give a file with a sound track")
        if not track.looped:
            return


def fade_before(seconds: float) -> float:
    """Start of a fade-out that ends at `seconds`."""
    return max(0.0, seconds - _FADE_SECONDS)


def _decoded(path: Path) -> Iterator[AudioFrame]:
    with open_media(path) as container:
        if not container.streams.audio:
            return
        resampler = AudioResampler(format=_FORMAT, layout=_LAYOUT, rate=RATE)
        for frame in container.decode(container.streams.audio[0]):
            frame.pts = None  # gaps in the timestamps would be filled or cut
            yield from resampler.resample(frame)
        yield from resampler.resample(None)


def _gain(measured: Measure, lufs: float) -> float:
    return 0.0 if measured.lufs is None else min(lufs - measured.lufs, MAX_GAIN_DB)


def source(graph: Graph) -> FilterContext:
    """Where stereo frames at `RATE` enter a graph."""
    return graph.add_abuffer(
        sample_rate=RATE, format=_FORMAT, layout=_LAYOUT, time_base=Fraction(1, RATE)
    )


def pump(
    sources: Sequence[tuple[FilterContext, Iterator[AudioFrame]]], sink: FilterContext
) -> Iterator[AudioFrame]:
    """Feed all sources in step and give the filtered frames."""
    # The one that has got least is fed next, so that no queue grows where frames differ in size.
    waiting = [(0, index) for index in range(len(sources))]
    while waiting:
        fed, index = heapq.heappop(waiting)
        pad, frames = sources[index]
        frame = next(frames, None)
        try:
            pad.push(frame)
        except av.EOFError:  # a filter behind has had enough
            frame = None
        if frame is not None:
            heapq.heappush(waiting, (fed + frame.samples, index))
        for filtered in ready(sink.pull):
            assert isinstance(filtered, AudioFrame)
            yield filtered
