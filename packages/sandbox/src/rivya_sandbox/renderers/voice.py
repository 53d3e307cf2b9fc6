"""The packaged neural voice, varied to sound like several."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from rivya_sandbox.renderers import hindi, other_languages
from rivya_sandbox.renderers.english_numbers import readable
from rivya_sandbox.renderers.field import seeded_generator
from rivya_sandbox.renderers.sound import Sound, spoken_level, stretch

RATE = 24000  # samples in a second
_BREATH = 300  # characters
_PAUSE = 0.30  # seconds between sentences
_DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_STAGE_DIRECTION = re.compile(r"\[[^\]]{0,60}\]|<[^>]{0,80}>")
_WORTH_SAYING = re.compile(r"[^\W_]")
_OWN = ("", "en", "eng", "hi", "hin")  # codes of what the packaged voice speaks
_loading = threading.Lock()

# Pitch of the catalogue's voices over that of the packaged one; below 0.9 it sounds male.
_PITCHES = {
    "TX3LPaxmHKxFdv7VOQHJ": 0.84, "cgSgspJ2msm6clMCkdW9": 1.06, "pNInz6obpgDQGcFmaJgB": 0.78,
    "BIvP0GN1cAtSRTxNHnWS": 1.00, "aMSt68OGf4xUZAnLpTU8": 0.94,
    "Adam": 0.78, "Alice": 1.03, "Bill": 0.80, "Brian": 0.77, "Callum": 0.85, "Charlie": 0.87,
    "Chris": 0.84, "Daniel": 0.80, "Eric": 0.83, "George": 0.79, "Harry": 0.86, "Jessica": 1.08,
    "Laura": 1.05, "Liam": 0.84, "Lily": 1.09, "Matilda": 1.01, "River": 0.93, "Roger": 0.81,
    "Sarah": 1.04, "Will": 0.85,
}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """The voice of a speaker.

    Attributes:
        pitch: Times that of the packaged voice, 0.7 to 1.2.
        speed: 0.7 slow to 1.2 fast.
        steadiness: 1 reads every sentence at one pace; at 0 the pace varies by a tenth.
    """

    pitch: float
    speed: float = 1.0
    steadiness: float = 1.0


def voice_named(name: str, speed: float = 1.0, steadiness: float = 1.0) -> Voice:
    """The voice for an id or a name of the catalogue; any other name gets its own."""
    pitch = _PITCHES.get(name)
    if pitch is None:
        pitch = 0.80 + 0.28 * hashlib.sha256(name.encode()).digest()[0] / 255
    return Voice(pitch, min(max(speed, 0.5), 2.0), min(max(steadiness, 0.0), 1.0))


def say(text: str, voice: Voice, seed: int, language: str = "") -> Sound:
    """One channel of speech at `RATE`, at an even level; 0.3 s of silence for an empty text.

    Args:
        text: Latin letters are read as English, Devanagari as Hindi, any other script as the
            language that is most likely written with it. Stage directions in brackets are left
            out.
        voice: Of the speaker.
        seed: Varies the reading.
        language: Code of the language, such as ``hi`` or ``en-IN``; empty goes by the script.

    Raises:
        ValueError: Another language than English and Hindi is needed, and the extra ``voices``
            is not installed or has no voice for it.
    """
    text = _STAGE_DIRECTION.sub(" ", text).strip()
    code = language.strip().lower().replace("_", "-")
    base = code.partition("-")[0]
    foreign = code if base not in _OWN else other_languages.language_of(text)
    if foreign and _WORTH_SAYING.search(text):
        samples = other_languages.say(text, foreign, voice.pitch, voice.speed, RATE)
        return spoken_level(samples, RATE)
    spoken = _speak(text, voice, seed, in_hindi=base in ("hi", "hin"))
    return spoken_level(stretch(spoken, voice.pitch), RATE)


def _speak(text: str, voice: Voice, seed: int, *, in_hindi: bool) -> Sound:
    # Slower or faster before the pitch shift, so that the pace is right afterwards.
    pace = min(max(voice.speed / voice.pitch, 0.5), 2.0)
    engine = _engine()
    with _loading:  # the pronouncing dictionary keeps state
        if in_hindi or _DEVANAGARI.search(text):
            sentences = hindi.phonemes(text, lambda word: _english(engine, word))
        else:
            sentences = [
                line for piece in _pieces(readable(text)) for line in engine.phonemize(piece)
            ]
    parts: list[Sound] = []
    rng = seeded_generator("pace", text, seed)
    for sentence in sentences:
        sway = 1 + (1 - voice.steadiness) * float(rng.uniform(-0.1, 0.1))
        spoken = _without_silence(engine.from_phonemes(sentence, speed=pace * sway, seed=seed))
        parts += [spoken, np.zeros(int(_PAUSE * RATE), np.float32)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _without_silence(samples: Sound) -> Sound:
    """A sentence without the long silence at both ends."""
    loud = np.nonzero(np.abs(samples) > 0.008)[0]
    if not loud.size:
        return samples[:0]
    return samples[max(0, loud[0] - int(0.04 * RATE)) : loud[-1] + int(0.07 * RATE)]


def _pieces(text: str) -> list[str]:
    """The text; if it has no pause, cut at spaces."""
    if re.search(r"[.!?,;:\n]", text) or len(text) < _BREATH:
        return [text]
    return re.findall(rf".{{1,{_BREATH}}}(?:\s+|$)|\S{{{_BREATH}}}", text)


def _english(engine: Any, word: str) -> str:
    return " ".join(engine.phonemize(word)).rstrip(".")


def _engine() -> Any:
    with _loading:
        return _load()


@lru_cache(maxsize=1)
def _load() -> Any:
    # It runs on onnxruntime, which would write an id of this machine to ~/.cache and send events.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from hibari import Hibari  # takes half a second, so it is imported on first use

    # Other voices would be downloaded; this one is inside the package.
    return Hibari()
