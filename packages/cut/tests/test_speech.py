"""Where a narration speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_client.errors import MediaError
from rivya_cut.sound import samples
from rivya_cut.speech import find_speech, union
from support.composed_media import film, still, tone
from support.sounds import Words, voice

WORDS = ((0.5, 1.2), (1.6, 2.5), (3.5, 4.0))


def close(
    found: tuple[tuple[float, float], ...], expected: tuple[tuple[float, float], ...]
) -> bool:
    return len(found) == len(expected) and all(
        abs(a - b) < 0.06
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    ("words", "seconds", "options"),
    [
        (WORDS, 4.5, {"rate": 48_000}),
        (WORDS, 4.5, {"rate": 8_000, "noise": 0.0005}),
        (WORDS, 4.5, {"rate": 44_100, "layout": "stereo", "noise": 0.01}),
        (WORDS, 4.5, {"layout": "5.1"}),
        (((0.2, 0.9), (1.6, 1.9)), 2, {}),
        (((3.0, 3.4),), 20, {"rate": 8_000}),
    ],
    ids=["plain", "a quiet room", "a loud room", "six channels", "a pause", "long silence"],
)
def test_words_are_found(
    words: Words, seconds: float, options: dict[str, Any], tmp_path: Path
) -> None:
    assert close(
        find_speech(samples(voice(tmp_path / "v.wav", words, seconds, **options))), tuple(words)
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [(((0.2, 0.9), (1.0, 1.5)), ((0.2, 1.5),)), (((0.5, 0.505), (1.0, 2.0)), ((1.0, 2.0),))],
    ids=["a short gap is no pause", "a click is no speech"],
)
def test_what_is_very_short_is_left_out(words: Words, expected: Any, tmp_path: Path) -> None:
    assert close(find_speech(samples(voice(tmp_path / "v.wav", words, 2.5))), expected)


@pytest.mark.parametrize(
    ("seconds", "amplitude", "expected"),
    [(1, 0.2, ((0.0, 1.0),)), (1, 0.01, ((0.0, 1.0),)), (1, 0, ()), (0.02, 0.2, ())],
    ids=["no pauses", "quiet", "silence", "shorter than a syllable"],
)
def test_a_tone_speaks_all_the_time_and_silence_never(
    seconds: float, amplitude: float, expected: Any, tmp_path: Path
) -> None:
    assert (
        find_speech(samples(tone(tmp_path / "v.wav", seconds=seconds, amplitude=amplitude)))
        == expected
    )


def test_speech_during_other_speech_is_one_interval() -> None:
    assert union([((0, 9), (10, 11)), ((1, 2), (8, 9.5))]) == ((0, 9.5), (10, 11))


def test_what_has_no_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds no sound"):
        find_speech(samples(film(tmp_path / "a.mp4")))
    with pytest.raises(MediaError, match="not a film or a sound"):
        find_speech(samples(still(tmp_path / "a.png", (8, 8))))
