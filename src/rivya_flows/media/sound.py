"""Decodes sounds as stereo at one rate, and filters them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph
from av.filter.context import FilterContext

from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import MAX_DURATION_SECONDS, beyond
from rivya_flows.media.graphs import Step, ready
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

SHAPE: Step = ("aformat", f"sample_fmts={_FORMAT}:channel_layouts={_LAYOUT}:sample_rates={RATE}")
"""Gives what `source` takes."""
SINK: Step = ("abuffersink", "")
# A sound below one block of 0.4 s has no loudness; silence after it is not counted.
METER: tuple[Step, ...] = (("apad", "whole_dur=0.5"), ("ebur128", "metadata=1"))
"""Writes the loudness so far into the metadata of each frame."""


def samples(path: Path) -> Iterator[AudioFrame]:
    """The sound of a file as stereo at `RATE`, numbered from sample 0.

    Raises:
        MediaError: It holds no sound, or is broken or too long.
    """
    done = 0
    for frame in _decoded(path):
        frame.pts, frame.time_base = done, Fraction(1, RATE)
        done += frame.samples
        if done > MAX_DURATION_SECONDS * RATE:  # whatever its clock says
            raise beyond(path, f"{MAX_DURATION_SECONDS:,} s of sound", "MAX_DURATION_SECONDS")
        yield frame
    if not done:
        raise MediaError(f"{path}: holds no sound", "give a file with a sound track")


def _decoded(path: Path) -> Iterator[AudioFrame]:
    with open_media(path) as container:
        if not container.streams.audio:
            return
        resampler = AudioResampler(format=_FORMAT, layout=_LAYOUT, rate=RATE)
        for frame in container.decode(container.streams.audio[0]):
            frame.pts = None  # gaps in the timestamps would be filled or cut
            yield from resampler.resample(frame)
        yield from resampler.resample(None)


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
