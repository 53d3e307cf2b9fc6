"""Voices and music of known shape, and the distance between two sounds."""

from __future__ import annotations

import functools
import math
import random
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import av

from rivya_cut.sound import RATE, Bus, mix
from support.composed_media import loudness

_RATE = 16_000

Words = Sequence[tuple[float, float]]


def write(
    path: Path,
    wave: Callable[[float], float],
    seconds: float,
    *,
    rate: int = _RATE,
    layout: str = "mono",
) -> Path:
    """A WAV file; each channel has the same wave, a function of the second, from -1 to 1."""
    return _written(path, _samples(wave, seconds, rate), rate, layout)


def _samples(wave: Callable[[float], float], seconds: float, rate: int) -> array[int]:
    return array(
        "h",
        (
            round(32_000 * max(-1.0, min(1.0, wave(index / rate))))
            for index in range(round(seconds * rate))
        ),
    )


def _written(path: Path, samples: array[int], rate: int, layout: str) -> Path:
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        channels = stream.codec_context.channels
        values = array("h", bytes(2 * channels * len(samples)))
        for channel in range(channels):
            values[channel::channels] = samples
        frame = av.AudioFrame(format="s16", layout=layout, samples=len(samples))
        frame.planes[0].update(values.tobytes())
        frame.sample_rate, frame.pts = rate, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def voice(
    path: Path,
    words: Words,
    seconds: float,
    *,
    noise: float = 0.0,
    rate: int = _RATE,
    layout: str = "mono",
) -> Path:
    """A narration: syllables, four a second, in `words`, over white noise of an amplitude."""
    return _written(path, _spoken(tuple(words), seconds, noise, rate), rate, layout)


@functools.cache  # many tests hear the same
def _spoken(words: Words, seconds: float, noise: float, rate: int) -> array[int]:
    chance = random.Random(1)

    def wave(second: float) -> float:
        value = noise * chance.uniform(-1, 1)
        if any(begin <= second < end for begin, end in words):
            swing = 0.6 + 0.4 * math.sin(8 * math.pi * second)
            value += swing * sum(
                0.1 / part * math.sin(2 * math.pi * pitch * second)
                for part, pitch in enumerate((180, 360, 720, 1_400, 2_900), 1)
            )
        return value

    return _samples(wave, seconds, rate)


def music(path: Path, seconds: float, *, level: float = 0.3, layout: str = "stereo") -> Path:
    """A chord that swells every second."""
    return _written(path, _chord(seconds, level), _RATE, layout)


@functools.cache
def _chord(seconds: float, level: float) -> array[int]:
    def wave(second: float) -> float:
        swell = 0.5 + 0.4 * math.sin(2 * math.pi * second)
        return level * swell * sum(math.sin(2 * math.pi * pitch * second) for pitch in (220, 330))

    return _samples(wave, seconds, _RATE)


def rendered(buses: Sequence[Bus], total: int) -> list[float]:
    """The left channel of some buses of a soundtrack, at their gains."""
    found = array("f")
    for frame in mix(buses, total):
        found.frombytes(bytes(frame.planes[0])[: 4 * frame.samples])
    return list(found)


def parts(wave: Sequence[float], intervals: Iterable[tuple[float, float]]) -> list[float]:
    """The wave inside the intervals, joined."""
    return [
        value for begin, end in intervals for value in wave[round(begin * RATE) : round(end * RATE)]
    ]


def distance(above: list[float], below: list[float], intervals: Words) -> float:
    """How far one sound lies above another in the intervals, in LU."""
    return loudness(parts(above, intervals)) - loudness(parts(below, intervals))
