"""Sound effects by the words of a prompt, two channels at `sound.RATE`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np

from rivya_sandbox.renderers import foley
from rivya_sandbox.renderers.field import seeded_generator
from rivya_sandbox.renderers.foley import hiss
from rivya_sandbox.renderers.instruments import note
from rivya_sandbox.renderers.sound import RATE, Sound, both, in_room, master

Maker = Callable[[Sound, np.random.Generator], Sound]

_TAU = 2 * math.pi


def effect(prompt: str, seconds: float, seed: int, *, loop: bool = False) -> Sound:
    """An effect of shape ``(2, n)``; a chime if no word of the prompt is known.

    Args:
        prompt: Such as ``rain on a tin roof``.
        seconds: Length, at least 0.5.
        seed: Varies it.
        loop: True leaves the ends at full level and joins them without a click.
    """
    rng = seeded_generator("effect", prompt, seed)
    maker = maker_for(prompt)
    extra = 0.5 if loop else 0.0
    time = np.arange(int((seconds + extra) * RATE)) / RATE
    samples = in_room(maker(time, rng).astype(np.float32), rng, 1.2, 0.14)
    if not loop:
        return master(samples, 0.01, min(0.25, seconds * 0.1))
    overlap, length = int(extra * RATE), int(seconds * RATE)
    fade = np.linspace(0, 1, overlap, dtype=np.float32)
    joined = samples[:, :length].copy()
    joined[:, :overlap] = joined[:, :overlap] * fade + samples[:, length : length + overlap] * (
        1 - fade
    )
    return master(joined, 0.0, 0.0)


def _rain(time: Sound, rng: np.random.Generator) -> Sound:
    rain = hiss(time, rng, 500, 7000) * 0.25
    drop = time[:800]
    for _ in range(int(60 * len(time) / RATE)):
        at = int(rng.random() * max(1, len(time) - 900))
        ring = np.sin(_TAU * (900 + 1800 * rng.random()) * drop) * np.exp(-drop * 320)
        rain[int(rng.integers(2)), at : at + len(drop)] += ring * 0.5 * rng.random()
    return rain


def _waves(time: Sound, rng: np.random.Generator) -> Sound:
    swell: Sound = 0.5 + 0.5 * np.sin(_TAU * time / 5.2 - 1.5)
    return (
        hiss(time, rng, 0, 900) * (0.25 + swell**3) + hiss(time, rng, 2500, 14000) * swell**6 * 0.18
    )


def _wind(time: Sound, rng: np.random.Generator) -> Sound:
    gusts: Sound = np.interp(time, np.linspace(0, time[-1], 9), rng.random(9))
    return hiss(time, rng, 0, 420) * (0.3 + gusts)


def _whoosh(time: Sound, rng: np.random.Generator) -> Sound:
    length = float(time[-1])
    shape: Sound = np.exp(-(((time - length * 0.5) / (length * 0.16)) ** 2))
    across = np.clip(time / length, 0, 1) * math.pi / 2
    sides: Sound = np.stack([np.cos(across), np.sin(across)])
    return hiss(time, rng, 200, 2600) * shape * sides


def _impact(time: Sound, rng: np.random.Generator) -> Sound:
    sweep = 38 * time + 60 * (1 - np.exp(-time * 9)) / 9
    decay: Sound = np.exp(-time * 3.1)
    thump = both(np.sin(_TAU * sweep) * np.exp(-time * 2.2)) * 0.9
    return thump + hiss(time, rng, 0, 1100) * decay * 0.8


def _birds(time: Sound, rng: np.random.Generator) -> Sound:
    air = hiss(time, rng, 0, 500) * 0.03
    call = np.arange(7000) / RATE
    for _ in range(max(2, int(2.2 * len(time) / RATE))):
        at = int(rng.random() * max(1, len(time) - 9000))
        pitch, warble = 2300 + 2400 * rng.random(), 16 + 14 * rng.random()
        chirp = np.sin(_TAU * (pitch * call + 22 * np.sin(_TAU * warble * call)))
        chirp = chirp * np.exp(-(((call - 0.07) / 0.045) ** 2)) * 0.3
        pan, room = rng.random(), min(len(call), len(time) - at)
        air[0, at : at + room] += chirp[:room] * (1 - pan)
        air[1, at : at + room] += chirp[:room] * pan
    return air


def _click(time: Sound, rng: np.random.Generator) -> Sound:
    tick = np.sin(_TAU * 1900 * time) * np.exp(-time * 180)
    return both(tick + 0.4 * np.sin(_TAU * 700 * time) * np.exp(-time * 90))


def _engine(time: Sound, rng: np.random.Generator) -> Sound:
    turns = np.cumsum(60 + 50 * np.clip(time / time[-1], 0, 1)) / RATE
    tone = np.sum([np.sin(_TAU * part * turns) / part for part in range(1, 9)], axis=0)
    return both(tone * (0.7 + 0.3 * np.sin(math.pi * turns))) * 0.4 + hiss(time, rng, 0, 700) * 0.12


def _chime(time: Sound, rng: np.random.Generator) -> Sound:
    bells = np.zeros((2, len(time)))
    root = 72 + int(rng.integers(0, 6))
    for index, step in enumerate(rng.permutation([0, 4, 7, 12])[:3]):
        bell = note("bell", root + int(step), 0.3, rng, 0.6)
        at = int(index * 0.11 * RATE)
        room = min(len(bell), max(0, len(time) - at))
        bells[:, at : at + room] += bell[:room]
    return bells


# Whole words and their sounds; `maker_for` removes an ending ("raining"). Compounds are listed
# too: matching by prefix would make a season a sea.
_MAKERS: tuple[tuple[str, Maker], ...] = (
    ("rain storm monsoon rainfall raindrop rainstorm thunderstorm बारिश", _rain),
    ("wave ocean sea beach surf seashore", _waves),
    ("wind breeze windstorm", _wind),
    ("whoosh swoosh swish transition", _whoosh),
    ("explosion boom impact thunder firework blast", _impact),
    ("bird chirp forest jungle birdsong seagull", _birds),
    ("click tap button", _click),
    ("engine motor car traffic scooter motorbike motorcycle train", _engine),
    ("applause clap crowd cheer audience तालियाँ", foley.applause),
    ("fire crackle campfire fireplace bonfire", foley.fire),
    ("sizzle sizzling fry pan grill cooking", foley.sizzle),
    ("pour water coffee tea stream bubble drink", foley.pouring),
    ("footstep step walk run", foley.footsteps),
    ("heartbeat heart", foley.heartbeat),
    ("shutter camera photo snapshot", foley.shutter),
    ("glass shatter break", foley.shattering),
    ("cash till register coin money kaching ka-ching", foley.till),
    ("doorbell bell ding", foley.doorbell),
    ("keyboard typing type typewriter", foley.typing),
    ("phone telephone ringtone ring", foley.ringing),
    ("clock tick countdown", foley.ticking),
    ("cricket night insect", foley.crickets),
    ("pop cork champagne", foley.popping),
)
_MAKER_OF_WORD = {word: make for words, make in _MAKERS for word in words.split()}
_ENDING = re.compile(r"(?:ing|ed|es|s|y|er)$")


def maker_for(prompt: str) -> Maker:
    """The sound of the first known word of the prompt; a chime if there is none."""
    for word in re.findall(r"[\w\u0900-\u097f-]+", prompt.lower()):
        stem = _ENDING.sub("", word)
        single = stem[:-1] if stem[-1:] == stem[-2:-1] else stem  # clapping, clap
        for known in (word, word.removesuffix("s"), stem, f"{stem}e", single):
            if make := _MAKER_OF_WORD.get(known):
                return make
    return _chime
