"""Effects, music and speech: length, loudness, and what the words of a prompt decide."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from rivya_sandbox.renderers import effects, music, other_languages, voice
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.sound import LOUDNESS, RATE, Sound, loudness, master

pytestmark = pytest.mark.slow


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


def test_music_follows_the_words_of_its_prompt() -> None:
    assert music.style_for("calm morning piano", 1) == "calm"
    assert music.style_for("दिवाली का संगीत", 1) == "indian"


@pytest.mark.parametrize("style", music.STYLES)
def test_music_of_every_style_is_equally_loud_and_does_not_clip(style: str) -> None:
    samples = music.compose(style, 4.0, 1)
    measured = loudness_by_ffmpeg(samples)
    assert measured == pytest.approx(LOUDNESS, abs=1.0)
    assert loudness(samples) == pytest.approx(measured, abs=0.5)
    assert float(np.abs(samples).max()) < 0.95


def test_the_beat_has_the_requested_tempo() -> None:
    """How alike the onsets are to themselves a bar later, against a bar of other tempos."""
    bpm = 150
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


@pytest.mark.parametrize(("style", "key"), [("upbeat", "Am"), ("cinematic", "C")])
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


def test_a_musical_loop_lasts_whole_bars_and_joins_without_a_click() -> None:
    tempo = 90
    samples = music.compose("house", 6.0, 1, bpm=tempo, loop=True)
    bars = samples.shape[1] / RATE / (4 * 60 / tempo)
    assert bars == pytest.approx(round(bars), abs=0.001)
    step = float(np.abs(samples[:, 0] - samples[:, -1]).max())
    assert step <= 2 * float(np.abs(np.diff(samples, axis=1)).max())


def test_silence_stays_silence() -> None:
    assert loudness(np.zeros((2, RATE), np.float32)) == -70
    assert not master(np.zeros((2, RATE), np.float32), 0.0, 0.0).any()


LINE = "Meet the Aurora desk lamp. Warm light, made for you."


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


OTHER_LANGUAGES = [
    ("புதிய அரோரா விளக்கு", ""),
    ("Guten Tag", "de"),
    ("Aurora 極光", "en"),
    ("Olá, tudo bem?", "pt-BR"),
    ("Bonjour", "fr_CA"),
    ("नमस्कार, कसे आहात?", "mr"),
]


@pytest.mark.parametrize(("text", "language"), OTHER_LANGUAGES)
def test_without_the_extra_another_language_fails_clearly(
    text: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)  # as if it were not installed
    with pytest.raises(
        ValueError, match=r"the sandbox speaks English and Hindi.*pip install espeakng-loader"
    ):
        spoken(text, language_code=language)


@pytest.mark.parametrize(("text", "language"), OTHER_LANGUAGES[::2])
def test_with_the_extra_other_languages_are_spoken(text: str, language: str) -> None:
    pytest.importorskip("espeakng_loader")
    seconds, level = spoken(text, language_code=language)
    assert 0.4 < seconds < 4
    assert level > 0.05


def test_another_language_is_repeatable_and_has_voices_and_a_pace() -> None:
    pytest.importorskip("espeakng_loader")
    slow, fast, other = (
        voice.voice_named("Adam", 0.8), voice.voice_named("Adam", 1.2), voice.voice_named("Lily")
    )  # fmt: skip
    first, again, faster, another = (
        voice.say("Guten Tag, und willkommen im neuen Haus.", one, seed, "de")
        for one, seed in ((slow, 1), (slow, 2), (fast, 1), (other, 1))
    )
    assert np.array_equal(first, again)
    assert len(first) > 1.2 * len(faster)
    assert not np.array_equal(faster, another)


def test_a_language_without_a_voice_fails_clearly() -> None:
    pytest.importorskip("espeakng_loader")
    with pytest.raises(ValueError, match="language 'xx': there is no voice for it"):
        spoken("Hello", language_code="xx")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("புதிய விளக்கு", "ta"),
        ("آپ کیسے ہیں", "ur"),
        ("مرحبا بالعالم", "ar"),
        ("Привет, мир", "ru"),
        ("Привіт, їжак", "uk"),
        ("極光です", "ja"),
        ("你好世界", "cmn"),
        ("Hello, नमस्ते", None),
        ("5 μm and 3 Ω", None),
    ],
)
def test_the_script_decides_the_language(text: str, language: str | None) -> None:
    assert other_languages.language_of(text) == language


@pytest.mark.parametrize("text", ["5 µm, café, 3 Ω", "नमस्ते, Aurora!"])
def test_signs_and_accents_do_not_change_the_language(text: str) -> None:
    assert spoken(text)[0] > 0.8
