"""Sound effects by the words of a prompt."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any, cast

import av
import numpy as np
import pytest

from rivya_sandbox.renderers import effects
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.sound import LOUDNESS, RATE, Sound


def heard(model: str, prompt: str, **params: Any) -> tuple[float, float]:
    """Seconds, and root mean square from 0 to 1."""
    (result,) = render(
        RenderRequest(model, "audio", prompt, {"output_format": "wav"} | params, seed=1)
    )
    with av.open(io.BytesIO(result.data), "r") as file:
        parts = [part.to_ndarray().ravel() for part in file.decode(audio=0)]
        samples = np.concatenate(parts).astype(float) / 32768
        return (file.duration or 0) / 1e6, float(np.sqrt((samples**2).mean()))


def loudness_by_ffmpeg(samples: Sound) -> float:
    """LUFS of two channels, as the filter `ebur128` of FFmpeg has it after the last block."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo")
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    heard = "nan"
    for start in range(0, samples.shape[1], RATE // 10):
        piece = np.ascontiguousarray(samples[:, start : start + RATE // 10], np.float32)
        part = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
        part.sample_rate, part.pts = RATE, start
        graph.push(part)
        with suppress(BlockingIOError):
            while True:
                heard = cast(av.AudioFrame, graph.pull()).metadata.get("lavfi.r128.I", heard)
    return float(heard)


@pytest.mark.parametrize(
    ("prompt", "maker"),
    [
        ("A train passes", "_engine"),
        ("Raining on a tin roof", "_rain"),
        ("Window closing, then rain", "_rain"),
        ("Season of waves", "_waves"),
        ("Distant thunderstorm at night", "_rain"),
        ("A rainstorm", "_rain"),
        ("Rainfall on a roof", "_rain"),
        ("Raindrops", "_rain"),
        ("Seashore at dawn", "_waves"),
        ("Seagulls", "_birds"),
        ("Birdsong", "_birds"),
        ("A windstorm at night", "_wind"),
        ("Motorcycle passing", "_engine"),
        ("Sizzling pan in a kitchen", "sizzle"),
        ("Crackling fire at night", "fire"),
        ("Clapping audience", "applause"),
        ("Ka-ching! cash register", "till"),
        ("searching", "_chime"),
    ],
)
def test_the_first_known_word_decides_the_effect(prompt: str, maker: str) -> None:
    assert effects.maker_for(prompt).__name__ == maker


@pytest.mark.parametrize("word", ["shutter", "till", "doorbell", "shatter", "cork", "heartbeat"])
def test_a_short_effect_is_heard_and_does_not_clip(word: str) -> None:
    samples = effects.effect(word, 2.0, 1)
    assert 0.1 < float(np.abs(samples).max()) < 0.95
    assert np.array_equal(samples, effects.effect(word, 2.0, 1))


@pytest.mark.parametrize(
    "prompt",
    [
        *("rain", "ocean waves", "wind", "whoosh", "birds", "explosion"),
        *("applause", "fire", "sizzle", "pouring", "footsteps", "phone", "crickets"),
    ],
)
def test_every_effect_is_as_loud_as_music(prompt: str) -> None:
    samples = effects.effect(prompt, 2.0, 1)
    assert loudness_by_ffmpeg(samples) == pytest.approx(LOUDNESS, abs=1.5)
    assert float(np.abs(samples).max()) < 0.95
