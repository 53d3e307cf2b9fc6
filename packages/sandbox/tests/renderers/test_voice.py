"""Speech in English and Hindi."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rivya_sandbox.renderers import voice
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest

LINE = "Meet the Aurora desk lamp. Warm light, made for you."


def heard(model: str, prompt: str, **params: Any) -> tuple[float, float]:
    """Seconds, and root mean square from 0 to 1."""
    (result,) = render(
        RenderRequest(model, "audio", prompt, {"output_format": "wav"} | params, seed=1)
    )
    with av.open(io.BytesIO(result.data), "r") as file:
        parts = [part.to_ndarray().ravel() for part in file.decode(audio=0)]
        samples = np.concatenate(parts).astype(float) / 32768
        return (file.duration or 0) / 1e6, float(np.sqrt((samples**2).mean()))


def spoken(text: str, **params: Any) -> tuple[float, float]:
    return heard("elevenlabs-turbo-2-5", text, **({"voice": "TX3LPaxmHKxFdv7VOQHJ"} | params))


@pytest.mark.parametrize("text", [LINE, "पेश है ऑरोरा लैंप। सुनहरी रोशनी, हर घर के लिए।"])
def test_speech_is_loud_enough_and_as_long_as_its_text(text: str) -> None:
    seconds, level = spoken(text)
    assert 2.5 < seconds < 8
    assert level > 0.05


def test_speed_changes_the_length() -> None:
    assert spoken(LINE, speed=0.8)[0] > 1.2 * spoken(LINE, speed="1.2")[0]


def test_voices_differ_and_each_is_repeatable() -> None:
    first, second = (voice.voice_named(name) for name in ("Adam", "Lily"))
    assert np.array_equal(voice.say(LINE, first, 1), voice.say(LINE, first, 1))
    assert voice.say(LINE, first, 1).shape != voice.say(LINE, second, 1).shape


@pytest.mark.parametrize("text", ["", "   ", "[laughs]", "😀"])
def test_a_text_without_words_is_a_short_silence(text: str) -> None:
    assert spoken(text)[0] == pytest.approx(0.3, abs=0.05)


def test_speech_leaves_nothing_in_the_home_of_the_user(tmp_path: Path) -> None:
    code = "from rivya_sandbox.renderers.voice import _engine; _engine()"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not [*tmp_path.rglob("*")]
