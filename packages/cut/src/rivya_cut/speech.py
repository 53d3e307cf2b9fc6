"""Finds when a sound speaks, by its energy."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from operator import mul

from av.audio.frame import AudioFrame

from rivya_cut.sound import apply_filters

_RATE = 16_000
_WINDOW = 160  # samples: 0.01 s
# Windows on each side over which the level is averaged: to find an edge; to find the level of
# syllables, so that a click does not pass for one.
_EDGE, _SYLLABLE = 1, 5
_FLOOR_SHARE = 0.02
# In dB. Below the first nothing is speech. Speech spans about 30 dB, with the noise of its pauses
# below. A sound that never falls by 8 dB has no pauses.
_SILENT_DB, _SPAN_DB, _OVER_NOISE_DB, _LEAST_SPAN_DB = -55.0, 30.0, 8.0, 8.0
_LEAST_PAUSE_SECONDS = 0.15
_LEAST_SPEECH_SECONDS = 0.05

Intervals = tuple[tuple[float, float], ...]
"""Begin and end in seconds, in order, apart from each other."""


def union(intervals: Iterable[Intervals]) -> Intervals:
    """When one of several speaks."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(chain.from_iterable(intervals)):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return tuple(found)


def find_speech(sound: Iterator[AudioFrame]) -> Intervals:
    """When a sound speaks, as `sound.samples` gives it.

    Silence is not speech; a steady sound without pauses is. A pause below 0.15 s belongs to the
    speech around it, so there are at most five intervals a second.
    """
    powers = [*_powers(sound)]
    syllables = _moving_average(powers, _SYLLABLE)
    peak = _decibels(max(syllables, default=0.0))
    if peak < _SILENT_DB:
        return ()
    floor = _decibels(sorted(syllables)[int(len(syllables) * _FLOOR_SHARE)])
    threshold = max(peak - _SPAN_DB, min(floor + _OVER_NOISE_DB, peak - _LEAST_SPAN_DB))
    loud = [_decibels(power) > threshold for power in _moving_average(powers, _EDGE)]
    return _intervals(loud)


def _powers(sound: Iterator[AudioFrame]) -> Iterator[float]:
    """Mean square of each window, 1 at full scale, without the hum below a voice."""
    shape = f"sample_fmts=s16:channel_layouts=mono:sample_rates={_RATE}"
    windows = ("asetnsamples", f"n={_WINDOW}:p=0")
    for frame in apply_filters(sound, ("highpass", "f=110"), ("aformat", shape), windows):
        wave = array("h", bytes(frame.planes[0])[: 2 * frame.samples])
        yield sum(map(mul, wave, wave)) / (len(wave) * 32_768**2)


def _moving_average(powers: Sequence[float], reach: int) -> list[float]:
    """The mean of each window and `reach` of its neighbours on each side."""
    sums = [0.0, *accumulate(powers)]
    count = len(powers)
    return [
        (sums[min(count, index + reach + 1)] - sums[max(0, index - reach)]) / (2 * reach + 1)
        for index in range(count)
    ]


def _decibels(power: float) -> float:
    return 10 * math.log10(max(power, 1e-12))


def _intervals(loud: Sequence[bool]) -> Intervals:
    """The runs of loud windows, without short pauses, then without short sounds."""
    found: list[tuple[int, int]] = []
    begin = None
    for index, one in enumerate([*loud, False]):
        if one and begin is None:
            begin = index
        elif not one and begin is not None:
            if found and (begin - found[-1][1]) * _WINDOW < _LEAST_PAUSE_SECONDS * _RATE:
                begin = found.pop()[0]
            found.append((begin, index))
            begin = None
    shortest = _LEAST_SPEECH_SECONDS * _RATE / _WINDOW
    return tuple(
        (begin * _WINDOW / _RATE, end * _WINDOW / _RATE)
        for begin, end in found
        if end - begin >= shortest
    )
