"""Working on sound: filters, room, level. Samples are `float32`, -1 to 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.floating[Any]]  # (n,) for one channel, (2, n) for two

RATE = 44100  # samples in a second, of everything but speech


def low_pass(samples: Sound, cutoff: float, order: int = 2, rate: int = RATE) -> Sound:
    """One channel without what lies above `cutoff` Hz; no delay."""
    spectrum = np.fft.rfft(samples)
    pitch = np.fft.rfftfreq(len(samples), 1 / rate)
    spectrum = spectrum / np.sqrt(1 + (pitch / cutoff) ** (2 * order))
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def in_room(
    samples: Sound, rng: np.random.Generator, seconds: float = 1.6, wet: float = 0.22
) -> Sound:
    """Two channels with the echo of a room that dies away in `seconds`."""
    length = int(seconds * RATE)
    fall = np.exp(-np.arange(length) / RATE * 4.2 / seconds)
    echo = np.stack([low_pass(rng.standard_normal(length) * fall, 5200) for _ in range(2)])
    echo /= np.sqrt((echo**2).sum(axis=1, keepdims=True))
    size = 1 << (samples.shape[1] + length - 1).bit_length()
    reflected = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)
    mixed: Sound = samples * (1 - wet * 0.5) + reflected[:, : samples.shape[1]] * wet
    return mixed.astype(np.float32)


def mastered(samples: Sound, fade_in: float, fade_out: float, level: float = 0.12) -> Sound:
    """Two channels at a root mean square of `level`, without clipping, faded (seconds)."""
    samples = samples - samples.mean(axis=1, keepdims=True)
    samples = samples * (level / max(float(np.sqrt((samples**2).mean())), 1e-5))
    samples = np.tanh(samples * 1.1) / 1.05
    samples = samples * (0.92 / max(0.92, float(np.abs(samples).max())))
    first, last = max(1, int(fade_in * RATE)), max(1, int(fade_out * RATE))
    samples[:, :first] *= np.linspace(0, 1, first)[: samples.shape[1]]
    samples[:, -last:] *= (np.linspace(1, 0, last) ** 1.5)[-samples.shape[1] :]
    return samples.astype(np.float32)


def stretched(samples: Sound, ratio: float) -> Sound:
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
    """One channel as two, a trace apart, so that it is not stuck in the middle."""
    return np.stack([samples, np.roll(samples, 37)]).astype(np.float32)


def frequency(note: float) -> float:
    """Hz of a MIDI note number; 69 is 440."""
    return 440.0 * math.pow(2.0, (note - 69) / 12)
