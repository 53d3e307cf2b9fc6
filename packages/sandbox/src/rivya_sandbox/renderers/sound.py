"""Sound processing: filters, room, level. Samples are `float32`, -1 to 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.floating[Any]]  # (n,) for one channel, (2, n) for two

RATE = 44100  # samples in a second, of everything but speech


LOUDNESS = -16.5  # LUFS of music and effects
_PEAK = 0.92
_MOST_GAIN = 1000.0  # silence stays silence
# ITU-R BS.1770-5, annex 1: frequency weighting, as two filters at 48 kHz.
_EAR = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)  # fmt: skip


def loudness(samples: Sound, rate: int = RATE) -> float:
    """LUFS of one or two channels, ``(channels, n)``, gated as in ITU-R BS.1770; -70 for silence."""
    count = samples.shape[1]
    turn = np.exp(-2j * math.pi * np.fft.rfftfreq(count, 1 / rate) / 48000)
    ear = np.ones(len(turn), np.complex128)
    for above, below in _EAR:
        ear *= (above[0] + above[1] * turn + above[2] * turn**2) / (
            below[0] + below[1] * turn + below[2] * turn**2
        )
    weighted = np.fft.irfft(np.fft.rfft(samples) * ear, count) ** 2
    block, step = min(int(0.4 * rate), count), int(0.1 * rate)
    sums = np.concatenate([[0.0], np.cumsum(weighted.sum(axis=0))])
    starts = np.arange(0, count - block + 1, step)
    power = np.maximum((sums[starts + block] - sums[starts]) / block, 1e-10)
    audible = power[_lufs(power) > -70]
    if not audible.size:
        return -70.0
    return float(_lufs(audible[_lufs(audible) > _lufs(audible.mean()) - 10].mean()))


def _lufs(power: Any) -> Any:
    return 10 * np.log10(power) - 0.691


def low_pass(samples: Sound, cutoff: float, order: int = 2, rate: int = RATE) -> Sound:
    """One channel without frequencies above `cutoff` Hz; no delay."""
    spectrum = np.fft.rfft(samples)
    pitch = np.fft.rfftfreq(len(samples), 1 / rate)
    spectrum = spectrum / np.sqrt(1 + (pitch / cutoff) ** (2 * order))
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def in_room(
    samples: Sound, rng: np.random.Generator, seconds: float = 1.6, wet: float = 0.22
) -> Sound:
    """Two channels with the reverb of a room that decays in `seconds`."""
    length = int(seconds * RATE)
    fall = np.exp(-np.arange(length) / RATE * 4.2 / seconds)
    echo = np.stack([low_pass(rng.standard_normal(length) * fall, 5200) for _ in range(2)])
    echo /= np.sqrt((echo**2).sum(axis=1, keepdims=True))
    size = 1 << (samples.shape[1] + length - 1).bit_length()
    reflected = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)
    mixed: Sound = samples * (1 - wet * 0.5) + reflected[:, : samples.shape[1]] * wet
    return mixed.astype(np.float32)


def master(samples: Sound, fade_in: float, fade_out: float) -> Sound:
    """Two channels at the common loudness, without clipping, faded (seconds)."""
    samples = samples - samples.mean(axis=1, keepdims=True)
    for _ in range(2):  # make up once for the level that the curve removed
        gain = 10 ** ((LOUDNESS - loudness(samples)) / 20)
        samples = np.tanh(samples * min(gain, _MOST_GAIN))
    samples = samples * (_PEAK / max(_PEAK, float(np.abs(samples).max())))
    first, last = max(1, int(fade_in * RATE)), max(1, int(fade_out * RATE))
    samples[:, :first] *= np.linspace(0, 1, first)[: samples.shape[1]]
    samples[:, -last:] *= (np.linspace(1, 0, last) ** 1.5)[-samples.shape[1] :]
    return samples.astype(np.float32)


def stretch(samples: Sound, ratio: float) -> Sound:
    """One channel played `ratio` times as fast: pitch and pace move together."""
    if abs(ratio - 1) < 1e-3 or len(samples) < 4:
        return samples
    at = np.arange(0, len(samples) - 1.001, ratio)
    index = at.astype(int)
    t = (at - index).astype(np.float32)
    padded = np.pad(samples, (1, 3), "edge")
    a, b, c, d = (padded[index + shift] for shift in range(4))
    # A cubic through four neighbours; a straight line would dull the consonants.
    curve: Sound = b + 0.5 * t * (
        c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
    )
    return curve


def spoken_level(samples: Sound, rate: int, target: float = 0.16) -> Sound:
    """Speech without the silence around it, at an even level, with soft ends."""
    loud = np.nonzero(np.abs(samples) > 0.012)[0]
    if not loud.size:
        return np.zeros(int(rate * 0.3), np.float32)
    first, last = max(0, loud[0] - int(0.06 * rate)), loud[-1] + int(0.18 * rate)
    samples = np.pad(samples, (0, max(0, last - len(samples))))[first:last]
    active = samples[np.abs(samples) > 0.02]
    strength = float(np.sqrt((active**2).mean())) if active.size else 1e-3
    gain = min(target / max(strength, 1e-4), 0.97 / max(float(np.abs(samples).max()), 1e-4))
    ends = int(0.012 * rate)
    ramp = np.linspace(0, 1, ends, dtype=np.float32)
    level: Sound = samples * np.float32(gain)
    level[:ends] *= ramp[: level.size]
    level[-ends:] *= ramp[::-1][-level.size :]
    return level.astype(np.float32)


def both(samples: Sound) -> Sound:
    """One channel as two with a slight offset, so that it sounds wider."""
    return np.stack([samples, np.roll(samples, 37)]).astype(np.float32)


def frequency(note: float) -> float:
    """Hz of a MIDI note number; 69 is 440."""
    return 440.0 * math.pow(2.0, (note - 69) / 12)
