"""A bed of music for a mood: chords, bass, a figure, drums."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np

from rivya_sandbox.renderers.field import seeded_generator
from rivya_sandbox.renderers.instruments import note, stroke
from rivya_sandbox.renderers.sound import RATE, Sound, in_room, master


@dataclass(frozen=True)
class Style:
    """The style of a mood.

    Attributes:
        bpm: Beats in a minute.
        scale: Semitones of its seven steps.
        progressions: Chords by bar, in Roman numerals; ``b`` before one lowers it, 7 adds one.
        drums: Key of `_PATTERNS`.
        lead: Instrument of the figure.
        brightness: 0 to 1.
        words: Prompt words that select it.
    """

    bpm: int
    scale: tuple[int, ...]
    progressions: tuple[str, ...]
    drums: str
    lead: str
    brightness: float
    words: frozenset[str]


_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_DORIAN, _MIXOLYDIAN, _BHAIRAV = (
    (0, 2, 3, 5, 7, 9, 10),
    (0, 2, 4, 5, 7, 9, 10),
    (0, 1, 4, 5, 7, 8, 11),
)


def _style(
    bpm: int, scale: tuple[int, ...], chords: str, drums: str, lead: str, bright: float, words: str
) -> Style:
    return Style(
        bpm, scale, tuple(chords.split("|")), drums, lead, bright, frozenset(words.split())
    )


STYLES = {
    "upbeat": _style(116, _MAJOR, "I V vi IV|I IV vi V|IV I V vi", "pop", "pluck", 0.8,
                     "upbeat happy fun energetic pop summer kids bright cheerful lively"),
    "calm": _style(72, _MAJOR, "I iii IV I|I vi IV V|IV I IV V", "none", "bell", 0.4,
                   "calm ambient relax spa sleep peaceful soft gentle piano morning quiet slow warm"),
    "cinematic": _style(84, _MINOR, "i VI III VII|i iv VI V|i VII VI VII", "epic", "strings", 0.55,
                        "cinematic epic trailer orchestral dramatic heroic film"),
    "corporate": _style(104, _MAJOR, "I V vi IV|vi IV I V", "soft", "pluck", 0.7,
                        "corporate business inspiring technology product brand commercial ad"),
    "lofi": _style(78, _DORIAN, "i7 IV7 i7 VII|VI7 VII i7 i7|iv7 VII III7 VI7", "lofi", "keys", 0.35,
                   "lofi lo-fi chill study cafe coffee jazz evening cosy cozy"),
    "electronic": _style(124, _MINOR, "i VI VII v|i i VI VII", "house", "saw", 0.9,
                         "electronic edm techno house synth dance club future neon"),
    "dark": _style(70, _MINOR, "i bII i v|i VI iv i", "none", "drone", 0.3,
                   "dark horror tense suspense thriller ominous noir"),
    "festive": _style(128, _MIXOLYDIAN, "I VII IV I|I IV VII I", "dhol", "pluck", 0.85,
                      "festive festival party celebration wedding holi bhangra उत्सव त्योहार"),
    "indian": _style(96, _BHAIRAV, "I I bII I|I iv I bII", "tabla", "sitar", 0.7,
                     "indian raga sitar tabla bollywood diwali hindi classical दिवाली दीपावली"),
}  # fmt: skip
_DEFAULT_STYLES = ("corporate", "calm", "upbeat", "lofi")
_DEGREES = {"i": 0, "ii": 1, "iii": 2, "iv": 3, "v": 4, "vi": 5, "vii": 6}
_KEYS = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]

# One bar of sixteen steps for each drum.
_PATTERNS: dict[str, dict[str, str]] = {
    "none": {},
    "pop": {"kick": "x...x...x.x.x...", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.xx"},
    "house": {"kick": "x...x...x...x...", "clap": "....x.......x...", "open": "..x...x...x...x.",
              "hat": "xxxxxxxxxxxxxxxx"},
    "lofi": {"kick": "x.....x...x.....", "snare": "....x.......x..x", "hat": "x.x.x.x.x.x.x.x."},
    "soft": {"kick": "x.......x.......", "hat": "....x.......x..."},
    "epic": {"tom": "x..x..x.x...x.x.", "kick": "x.......x......."},
    "dhol": {"ge": "x..x..x.x..x..x.", "na": "..x..xx...x..xxx", "clap": "....x.......x..."},
    "tabla": {"ge": "x.....x...x.....", "na": "..x.xx.x..x.xx.x"},
}  # fmt: skip


def style_for(prompt: str, seed: int) -> str:
    """Key of the style with most words in the prompt; chosen by the seed if there are none."""
    words = set(re.findall(r"[\w\u0900-\u097f-]+", prompt.lower()))
    scores = {name: len(words & style.words) for name, style in STYLES.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] else _DEFAULT_STYLES[seed % len(_DEFAULT_STYLES)]


def compose(
    prompt: str,
    seconds: float,
    seed: int,
    *,
    bpm: float | None = None,
    key: str | None = None,
    sung: bool = False,
    loop: bool = False,
) -> Sound:
    """Music of shape ``(2, n)`` at `sound.RATE`.

    Args:
        prompt: Words for mood and place; ``90 bpm`` in it sets the pace.
        seconds: Length, at least 1.
        seed: Chooses key, chords and figure.
        bpm: Beats in a minute, before what the prompt says; None leaves it to the style.
        key: Such as ``C#m``; None leaves it to the seed.
        sung: True adds a voice that sings vowels; it has no words.
        loop: True lasts whole bars, as near to `seconds` as possible, and wraps the decay of the
            end into the start.
    """
    rng = seeded_generator("music", prompt, seed)
    style = STYLES[style_for(prompt, seed)]
    root = 45 + int(rng.integers(0, 8))
    if key and key.removesuffix("m") in _KEYS:
        root = 41 + (_KEYS.index(key.removesuffix("m")) - 5) % 12
        style = replace(style, scale=_scale_for(style.scale, minor=key.endswith("m")))
    named = re.search(r"(\d{2,3})\s*bpm", prompt.lower())
    pace = bpm or (float(named[1]) if named else style.bpm + int(rng.integers(-5, 6)))
    beat = 60 / min(max(pace, 40), 240)
    if loop:
        seconds = max(1, round(seconds / (4 * beat))) * 4 * beat
    player = _Player(style, root, beat, seconds, rng)
    player.sung = sung
    spacious = style.drums in ("none", "epic")
    mixed = in_room(player.play(), rng, 2.4 if spacious else 1.3, 0.34 if spacious else 0.18)
    length = int(seconds * RATE)
    if not loop:
        return master(mixed[:, :length], 0.25, min(1.6, seconds * 0.2))
    joined, rest = mixed[:, :length].copy(), mixed[:, length:]
    joined[:, : rest.shape[1]] += rest[:, :length]
    return master(joined, 0.0, 0.0)


def _scale_for(scale: tuple[int, ...], *, minor: bool) -> tuple[int, ...]:
    """The scale itself where its third fits the key, else the plain one of the key."""
    if (scale[2] == 3) == minor:
        return scale
    return _MINOR if minor else _MAJOR


class _Player:
    """Plays a piece bar by bar into two channels."""

    def __init__(
        self, style: Style, root: int, beat: float, seconds: float, rng: np.random.Generator
    ) -> None:
        self.style, self.root, self.beat, self.rng = style, root, beat, rng
        self.sung = False
        self.bars = max(1, math.ceil(seconds / (4 * beat) - 1e-6))
        self.mix = np.zeros((2, int((seconds + 1.5) * RATE)), np.float32)
        self.chords = style.progressions[int(rng.integers(len(style.progressions)))].split()
        self.motif = [int(step) for step in rng.integers(0, 5, 8)]
        self.gate = rng.random(8) < 0.72
        self.arpeggio = rng.permutation([0, 2, 4, 7, 4, 2, 9, 7])
        self.drums = {drum: stroke(drum, rng) for drum in _PATTERNS[style.drums]}
        self.notes: dict[tuple[str, int, float], Sound] = {}

    def play(self) -> Sound:
        for bar in range(self.bars):
            through = bar / max(1, self.bars - 1)
            full = 0.25 < through < 0.9 or self.bars < 4
            degree, tones = self._chord(bar)
            self._harmony(bar, tones)
            self._figure(bar, degree, full)
            if full or bar % 2 == 0:
                self._beat(bar)
            if self.sung and bar:
                self._voice(bar, tones)
        return self.mix

    def _step(self, degree: int, octave: int = 0) -> int:
        return self.root + self.style.scale[degree % 7] + 12 * (degree // 7 + octave)

    def _chord(self, bar: int) -> tuple[int, list[int]]:
        name = self.chords[bar % len(self.chords)]
        degree = _DEGREES[name.lstrip("b").rstrip("7").lower()]
        tones = [self._step(degree + third) for third in (0, 2, 4, 6)[: 4 if "7" in name else 3]]
        if name.startswith("b"):
            tones[0] -= 1
        return degree, tones

    def _add(
        self, instrument: str, pitch: int, beats: float, at: float, pan: float, gain: float
    ) -> None:
        key = instrument, pitch, round(beats, 3)
        if key not in self.notes:
            self.notes[key] = note(
                instrument, pitch, beats * self.beat, self.rng, self.style.brightness
            )
        self._lay(self.notes[key], at, pan, gain)

    def _lay(self, samples: Sound, at: float, pan: float, gain: float) -> None:
        """Adds samples `at` beats from the start; `pan` is -1 left to 1 right."""
        start = int(at * self.beat * RATE)
        if start >= self.mix.shape[1]:
            return
        samples = samples[: self.mix.shape[1] - start] * np.float32(gain)
        angle = (pan + 1) * math.pi / 4
        self.mix[0, start : start + len(samples)] += samples * np.float32(math.cos(angle))
        self.mix[1, start : start + len(samples)] += samples * np.float32(math.sin(angle))

    def _harmony(self, bar: int, tones: list[int]) -> None:
        under = "strings" if self.style.lead == "strings" else "pad"
        droning = self.style.lead == "drone"
        for index, tone in enumerate(tones):
            self._add(
                under,
                tone + 12,
                3.9,
                bar * 4,
                (-0.5, 0.1, 0.5, 0.3)[index],
                0.5 if droning else 0.8,
            )
        if droning:
            self._add("drone", self.root - 12, 4, bar * 4, 0, 1.0)
        if self.style.drums == "none":
            return
        steps = (0, 1.5, 2, 3.5) if self.style.drums in ("pop", "house", "dhol") else (0, 2.5)
        low = tones[0] - (12 if tones[0] > 48 else 0)
        for step in steps:
            self._add("bass", low, 0.8, bar * 4 + step, 0, 0.9)

    def _figure(self, bar: int, degree: int, full: bool) -> None:
        lead = self.style.lead
        if lead == "strings":
            for step in range(4):
                pitch = self._step(degree + self.motif[(step + bar) % 8], 1)
                self._add(lead, pitch, 1, bar * 4 + step, 0.3 * (-1) ** step, 0.55)
        if lead in ("strings", "drone"):
            return
        for step in range(8):
            if not (self.gate[step] or step == 0) or (step % 2 and not full):
                continue
            broken = lead in ("pluck", "saw") and bar % 2 == 0
            offset = int(self.arpeggio[step]) if broken else self.motif[(step + bar) % 8]
            swing = 0.03 if self.style.drums == "lofi" and step % 2 else 0.0
            pitch = self._step(degree + offset, 1 if lead == "sitar" else 2)
            pan, gain = 0.55 * math.sin(step * 1.7 + bar), 0.55 + 0.25 * (step % 4 == 0)
            self._add(lead, pitch, 0.5, bar * 4 + step / 2 + swing, pan, gain)

    def _voice(self, bar: int, tones: list[int]) -> None:
        """A long vowel and a shorter one that answers, on notes of the chord."""
        for index, (at, beats) in enumerate(((0.0, 2.3), (2.5, 1.2))):
            pitch = tones[self.motif[(bar + index) % 8] % 3]
            pitch += 12 * math.ceil((57 - pitch) / 12)
            vowel = ("vowel a", "vowel o")[(bar + index) % 2]
            self._add(vowel, pitch, beats, bar * 4 + at, -0.1, 1.0)

    def _beat(self, bar: int) -> None:
        pans = {"hat": 0.3, "open": -0.25, "na": 0.2, "clap": -0.1}
        for drum, pattern in _PATTERNS[self.style.drums].items():
            for step, mark in enumerate(pattern):
                if mark == "x":
                    gain = 0.9 if step % 4 == 0 else 0.62
                    self._lay(self.drums[drum], bar * 4 + step / 4, pans.get(drum, 0), gain)
