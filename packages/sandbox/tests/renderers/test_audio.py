"""Speech in English and Hindi, dialogue, effects and music."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest

from rivya_sandbox.renderers import music
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest


def heard(model: str, prompt: str, **params: Any) -> tuple[float, float]:
    """Seconds, and root mean square from 0 to 1."""
    (result,) = render(
        RenderRequest(model, "audio", prompt, {"output_format": "wav"} | params, seed=1)
    )
    with av.open(io.BytesIO(result.data), "r") as file:
        parts = [part.to_ndarray().ravel() for part in file.decode(audio=0)]
        samples = np.concatenate(parts).astype(float) / 32768
        return (file.duration or 0) / 1e6, float(np.sqrt((samples**2).mean()))


def test_a_dialogue_is_spoken_turn_by_turn() -> None:
    turn = {"voice": "Lily", "text": "Yes, today only! [laughs]"}
    one = heard("elevenlabs-dialogue-v3", "", dialogue=[turn])[0]
    three = heard("elevenlabs-dialogue-v3", "", dialogue=[turn] * 3)[0]
    assert three == pytest.approx(3 * one + 0.64, abs=0.2)


@pytest.mark.parametrize(
    ("prompt", "params", "seconds"),
    [
        ("rain on a roof", {"duration_seconds": 2.5}, 2.5),
        ("ocean waves", {"duration_seconds": "1", "loop": "true"}, 1.0),
        ("something unknown", {}, 3.0),
    ],
)
def test_an_effect_has_the_requested_duration(
    prompt: str, params: dict[str, Any], seconds: float
) -> None:
    length, level = heard("elevenlabs-sound-effect-v2", prompt, **params)
    assert length == pytest.approx(seconds, abs=0.03)
    assert level > 0.02


def test_music_fills_its_length_and_is_repeatable() -> None:
    first, second = (music.compose("festive bhangra", 2.0, 5, bpm=120, key="Dm") for _ in "ab")
    assert np.array_equal(first, second)
    assert first.shape == (2, 88200)
    assert 0.05 < float(np.abs(first).max()) < 1
