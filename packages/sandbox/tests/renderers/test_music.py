"""Music for a mood: loudness, tempo, key, loops."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any, cast

import av
import numpy as np
import pytest

from rivya_sandbox.renderers import music
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.sound import LOUDNESS, RATE, Sound, loudness


def heard(model: str, prompt: str, **params: Any) -> tuple[float, float]:
    """Seconds, and root mean square from 0 to 1."""
    (result,) = render(
        RenderRequest(model, "audio", prompt, {"output_format": "wav"} | params, seed=1)
    )
    with av.open(io.BytesIO(result.data), "r") as file:
        parts = [part.to_ndarray().ravel() for part in file.decode(audio=0)]
        samples = np.concatenate(parts).astype(float) / 32768
        return (file.duration or 0) / 1e6, float(np.sqrt((samples**2).mean()))


def test_music_follows_the_words_of_its_prompt() -> None:
    assert music.style_for("calm morning piano", 1) == "calm"
    assert music.style_for("दिवाली का संगीत", 1) == "indian"


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


@pytest.mark.parametrize("style", music.STYLES)
def test_music_of_every_style_is_equally_loud_and_does_not_clip(style: str) -> None:
    samples = music.compose(style, 4.0, 1)
    assert loudness_by_ffmpeg(samples) == pytest.approx(LOUDNESS, abs=1.0)
    assert loudness(samples) == pytest.approx(loudness_by_ffmpeg(samples), abs=0.5)
    assert float(np.abs(samples).max()) < 0.95


@pytest.mark.parametrize("bpm", [80, 150])
def test_the_beat_has_the_requested_tempo(bpm: int) -> None:
    """How alike the onsets are to themselves a bar later, against a bar of other tempos."""
    samples = music.compose("house club", 8.0, 1, bpm=bpm).mean(axis=0)
    hop = 512
    count = len(samples) // hop - 2
    windows = np.stack([samples[at * hop : at * hop + 1024] for at in range(count)])
    levels = np.log1p(1000 * np.abs(np.fft.rfft(windows * np.hanning(1024), axis=1)))
    onsets = np.maximum(np.diff(levels, axis=0), 0).sum(axis=1)
    onsets = np.convolve(onsets, np.hanning(5), "same")  # played a little early is still in time
    onsets -= onsets.mean()
    alike = np.correlate(onsets, onsets, "full")[len(onsets) - 1 :]

    def likeness(tempo: float) -> float:
        bar = 4 * 60 / tempo * RATE / hop
        return float(np.interp(bar, np.arange(len(alike)), alike) / alike[0])

    assert likeness(bpm) > 0.3
    assert max(likeness(bpm * off) for off in (0.95, 0.96, 1.04, 1.05)) < 0.1


@pytest.mark.parametrize(("style", "key"), [("upbeat", "Am"), ("cinematic", "C"), ("lofi", "C")])
def test_the_notes_are_on_the_scale_of_the_key(style: str, key: str) -> None:
    samples = music.compose(style, 5.0, 1, key=key).mean(axis=0)
    strength = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    pitch = np.fft.rfftfreq(len(samples), 1 / RATE)
    heard = (pitch > 60) & (pitch < 2000)
    tones = np.round(12 * np.log2(pitch[heard] / 440) + 9).astype(int) % 12  # 0 is C
    root = {"C": 0, "Am": 9}[key]
    steps = (0, 2, 3, 5, 7, 8, 10) if key.endswith("m") else (0, 2, 4, 5, 7, 9, 11)
    on_scale = np.isin(tones, [(root + step) % 12 for step in steps])
    assert strength[heard][on_scale].sum() > 0.7 * strength[heard].sum()


@pytest.mark.parametrize("tempo", [90, 120])
def test_a_musical_loop_lasts_whole_bars_and_joins_without_a_click(tempo: int) -> None:
    samples = music.compose("house", 6.0, 1, bpm=tempo, loop=True)
    bars = samples.shape[1] / RATE / (4 * 60 / tempo)
    assert bars == pytest.approx(round(bars), abs=0.001)
    step = float(np.abs(samples[:, 0] - samples[:, -1]).max())
    assert step <= 2 * float(np.abs(np.diff(samples, axis=1)).max())
