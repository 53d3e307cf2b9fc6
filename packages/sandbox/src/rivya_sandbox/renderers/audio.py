"""Speech, dialogue, effects and music for a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rivya_sandbox.renderers import effects, frame, music, voice
from rivya_sandbox.renderers.encode import encode_sound
from rivya_sandbox.renderers.request import Rendered, RenderRequest
from rivya_sandbox.renderers.sound import RATE, Sound

_SONG = 24.0  # seconds; real songs are longer, which would add nothing to a rehearsal
_SOUND = 6.0  # seconds of a sound without a requested length
_TURN = 0.32  # seconds between two speakers


def render_audio(request: RenderRequest) -> list[Rendered]:
    """One sound file: an effect or music for models named after them, speech for all others."""
    kind = frame.sound_format(request)
    if "sound" in request.model:
        return [encode_sound(_effect(request), RATE, kind)]
    if "music" in request.model:
        sung = not frame.truth(request.params.get("instrumental"))
        composed = music.compose(request.prompt, _SONG, request.seed, sung=sung)
        return [encode_sound(composed, RATE, kind)]
    return [encode_sound(_speech(request)[None, :], voice.RATE, kind)]


def sound_bed(prompt: str, seconds: float, seed: int) -> Sound:
    """Quiet music under a film, of shape ``(2, n)`` at `sound.RATE`."""
    return music.compose(prompt, seconds, seed) * np.float32(0.7)


def _effect(request: RenderRequest) -> Sound:
    params = request.params
    loop = frame.truth(params.get("loop")) or frame.truth(params.get("soundLoop"))
    tempo, key = frame.number(params.get("soundTempo")), str(params.get("soundKey") or "Any")
    if tempo or key != "Any":
        # A sound with a beat or a key is a musical one.
        return music.compose(request.prompt, _SOUND, request.seed, bpm=tempo, key=key, loop=loop)
    return effects.effect(
        request.prompt, frame.sound_seconds(request, 3.0), request.seed, loop=loop
    )


def _speech(request: RenderRequest) -> Sound:
    params = request.params
    speed = frame.number(params.get("speed")) or 1.0
    asked = frame.number(params.get("stability"))
    steady = 0.5 if asked is None else asked
    language = str(params.get("language_code") or "")
    turns = params.get("dialogue")
    if not isinstance(turns, list):
        reader = voice.voice_named(str(params.get("voice") or ""), speed, steady)
        return voice.say(request.prompt, reader, request.seed, language)
    default = str(params.get("default_voice") or "Adam")
    pause = np.zeros(int(_TURN * voice.RATE), np.float32)
    parts: list[Sound] = []
    for turn in turns:
        name, text = _turn(turn, default)
        reader = voice.voice_named(name, speed, steady)
        parts += [voice.say(text, reader, request.seed, language), pause]
    return np.concatenate(parts[:-1]) if parts else pause


def _turn(turn: Any, default: str) -> tuple[str, str]:
    if isinstance(turn, Mapping):
        return str(turn.get("voice") or default), str(turn.get("text") or "")
    return default, str(turn)
