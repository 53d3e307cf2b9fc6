"""Decodes sounds as stereo at one rate, places them on a timeline, and mixes them under moving gains."""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph
from av.filter.context import FilterContext

from rivya_client.errors import MediaError
from rivya_cut.bounds import MAX_DURATION_SECONDS, beyond
from rivya_cut.graphs import Step, link, ready
from rivya_cut.reading import open_media

RATE = 48_000
"""Samples a second of every mix."""
UNDER_DB = 12.0
"""Level of other sounds below the leading one, in dB."""

SILENT_LUFS = -60.0
"""Nothing is heard at this loudness and below."""
MAX_GAIN_DB = 40.0
"""The most by which a quiet sound is raised."""

_FORMAT, _LAYOUT = "fltp", "stereo"
_BLOCK = 4096  # samples
_MAX_STEPS = 2_400  # of one fade

SHAPE: Step = ("aformat", f"sample_fmts={_FORMAT}:channel_layouts={_LAYOUT}:sample_rates={RATE}")
"""Gives what `apply_filters` and `mix` take."""
_SINK: Step = ("abuffersink", "")
# A sound below one block of 0.4 s has no loudness; silence after it is not counted.
METER: tuple[Step, ...] = (("apad", "whole_dur=0.5"), ("ebur128", "metadata=1"))
"""Writes the loudness so far into the metadata of each frame."""


def samples(
    path: Path, hear: Callable[[AudioFrame], object] = lambda frame: None
) -> Iterator[AudioFrame]:
    """The sound of a file as stereo at `RATE`, numbered from sample 0; `hear` gets it as it was."""
    done = 0
    for frame in _decode(path, hear):
        frame.pts, frame.time_base = done, Fraction(1, RATE)
        done += frame.samples
        if done > MAX_DURATION_SECONDS * RATE:  # whatever its clock says
            raise beyond(path, f"{MAX_DURATION_SECONDS:,} s of sound", "MAX_DURATION_SECONDS")
        yield frame
    if not done:
        raise MediaError(f"{path}: holds no sound", "give a file with a sound track")


def _decode(path: Path, hear: Callable[[AudioFrame], object]) -> Iterator[AudioFrame]:
    with open_media(path) as container:
        if not container.streams.audio:
            return
        resampler = AudioResampler(format=_FORMAT, layout=_LAYOUT, rate=RATE)
        for frame in container.decode(container.streams.audio[0]):
            frame.pts = None  # gaps in the timestamps would be filled or cut
            hear(frame)
            yield from resampler.resample(frame)
        yield from resampler.resample(None)


def apply_filters(frames: Iterator[AudioFrame], *steps: Step) -> Iterator[AudioFrame]:
    """The frames of a sound, as `samples` gives them, after filters."""
    graph = Graph()
    begin = _source(graph)
    sink = link(graph, begin, [*steps, _SINK])
    graph.configure()
    yield from _pump([(begin, frames)], sink)  # a graph without a reference is freed


def _source(graph: Graph) -> FilterContext:
    """Where stereo frames at `RATE` enter a graph."""
    return graph.add_abuffer(
        sample_rate=RATE, format=_FORMAT, layout=_LAYOUT, time_base=Fraction(1, RATE)
    )


def _pump(
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


@dataclass(frozen=True)
class Piece:
    """A part of a sound on the timeline; all numbers are samples at `RATE`."""

    sound: Callable[[], Iterable[AudioFrame]]
    at: int
    count: int
    skip: int = 0
    gain: float = 1.0
    fade_in: int = 0
    fade_out: int = 0


Lane = Callable[[], Iterable[Piece]]
"""Pieces in order that do not overlap."""
Point = tuple[int, float]
"""A sample of the timeline, and the gain there; between two points it moves smoothly."""


@dataclass(frozen=True)
class Bus:
    """Lanes that are mixed, then filtered by `steps`, then moved by the gains of `points`."""

    lanes: Sequence[Lane]
    steps: Sequence[Step] = ()
    points: Sequence[Point] = ()


def lanes_of(pieces: Iterable[Piece]) -> tuple[Lane, ...]:
    """As few lanes as the pieces need, which may overlap."""
    lanes: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda one: one.at):
        for lane in lanes:
            if lane[-1].at + lane[-1].count <= piece.at:
                lane.append(piece)
                break
        else:
            lanes.append([piece])
    return tuple(lane.copy for lane in lanes)


def mix(buses: Sequence[Bus], total: int, *steps: Step) -> Iterator[AudioFrame]:
    """The buses mixed and filtered by `steps`: exactly `total` samples if these keep the length."""
    graph = Graph()
    sources: list[tuple[FilterContext, Iterator[AudioFrame]]] = []

    def change_gain(start: FilterContext, points: Iterable[Point]) -> FilterContext:
        gains = _source(graph)
        sources.append((gains, _gains(points, total)))
        product = graph.add("amultiply")
        start.link_to(product, 0, 0)
        gains.link_to(product, 0, 1)
        return product

    def sum_of(parts: Sequence[FilterContext]) -> FilterContext:
        blend = graph.add("amix", f"inputs={len(parts)}:duration=longest:normalize=0")
        for index, part in enumerate(parts):
            part.link_to(blend, 0, index)
        return blend

    ends = []
    for bus in buses:
        starts = []
        for lane in bus.lanes:
            begin = _source(graph)
            sources.append((begin, _cut_lane(lane, total)))
            starts.append(change_gain(begin, _points(lane())))
        end = link(graph, sum_of(starts), bus.steps)
        ends.append(change_gain(end, bus.points) if bus.points else end)
    sink = link(graph, sum_of(ends), [*steps, SHAPE, _SINK])
    graph.configure()
    yield from _pump(sources, sink)


def _points(pieces: Iterable[Piece]) -> Iterator[Point]:
    yield 0, 0.0
    for piece in pieces:
        end = piece.at + piece.count
        yield piece.at, 0.0
        yield piece.at + piece.fade_in, piece.gain
        yield end - piece.fade_out, piece.gain
        yield end, 0.0


def _cut_lane(lane: Lane, total: int) -> Iterator[AudioFrame]:
    """The sound of a lane without its gains, in blocks."""
    now = 0
    for piece in lane():
        if piece.at >= total:
            break
        yield from _silence(piece.at - now, now)
        now = piece.at
        end = min(piece.at + piece.count, total)
        for block in part(piece, end - now):
            block.pts, block.time_base = now, Fraction(1, RATE)
            now += block.samples
            yield block
        yield from _silence(end - now, now)
        now = end
    yield from _silence(total - now, now)


def part(piece: Piece, count: int) -> Iterator[AudioFrame]:
    """Up to so many samples of a piece without its gains, in blocks."""
    fifo, skipped, given = AudioFifo(), 0, 0
    for frame in piece.sound():
        if given >= count:
            return
        if skipped + frame.samples <= piece.skip:
            skipped += frame.samples
            continue
        frame.pts = None  # blocks get new timestamps
        fifo.write(frame)
        if skipped < piece.skip:
            fifo.read(piece.skip - skipped)
            skipped = piece.skip
        while fifo.samples >= _BLOCK and given < count:
            yield _take(fifo, min(_BLOCK, count - given))
            given += _BLOCK
    if fifo.samples and given < count:
        yield _take(fifo, min(fifo.samples, count - given))


def _take(fifo: AudioFifo, count: int) -> AudioFrame:
    block = fifo.read(count)
    assert block is not None
    return block


def _silence(count: int, at: int) -> Iterator[AudioFrame]:
    for begin in range(0, count, _BLOCK):
        length = min(_BLOCK, count - begin)
        yield _frame(bytes(4 * length), at + begin)


def _gains(points: Iterable[Point], total: int) -> Iterator[AudioFrame]:
    """The gains at each sample, in blocks."""
    given, pending = 0, array("f")
    for gain, count in _runs(points, total):
        pending.extend(array("f", [gain]) * count)
        if len(pending) >= _BLOCK or given + len(pending) == total:
            yield _frame(pending.tobytes(), given)
            given, pending = given + len(pending), array("f")


def _runs(points: Iterable[Point], total: int) -> Iterator[tuple[float, int]]:
    """Gains and the number of samples for which each holds, `total` together."""
    now, level = 0, 1.0
    for at, gain in chain(points, [(total, None)]):
        span = at - now
        # Steps too small to be heard, and not one for each sample of a long fade.
        step = _BLOCK if gain is None or gain == level else max(1, span // _MAX_STEPS)
        for done in range(0, min(at, total) - now, step):
            share = done / span
            yield (
                level if gain is None else _between(level, gain, share),
                min(step, min(at, total) - now - done),
            )
        now, level = max(now, min(at, total)), level if gain is None else gain


def _between(before: float, after: float, share: float) -> float:
    """Equal power where one sound fades into another."""
    if after > before:
        return before + (after - before) * math.sin(share * math.pi / 2)
    return after + (before - after) * math.cos(share * math.pi / 2)


def _frame(channel: bytes, at: int) -> AudioFrame:
    frame = AudioFrame(format="fltp", layout="stereo", samples=len(channel) // 4)
    for plane in frame.planes:
        plane.update(channel)
    frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
    return frame
