"""Speech in other languages, with and without the extra `voices`."""

from __future__ import annotations

import io
import sys
from typing import Any

import av
import numpy as np
import pytest

from rivya_sandbox.renderers import other_languages, voice
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


def spoken(text: str, **params: Any) -> tuple[float, float]:
    return heard("elevenlabs-turbo-2-5", text, **({"voice": "TX3LPaxmHKxFdv7VOQHJ"} | params))


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


@pytest.mark.parametrize(("text", "language"), OTHER_LANGUAGES)
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
    text = "Guten Tag, und willkommen im neuen Haus."
    assert np.array_equal(voice.say(text, slow, 1, "de"), voice.say(text, slow, 2, "de"))
    assert len(voice.say(text, slow, 1, "de")) > 1.2 * len(voice.say(text, fast, 1, "de"))
    assert not np.array_equal(voice.say(text, fast, 1, "de"), voice.say(text, other, 1, "de"))


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
