"""The sound of a composition: narration, sounds of clips, and music under both.

The narration leads, or else the clips that speak. While it speaks, everything else is at least `UNDER_DB` below it: one gain for
each passage of speech, from the loudness of both, so that nothing pumps at each syllable. The whole
has the loudness of the composition, and its true peak is measured behind the AAC encoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from types import MappingProxyType

from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame

from rivya_cut.composition import Composition, Sound
from rivya_cut.encoding import AUDIO_BIT_RATE
from rivya_cut.graphs import Step
from rivya_cut.results import Loudness
from rivya_cut.sound import (
    MAX_GAIN_DB,
    METER,
    RATE,
    SILENT_LUFS,
    UNDER_DB,
    Bus,
    Lane,
    Piece,
    Point,
    apply_filters,
    lanes_of,
    mix,
    samples,
)
from rivya_cut.speech import Intervals, find_speech

# In dB and LUFS. The first is room for what differs between two ways to measure a distance.
_SPARE_DB = 1.0
_MOST_RAISED_DB = 12.0  # a clip; more would bring up its noise
_MOST_LIFTED_DB = 2.0  # the narration over its level, so that the music keeps its own
_PEAK_DBTP, _CEILING_DBTP = -1.0, -2.0
_NO_PEAK_DBTP = -120.0
_CLOSE_DB = 0.2

# In seconds. Speech that pauses for less than the first is one passage, so the music rests there.
_PAUSE, _ATTACK, _RELEASE = 1.0, 0.25, 0.6
_WINDOW = 1.5  # of speech, for the distance: the loudest part of the music counts, not the mean
_FADE, _MUSIC_IN, _MUSIC_OUT, _LOOP = 0.5, 0.3, 1.5, 2.0
_SLACK = 1 / 8  # a sound that is longer by less is not faded
_HELD = 10.0  # music up to this length is decoded once for all its repetitions
_LEAST_LOOP = (
    0.25  # shorter music is repeated as it is until it lasts as long: each loop costs time
)
_TICK = 0.1  # of the meter


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


def soundtrack(
    composition: Composition,
    clips: Mapping[Path, Sequence[Piece]],
    seconds: float,
    talking: Mapping[Path, Sequence[Piece]] = MappingProxyType({}),
    speech: Intervals = (),
) -> Soundtrack | None:
    """Measure all sounds and set their gains; None without any sound.

    The clips that are `talking`, which `speech` says when, else the narration, else the first of
    `audio`, lead; narration and audio are heard from second 0, and those that do not lead lie 12 dB
    under what does. The sound of a clip has the loudness of the composition without speech, and the
    music its `level`; these give way where the whole would miss its loudness.
    """
    total = round(seconds * RATE)
    given = (composition.narration, *composition.audio)
    voices = [one.media for one in given if one is not None]
    if total < 1 or not (voices or clips or talking or composition.music):
        return None
    goal, music = composition.loudness, composition.music
    lead = Bus(lanes_of(_clips(talking, goal, total))) if talking else None
    if lead is None and voices:
        first, *voices = voices
        lead, speech = _level(_voice(first, total), goal, total), find_speech(first)
    speech = _clip_intervals(speech, seconds)
    under = [_level(_voice(one, total), goal - UNDER_DB, total) for one in voices]
    if pieces := _clips(clips, goal, total):
        under.append(Bus(lanes_of(pieces)))
    over: list[Bus] = []
    if music is not None:
        (over if music.duck is False else under).append(_music(music, total, seconds))
    if lead is None or not speech or not under:
        return _finish(lead, lambda lift: (*under, *over), goal, total)
    loud, quiet = _meter([lead], total)[1], _meter(under, total)[1]

    def other_buses(lift: float) -> Sequence[Bus]:
        points = _duck([power * 10 ** (lift / 10) for power in loud], quiet, speech)
        return (*(replace(bus, points=points) for bus in under), *over)

    return _finish(lead, other_buses, goal, total)


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


def _voice(path: Path, total: int) -> Bus:
    """A sound from second 0, with a fade where it is cut off."""
    length = _length(path, total + round(_SLACK * RATE))
    fade = round(_FADE * RATE) if length >= total + round(_SLACK * RATE) else 0
    piece = Piece(partial(samples, path), 0, total, fade_out=min(fade, total))
    return Bus(lanes_of([piece]))


def _level(bus: Bus, goal: float, total: int, most: float = MAX_GAIN_DB) -> Bus:
    """The bus with a gain that brings it to `goal` LUFS, and raises it by at most `most` dB."""
    lufs = _meter([bus], total)[0]
    return bus if lufs is None else _change_gain(bus, min(goal - lufs, most))


def _change_gain(bus: Bus, gain_db: float) -> Bus:
    return replace(bus, steps=(*bus.steps, ("volume", f"{gain_db:.2f}dB")))


def _clips(clips: Mapping[Path, Sequence[Piece]], goal: float, total: int) -> list[Piece]:
    """The pieces of each file at one gain."""
    placed = []
    for pieces in clips.values():
        lufs = _meter([Bus(lanes_of(pieces))], total)[0]
        gain_db = 0.0 if lufs is None else min(goal - lufs, _MOST_RAISED_DB)
        placed += [replace(piece, gain=10 ** (gain_db / 20)) for piece in pieces]
    return placed


def _music(music: Sound, total: int, seconds: float) -> Bus:
    """Music at its level over the whole length, repeated by crossfades, faded at both ends."""
    bus = _level(
        Bus(_repeat(music.media, total)), -20.0 if music.level is None else music.level, total
    )
    begin, end = min(_MUSIC_IN, seconds / 4), min(_MUSIC_OUT, seconds / 4)
    fades = (
        ("afade", f"t=in:d={begin:.3f}"),
        ("afade", f"t=out:st={seconds - end:.3f}:d={end:.3f}"),
    )
    return replace(bus, steps=(*bus.steps, *fades))


def _repeat(path: Path, total: int) -> Sequence[Lane]:
    length = _length(path, total)
    sound: Callable[[], Iterable[AudioFrame]] = partial(samples, path)
    if length >= total:
        return lanes_of([Piece(sound, 0, total)])
    if length <= _HELD * RATE:
        times = -(-round(_LEAST_LOOP * RATE) // length)
        sound = _join_short_frames(sound(), times).__iter__
        length *= times
    cross = min(round(_LOOP * RATE), length // 4)
    period = length - cross

    def passes(first: int) -> Iterator[Piece]:
        for at in range(first * period, total, 2 * period):
            yield Piece(sound, at, length, 0, 1.0, cross if at else 0, cross)

    # Every second repetition, so that neither lane overlaps itself.
    return (partial(passes, 0), partial(passes, 1))


def _join_short_frames(frames: Iterable[AudioFrame], times: int) -> Sequence[AudioFrame]:
    """The frames as they are; so many times in one frame if they are shorter than a loop."""
    held = tuple(frames)
    if times == 1:
        return held
    fifo = AudioFifo()
    for frame in chain.from_iterable(repeat(held, times)):
        frame.pts = None
        fifo.write(frame)
    whole = fifo.read(fifo.samples)
    assert whole is not None
    return (whole,)


def _length(path: Path, most: int) -> int:
    """Samples of a sound, counted up to `most`."""
    count = 0
    for frame in samples(path):
        count += frame.samples
        if count >= most:
            break
    return count


def _clip_intervals(speech: Intervals, seconds: float) -> Intervals:
    return tuple((begin, min(end, seconds)) for begin, end in speech if begin < seconds)


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
    lead: Bus | None, other_buses: Callable[[float], Sequence[Bus]], goal: float, total: int
) -> Soundtrack:
    """The mix at `goal` LUFS, with a true peak that the encoder keeps.

    `other_buses` gives the other buses for a lead that is raised by so many dB.
    """
    lift = gain = 0.0

    def plan_at(ceiling: float) -> Soundtrack:
        limit = f"limit={10 ** (ceiling / 20):.4f}:level=disabled:latency=1"
        steps = (("volume", f"{gain:.2f}dB"), ("alimiter", limit))
        buses = (*(() if lead is None else (_change_gain(lead, lift),)), *other_buses(lift))
        return Soundtrack(buses, steps, total)

    # The limiter takes loudness, so the gains are found by trial.
    for _ in range(5):
        trial = plan_at(_CEILING_DBTP)
        lufs = _meter(trial.buses, total, *trial.steps)[0]
        missing = 0.0 if lufs is None else goal - lufs
        if abs(missing) < _CLOSE_DB:
            break
        if lead is not None:
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
