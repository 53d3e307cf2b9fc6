"""The sound of a composition: speech, and all that gives way to it.

While somebody speaks, what gives way is at least `UNDER_DB` below: one gain for each passage of speech,
from the loudness of both, so that nothing pumps at each syllable. The whole has the loudness of the
composition, and its true peak is measured behind the AAC encoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

from av.audio.codeccontext import AudioCodecContext
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame

from rivya_cut.encoding import AUDIO_BIT_RATE
from rivya_cut.graphs import Step
from rivya_cut.placing import PlacedSound
from rivya_cut.results import Loudness
from rivya_cut.sound import (
    MAX_GAIN_DB,
    METER,
    RATE,
    SILENT_LUFS,
    UNDER_DB,
    Bus,
    Piece,
    Point,
    apply_filters,
    lanes_of,
    mix,
    samples,
)
from rivya_cut.speech import Intervals, union

# In dB and LUFS. The first is room for what differs between two ways to measure a distance.
_SPARE_DB = 1.0
_MOST_RAISED_DB = 12.0  # a clip; more would bring up its noise
_MOST_LIFTED_DB = 2.0  # the speech over its level, so that the music keeps its own
_PEAK_DBTP, _CEILING_DBTP = -1.0, -2.0
_NO_PEAK_DBTP = -120.0
_CLOSE_DB = 0.2

# In seconds. Speech that pauses for less than the first is one passage, so the music rests there.
_PAUSE, _ATTACK, _RELEASE = 1.0, 0.25, 0.6
_WINDOW = 0.7  # of speech, for the distance: the loudest part of the music counts, not the mean
_TICK = 0.1  # of the meter
_SHORT = 1.0


@dataclass(frozen=True)
class Soundtrack:
    """A mix whose gains are known; `frames` can be read more than once."""

    buses: tuple[Bus, ...]
    steps: tuple[Step, ...]
    samples: int

    def frames(self) -> Iterator[AudioFrame]:
        """Exactly `samples` as stereo at `RATE`, planar floats."""
        whole = ("apad", f"whole_len={self.samples}"), ("atrim", f"end_sample={self.samples}")
        return mix(self.buses, self.samples, *self.steps, *whole)


def soundtrack(sounds: Sequence[PlacedSound], loudness: float, seconds: float) -> Soundtrack | None:
    """Measure all sounds and set their gains; None without any sound.

    What gives way lies 12 dB under the speech: other speech under that which leads, the rest under both.
    The levels of the sounds give way where the whole would miss its loudness.
    """
    total = round(seconds * RATE)
    if total < 1 or not sounds:
        return None
    pieces = _at_levels(sounds)

    def bus_of(speaks: bool, gives_way: bool) -> list[Bus]:
        wanted = [
            piece
            for one, piece in zip(sounds, pieces, strict=True)
            if (one.speaks, one.gives_way) == (speaks, gives_way)
        ]
        return [Bus(lanes_of(wanted))] if wanted else []

    lead, second = bus_of(True, False), bus_of(True, True)
    if lead and second:
        times = union(one.speech for one in sounds if one.speaks and not one.gives_way)
        loud, quiet = _meter(lead, total)[1], _meter(second, total)[1]
        second = [replace(bus, points=_duck(loud, quiet, times)) for bus in second]
    speech, under, over = [*lead, *second], bus_of(False, True), bus_of(False, False)
    times = union(one.speech for one in sounds if one.speaks)
    if not times or not under:
        return _finish(speech, lambda lift: (*under, *over), loudness, total)
    loud, quiet = _meter(speech, total)[1], _meter(under, total)[1]

    def other_buses(lift: float) -> Sequence[Bus]:
        points = _duck([power * 10 ** (lift / 10) for power in loud], quiet, times)
        return (*(replace(bus, points=points) for bus in under), *over)

    return _finish(speech, other_buses, loudness, total)


def _at_levels(sounds: Sequence[PlacedSound]) -> list[Piece]:
    """The piece of each sound at its level; those of one clip have one gain, by all that is heard of it."""
    takes: dict[str | Path, list[Piece]] = {}
    for one in sounds:
        takes.setdefault(one.clip or one.name, []).append(replace(one.piece, gain=1.0))
    found = {take: _measure(pieces) for take, pieces in takes.items()}
    made = []
    for one in sounds:
        lufs, most = found[one.clip or one.name], _MOST_RAISED_DB if one.clip else MAX_GAIN_DB
        gain_db = 0.0 if lufs is None else min(one.level - lufs, most)
        made.append(replace(one.piece, gain=one.piece.gain * 10 ** (gain_db / 20)))
    return made


def _measure(pieces: Sequence[Piece]) -> float | None:
    """LUFS of pieces after each other: integrated, or of the loudest 0.4 s of a short sound."""
    row, total = [], 0
    for piece in pieces:
        row.append(replace(piece, at=total))
        total += piece.count
    lufs, ticks = _meter([Bus(lanes_of(row))], total)
    return lufs if lufs is None or total > _SHORT * RATE else 10 * math.log10(max(ticks))


def measure_loudness(path: Path) -> Loudness:
    """Integrated loudness and true peak of a file; -70 LUFS and -120 dBTP are silence."""
    return _loudness(samples(path))


def _loudness(frames: Iterator[AudioFrame]) -> Loudness:
    (pad, (meter, how)) = METER
    lufs, peak = -70.0, 0.0
    for frame in apply_filters(frames, pad, (meter, f"{how}:peak=true")):
        lufs = float(frame.metadata.get("lavfi.r128.I", lufs))
        peak = max(peak, float(frame.metadata.get("lavfi.r128.true_peak", 0.0)))
    return Loudness(max(lufs, -70.0), 20 * math.log10(peak) if peak > 0 else _NO_PEAK_DBTP)


def _meter(buses: Sequence[Bus], total: int, *steps: Step) -> tuple[float | None, list[float]]:
    """Integrated LUFS of a mix (None: silent), and the power of each tick of 0.1 s."""
    lufs, ticks = SILENT_LUFS, []
    for frame in mix(buses, total, *steps, *METER):
        lufs = float(frame.metadata.get("lavfi.r128.I", lufs))
        if "lavfi.r128.M" in frame.metadata:
            ticks.append(10 ** (float(frame.metadata["lavfi.r128.M"]) / 10))
    return (lufs if lufs > SILENT_LUFS else None), ticks


def _duck(lead: Sequence[float], under: Sequence[float], speech: Intervals) -> tuple[Point, ...]:
    """The gains that keep `under` far enough below the lead in each passage of speech."""
    points: list[Point] = [(0, 1.0)]
    for passage in _passages(speech):
        gain = 10 ** (min(0.0, *(_room(lead, under, part) for part in _parts(passage))) / 20)
        begin, end = passage[0][0], passage[-1][1]
        if begin <= _ATTACK:
            points = [(0, gain)]
        else:
            points += [(round((begin - _ATTACK) * RATE), 1.0), (round(begin * RATE), gain)]
        points += [(round(end * RATE), gain), (round((end + _RELEASE) * RATE), 1.0)]
    return tuple(points)


def _passages(speech: Intervals) -> list[list[tuple[float, float]]]:
    passages: list[list[tuple[float, float]]] = []
    for interval in speech:
        if passages and interval[0] - passages[-1][-1][1] < _PAUSE:
            passages[-1].append(interval)
        else:
            passages.append([interval])
    return passages


def _parts(passage: Sequence[tuple[float, float]]) -> Iterator[list[int]]:
    """The ticks in which a passage speaks, in parts of about a second."""
    ticks = [
        tick
        for begin, end in passage
        # The meter looks back over 0.4 s; the middle of that counts.
        for tick in range(round((begin + 0.2) / _TICK), round((end + 0.2) / _TICK) + 1)
    ]
    count = max(1, round(len(ticks) * _TICK / _WINDOW))
    for index in range(count):
        yield ticks[index * len(ticks) // count : (index + 1) * len(ticks) // count]


def _room(lead: Sequence[float], under: Sequence[float], ticks: Sequence[int]) -> float:
    """The gain in dB that leaves the distance between both over some ticks."""

    def power(levels: Sequence[float]) -> float:
        return sum(levels[tick] for tick in ticks if tick < len(levels)) or 1e-12

    return 10 * math.log10(power(lead) / power(under)) - UNDER_DB - _SPARE_DB


def _finish(
    speech: Sequence[Bus], other_buses: Callable[[float], Sequence[Bus]], goal: float, total: int
) -> Soundtrack:
    """The mix at `goal` LUFS, with a true peak that the encoder keeps.

    `other_buses` gives the other buses for speech that is raised by so many dB.
    """
    lift = gain = 0.0

    def plan_at(ceiling: float) -> Soundtrack:
        limit = f"limit={10 ** (ceiling / 20):.4f}:level=disabled:latency=1"
        steps = (("volume", f"{gain:.2f}dB"), ("alimiter", limit))
        lifted = (replace(bus, steps=(("volume", f"{lift:.2f}dB"),)) for bus in speech)
        return Soundtrack((*lifted, *other_buses(lift)), steps, total)

    # The limiter takes loudness, so the gains are found by trial.
    for _ in range(5):
        trial = plan_at(_CEILING_DBTP)
        lufs = _meter(trial.buses, total, *trial.steps)[0]
        missing = 0.0 if lufs is None else goal - lufs
        if abs(missing) < _CLOSE_DB:
            break
        if speech:
            lifted = max(-1.0, min(lift + missing, _MOST_LIFTED_DB))
            lift, missing = lifted, missing - (lifted - lift)
        gain = min(gain + missing, MAX_GAIN_DB)
    ceiling = _CEILING_DBTP
    for _ in range(4):
        over = _encoded_peak(plan_at(ceiling).frames()) - _PEAK_DBTP
        if over <= 0:
            break
        ceiling -= over + _CLOSE_DB
    return plan_at(ceiling)


def _encoded_peak(frames: Iterator[AudioFrame]) -> float:
    """True peak in dBTP of the frames after AAC."""
    return _loudness(_decode_again(frames)).true_peak


def _decode_again(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    """The frames as a player gets them."""
    encoder, decoder = AudioCodecContext.create("aac", "w"), AudioCodecContext.create("aac", "r")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "stereo", AudioFormat("fltp")
    encoder.bit_rate, encoder.time_base = AUDIO_BIT_RATE, Fraction(1, RATE)
    encoder.open()
    decoder.extradata = encoder.extradata
    now = 0
    for frame in chain(frames, [None]):
        for packet in encoder.encode(frame):
            for audible in decoder.decode(packet):
                audible.pts, audible.time_base = now, Fraction(1, RATE)
                now += audible.samples
                yield audible
