"""Everyday sounds: steps, claps, fire, a pan, a till, a shutter.

Each is of shape ``(2, n)`` for the times of its samples in seconds, at `sound.RATE`.
"""

from __future__ import annotations

import math

import numpy as np

from rivya_sandbox.renderers.instruments import note
from rivya_sandbox.renderers.sound import RATE, Sound, both, low_pass

_TAU = 2 * math.pi


def hiss(time: Sound, rng: np.random.Generator, low: float, high: float) -> Sound:
    """Noise between two cutoffs in Hz, different in each ear; `low` 0 lets all bass through."""
    channels = []
    for _ in range(2):
        raw = rng.standard_normal(len(time))
        band = low_pass(raw, high, 1)
        channels.append(band - low_pass(raw, low, 1) if low else band)
    return np.stack(channels)


def applause(time: Sound, rng: np.random.Generator) -> Sound:
    """Many hands that start one after another and fade."""
    swell = np.clip(time / 0.5, 0, 1) * np.clip((time[-1] - time) / (0.35 * time[-1]), 0.15, 1)
    hands = [_scatter(time, rng, 30, _burst(rng, 0.012, 700, 3600)) for _ in range(4)]
    clapping: Sound = np.sum(hands, axis=0) * swell
    return clapping


def fire(time: Sound, rng: np.random.Generator) -> Sound:
    """Crackling wood over a low roar."""
    crackle = _scatter(time, rng, 9, _burst(rng, 0.003, 900, 7000), spread=2.2)
    embers = _scatter(time, rng, 35, _burst(rng, 0.0012, 2500, 12000), spread=1.5)
    burning: Sound = crackle + embers * 0.3 + hiss(time, rng, 60, 420) * 0.05
    return burning


def sizzle(time: Sound, rng: np.random.Generator) -> Sound:
    """Food in a hot pan."""
    spit = _scatter(time, rng, 60, _burst(rng, 0.002, 3000, 12000), spread=1.8)
    swell = 0.30 + 0.1 * np.sin(_TAU * 0.7 * time)
    frying: Sound = hiss(time, rng, 3000, 9000) * swell + spit * 0.5
    return frying


def pouring(time: Sound, rng: np.random.Generator) -> Sound:
    """A stream into a cup, whose pitch rises as the cup fills."""
    stream = hiss(time, rng, 300, 2600) * 0.05
    span = np.arange(int(0.05 * RATE)) / RATE
    for _ in range(int(45 * time[-1])):
        at = rng.random()
        pitch = 380 * (1 + 1.1 * at) * (0.8 + 0.5 * rng.random())
        bubble = np.sin(_TAU * pitch * (span + 3 * span**2)) * np.exp(-span * 90)
        _add(stream, bubble * (0.2 + 0.4 * rng.random()), at * time[-1], rng.random())
    return stream


def footsteps(time: Sound, rng: np.random.Generator) -> Sound:
    """A heel and a sole about twice a second, left and right."""
    steps = np.zeros((2, len(time)))
    span = np.arange(int(0.16 * RATE)) / RATE
    for index, start in enumerate(np.arange(0.12, time[-1], 0.54)):
        heel = np.sin(_TAU * 92 * span) * np.exp(-span * 38)
        knock = _burst(rng, 0.006, 250, 2400)
        heel[: len(knock)] += knock * 0.7
        side = 0.4 if index % 2 else 0.6
        _add(steps, heel * (0.85 + 0.3 * rng.random()), start + 0.01 * rng.random(), side)
        _add(steps, _burst(rng, 0.008, 500, 5000) * 0.25, start + 0.09, side)
    return steps


def heartbeat(time: Sound, rng: np.random.Generator) -> Sound:
    """Two low thuds for each beat, 66 beats in a minute."""
    beats = np.zeros((2, len(time)))
    span = np.arange(int(0.25 * RATE)) / RATE
    for start in np.arange(0.1, time[-1], 60 / 66):
        for late, pitch, strength in ((0.0, 62, 1.0), (0.27, 74, 0.7)):
            thud = np.sin(_TAU * pitch * span * (1 - span)) * np.exp(-span * 22)
            _add(beats, thud * strength, start + late, 0.5)
    return beats


def shutter(time: Sound, rng: np.random.Generator) -> Sound:
    """A camera: the mirror up, the curtain, the mirror down."""
    camera = np.zeros((2, len(time)))
    for start, length, strength in ((0.04, 0.004, 0.9), (0.075, 0.002, 0.5), (0.14, 0.006, 0.7)):
        _add(camera, _burst(rng, length, 900, 7000) * strength, start, 0.5)
    return camera


def shattering(time: Sound, rng: np.random.Generator) -> Sound:
    """Glass that breaks, and its splinters."""
    glass = np.zeros((2, len(time)))
    _add(glass, _burst(rng, 0.02, 1500, 12000), 0.05, 0.5)
    span = np.arange(int(0.5 * RATE)) / RATE
    for _ in range(42):
        late = 0.05 + 0.6 * rng.random() ** 2
        ping = np.sin(_TAU * (1800 + 7000 * rng.random()) * span)
        ping = ping * np.exp(-span * (14 + 40 * rng.random()))
        _add(glass, ping * 0.22 * rng.random(), late, rng.random())
    return glass


def till(time: Sound, rng: np.random.Generator) -> Sound:
    """A cash register: keys, the drawer, a bell."""
    drawer = np.zeros((2, len(time)))
    for start in (0.02, 0.11, 0.2):
        _add(drawer, _burst(rng, 0.006, 700, 5000) * 0.5, start, 0.45)
    _add(drawer, _burst(rng, 0.05, 200, 1800) * 0.4, 0.30, 0.5)
    for start, pitch in ((0.34, 91), (0.40, 96)):
        _add(drawer, note("bell", pitch, 0.5, rng, 0.9) * 0.6, start, 0.55)
    return drawer


def doorbell(time: Sound, rng: np.random.Generator) -> Sound:
    """Two notes, the second a third lower."""
    door = np.zeros((2, len(time)))
    for start, pitch in ((0.03, 76), (0.55, 72)):
        _add(door, note("bell", pitch, 0.7, rng, 0.5), start, 0.5)
    return door


def typing(time: Sound, rng: np.random.Generator) -> Sound:
    """Keys of a keyboard in uneven haste."""
    keys = np.zeros((2, len(time)))
    at = 0.05
    while at < time[-1]:
        _add(keys, _burst(rng, 0.004, 1200, 6000) * (0.5 + 0.5 * rng.random()), at, rng.random())
        at += 0.07 + 0.12 * rng.random() + (0.25 if rng.random() < 0.12 else 0)
    return keys


def ringing(time: Sound, rng: np.random.Generator) -> Sound:
    """A telephone: two tones in quick turn, one second on and one off."""
    turn = np.sin(_TAU * 18 * time) > 0
    tone = np.sin(_TAU * 1150 * time) * turn + np.sin(_TAU * 1420 * time) * ~turn
    return both(tone * (time % 2 < 1) * 0.5)


def ticking(time: Sound, rng: np.random.Generator) -> Sound:
    """A clock, two ticks in a second."""
    clock = np.zeros((2, len(time)))
    for index, start in enumerate(np.arange(0.05, time[-1], 0.5)):
        tick = _burst(rng, 0.003, *((1500, 6000), (900, 4000))[index % 2])
        _add(clock, tick * 0.8, start, 0.5)
    return clock


def crickets(time: Sound, rng: np.random.Generator) -> Sound:
    """A night: three crickets, each with a pitch and a pace of its own."""
    night = hiss(time, rng, 0, 300) * 0.02
    for _ in range(3):
        pitch, pace, side = 4000 + 900 * rng.random(), 1.2 + rng.random(), rng.random()
        trill = np.clip(np.sin(_TAU * 26 * time), 0, 1) * (np.sin(_TAU * pace * time) > 0.1)
        chirp = np.sin(_TAU * pitch * time) * trill * 0.3
        night += np.stack([chirp * (1 - side), chirp * side])
    return night


def popping(time: Sound, rng: np.random.Generator) -> Sound:
    """A cork."""
    pop = np.zeros((2, len(time)))
    span = np.arange(int(0.08 * RATE)) / RATE
    cork = np.sin(_TAU * (260 * span + 4200 * span**2)) * np.exp(-span * 60)
    _add(pop, cork, 0.04, 0.5)
    _add(pop, _burst(rng, 0.01, 600, 5000) * 0.5, 0.045, 0.5)
    return pop


def _burst(rng: np.random.Generator, seconds: float, low: float, high: float) -> Sound:
    """A short noise between two cutoffs in Hz that dies away with the time constant `seconds`."""
    span = np.arange(max(64, int(6 * seconds * RATE))) / RATE
    raw = rng.standard_normal(len(span))
    band = (low_pass(raw, high, 2) - low_pass(raw, low, 2)) * np.exp(-span / seconds)
    loud: Sound = band / max(float(np.abs(band).max()), 1e-6)
    return loud


def _add(samples: Sound, sound: Sound, start: float, side: float) -> None:
    """Mixes one channel into two from `start` seconds on; `side` 0 is left, 1 is right."""
    at = int(start * RATE)
    room = min(len(sound), samples.shape[1] - at)
    if room > 0:
        samples[0, at : at + room] += sound[:room] * math.cos(side * math.pi / 2)
        samples[1, at : at + room] += sound[:room] * math.sin(side * math.pi / 2)


def _scatter(
    time: Sound, rng: np.random.Generator, rate: float, sound: Sound, spread: float = 1.0
) -> Sound:
    """`sound` at random times, `rate` in a second; a larger `spread` makes few of them loud."""
    hits = np.zeros((2, len(time)))
    count = max(1, int(rate * len(time) / RATE))
    at = rng.integers(0, len(time), count)
    strength, side = rng.random(count) ** spread, rng.random(count)
    np.add.at(hits[0], at, strength * (1 - side))
    np.add.at(hits[1], at, strength * side)
    size = 1 << (len(time) + len(sound)).bit_length()
    spectrum = np.fft.rfft(hits, size) * np.fft.rfft(sound, size)
    return np.fft.irfft(spectrum, size)[:, : len(time)]
