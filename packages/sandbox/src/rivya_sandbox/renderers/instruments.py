"""Single notes and drum strokes, one channel at `sound.RATE`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rivya_sandbox.renderers.sound import RATE, Sound, frequency, low_pass

_TAU = 2 * math.pi
# Resonances of two vowels: Hz and strength.
_FORMANTS = {
    "vowel a": ((800.0, 1.0), (1150.0, 0.5), (2900.0, 0.10)),
    "vowel o": ((450.0, 1.0), (800.0, 0.45), (2830.0, 0.06)),
}
_LONG_TAILS = frozenset({"pad", "strings", "bell", "drone"})


def note(
    instrument: str, pitch: float, seconds: float, rng: np.random.Generator, brightness: float
) -> Sound:
    """A note with its tail.

    Args:
        instrument: ``pad strings drone pluck sitar bell keys saw bass``, ``vowel a``, ``vowel o``.
        pitch: MIDI note number.
        seconds: Until the key is released.
        rng: For phases and plucked noise.
        brightness: 0 dull to 1 bright.
    """
    length = int((seconds + (0.9 if instrument in _LONG_TAILS else 0.35)) * RATE)
    time = np.arange(length) / RATE
    tone = frequency(pitch)
    if instrument in ("pad", "strings", "drone"):
        return _bow(instrument, tone, time, seconds, rng, brightness)
    if instrument in ("pluck", "sitar"):
        return _pluck(instrument, tone, time, seconds, rng)
    if instrument in _FORMANTS:
        return _sung(_FORMANTS[instrument], tone, time, seconds)
    if instrument == "bell":
        return (
            _partials(tone, time, ((1, 0.5, 1.8), (2.01, 0.22, 2.6), (3, 0.12, 4), (4.2, 0.06, 7)))
            * 0.38
        )
    if instrument == "keys":
        struck = _partials(tone, time, ((1, 0.6, 2.2), (2, 0.2, 3.5), (3, 0.06, 5)))
        return struck * _envelope(time, 0.005, 0.5, 0.7, 0.12, seconds) * 0.34
    if instrument == "saw":
        shape = _envelope(time, 0.004, 0.18, 0.5, 0.08, seconds) * 0.10
        waves = [
            (tone * 2 ** (off / 12) * time + start) % 1 * 2 - 1
            for off, start in ((-0.08, 0.1), (0, 0.4), (0.09, 0.8))
        ]
        return low_pass(np.sum(waves, axis=0) * shape, 1200 + 3500 * brightness)
    body = np.sin(_TAU * tone * time) + 0.35 * np.sin(2 * _TAU * tone * time)
    bass: Sound = np.tanh(1.3 * body * _envelope(time, 0.006, 0.4, 0.65, 0.06, seconds)) * 0.30
    return bass.astype(np.float32)


def _envelope(
    time: Sound, attack: float, decay: float, sustain: float, release: float, held: float
) -> Sound:
    fall = sustain + (1 - sustain) * np.exp(-(time - attack) / decay)
    shape = np.where(time < attack, time / attack, fall)
    released: Sound = np.where(time > held, np.exp(-(time - held) / release), 1)
    return shape * released


def _sung(
    formants: tuple[tuple[float, float], ...], tone: float, time: Sound, seconds: float
) -> Sound:
    """A voice on one vowel: partials as loud as the mouth lets them through, with vibrato."""
    shake = 0.18 * np.clip(time - 0.25, 0, 1) * np.sin(_TAU * 5.3 * time)
    scoop = -0.7 * np.exp(-time / 0.05)
    phase = np.cumsum(_TAU * tone * 2 ** ((shake + scoop) / 12)) / RATE
    strengths = []
    for partial in range(1, max(2, min(26, int(4500 / tone)))):
        pitch = partial * tone
        passed = sum(
            strength / (1 + ((pitch - centre) / (0.14 * centre)) ** 2)
            for centre, strength in formants
        )
        strengths.append((passed + 0.03) / partial**0.6)
    wave = _harmonics(phase, strengths)
    return (wave * _envelope(time, 0.09, 1.5, 0.8, 0.10, seconds) * 0.30).astype(np.float32)


def _harmonics(phase: Sound, strengths: Sequence[float]) -> Sound:
    """Sum of ``strengths[n - 1] * sin(n * phase)``, from one sine and one cosine.

    sin((n + 1) x) = 2 cos(x) sin(n x) - sin((n - 1) x), which takes a third of the time of sines.
    """
    turn, before, sine = 2 * np.cos(phase), np.zeros(len(phase)), np.sin(phase)
    wave: Sound = np.zeros(len(phase))
    for strength in strengths:
        wave += strength * sine
        before, sine = sine, turn * sine - before
    return wave


def _partials(tone: float, time: Sound, parts: tuple[tuple[float, float, float], ...]) -> Sound:
    """Sum of sines: ratio to `tone`, strength, decay in 1/s."""
    waves = [
        strength * np.sin(_TAU * tone * ratio * time) * np.exp(-time * decay)
        for ratio, strength, decay in parts
    ]
    summed: Sound = np.sum(waves, axis=0)
    return summed.astype(np.float32)


def _bow(
    instrument: str,
    tone: float,
    time: Sound,
    seconds: float,
    rng: np.random.Generator,
    brightness: float,
) -> Sound:
    wave = np.zeros(len(time))
    for detune in (-0.06, 0.0, 0.05):
        phase = _TAU * tone * 2 ** (detune / 12) * time + rng.random() * 6.3
        phase = phase + 0.003 * tone / 100 * np.sin(_TAU * 5.1 * time)
        partials = range(1, 10 if instrument == "drone" else 7)
        wave += _harmonics(phase, [partial ** (brightness * 0.6 - 1.75) for partial in partials])
    attack = 0.35 if instrument == "pad" else 0.16
    return (wave * _envelope(time, attack, 2, 0.8, 0.45, seconds) * 0.10).astype(np.float32)


def _pluck(
    instrument: str, tone: float, time: Sound, seconds: float, rng: np.random.Generator
) -> Sound:
    """A string after Karplus and Strong, one period at a time."""
    period = max(2, int(RATE / tone))
    # The loop is a period and a half sample long; reading it a little faster sets the pitch right.
    ratio = (period + 0.5) * tone / RATE
    burst = rng.uniform(-1, 1, period)
    burst = np.convolve(np.r_[burst, burst], np.ones(3) / 3, "same")[:period]
    loss = 0.996 if instrument == "sitar" else 0.992
    loop = np.empty((int(len(time) * ratio) // period + 2, period))
    for row in range(len(loop)):
        loop[row] = burst
        burst = loss * 0.5 * (burst + np.roll(burst, 1))
    string: Sound = np.interp(np.arange(len(time)) * ratio, np.arange(loop.size), loop.ravel())
    if instrument == "sitar":
        string = np.tanh(string * 2.2) * 0.6
        string = string + 0.2 * np.sin(2 * _TAU * tone * time) * np.exp(-time * 3)
    damped: Sound = string * 0.42 * np.exp(-np.maximum(time - seconds, 0) * 9)
    return damped.astype(np.float32)


def stroke(drum: str, rng: np.random.Generator) -> Sound:
    """Half a second of one stroke: ``kick snare hat open clap tom na ge``."""
    time = np.arange(int(RATE * 0.5)) / RATE
    return _stroke(drum, time, rng.standard_normal(len(time))).astype(np.float32)


def _stroke(drum: str, time: Sound, hiss: Sound) -> Sound:
    if drum == "kick":
        sweep = 46 * time + 38 * (1 - np.exp(-time * 28)) / 28 * 2.2
        return _sine(sweep) * _fall(time, 8.5) * 0.85 + hiss * _fall(time, 260) * 0.12
    if drum == "snare":
        shell = _sine(188 * time) * _fall(time, 25) * 0.32
        return low_pass(hiss, 6500) * _fall(time, 17) * 0.30 + shell
    if drum in ("hat", "open"):
        return (hiss - low_pass(hiss, 6300)) * _fall(time, 60 if drum == "hat" else 12) * 0.14
    if drum == "clap":
        hands: Sound = np.sum([(time > at) * _fall(time - at, 55) for at in (0, 0.011, 0.023)], 0)
        return hands * low_pass(hiss, 3800) * 0.26
    if drum == "na":
        ring = _partials(312, time, ((1, 0.5, 12), (2.02, 0.3, 15), (3.01, 0.2, 20))) * 0.5
        return ring + hiss * _fall(time, 300) * 0.1
    low, glide, decay = (78, 22, 5.5) if drum == "tom" else (88, 26, 6.5)
    sweep = low * time + glide * (1 - np.exp(-time * 10)) / 10
    return _sine(sweep) * _fall(time, decay) * 0.72


def _sine(turns: Sound) -> Sound:
    wave: Sound = np.sin(_TAU * turns)
    return wave


def _fall(time: Sound, decay: float) -> Sound:
    fallen: Sound = np.exp(-time * decay)
    return fallen
