"""Where a narration speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_client.errors import MediaError
from rivya_cut.speech import spoken
from support.composed_media import film, still, tone
from support.sounds import voice

WORDS = ((0.5, 1.2), (1.6, 2.5), (3.5, 4.0))


def close(
    found: tuple[tuple[float, float], ...], expected: tuple[tuple[float, float], ...]
) -> bool:
    return len(found) == len(expected) and all(
        abs(a - b) < 0.06
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("noise", [0.0, 0.0005, 0.01])
@pytest.mark.parametrize(
    ("rate", "layout"), [(48_000, "mono"), (8_000, "mono"), (44_100, "stereo")]
)
def test_words_are_found_over_the_noise_of_a_room(
    noise: float, rate: int, layout: str, tmp_path: Path
) -> None:
    path = voice(tmp_path / "v.wav", WORDS, 4.5, noise=noise, rate=rate, layout=layout)
    assert close(spoken(path), WORDS)


def test_a_quiet_narration_is_found_too(tmp_path: Path) -> None:
    assert spoken(tone(tmp_path / "v.wav", seconds=1, amplitude=0.01)) == ((0.0, 1.0),)


def test_words_in_six_channels_are_found(tmp_path: Path) -> None:
    path = voice(tmp_path / "v.wav", WORDS, 4.5, layout="5.1")
    assert close(spoken(path), WORDS)


def test_a_short_gap_between_words_is_no_pause(tmp_path: Path) -> None:
    path = voice(tmp_path / "v.wav", ((0.2, 0.9), (1.0, 1.5)), 2)
    assert close(spoken(path), ((0.2, 1.5),))


def test_a_click_is_no_speech(tmp_path: Path) -> None:
    path = voice(tmp_path / "v.wav", ((0.5, 0.505), (1.0, 2.0)), 2.5)
    assert close(spoken(path), ((1.0, 2.0),))


def test_one_sentence_in_a_long_silence_is_found(tmp_path: Path) -> None:
    path = voice(tmp_path / "v.wav", ((3.0, 3.4),), 20, rate=8_000)
    assert close(spoken(path), ((3.0, 3.4),))


def test_a_sound_without_pauses_speaks_all_the_time(tmp_path: Path) -> None:
    assert spoken(tone(tmp_path / "v.wav", seconds=1)) == ((0.0, 1.0),)


def test_silence_does_not_speak(tmp_path: Path) -> None:
    assert spoken(tone(tmp_path / "v.wav", amplitude=0)) == ()


def test_a_sound_shorter_than_a_syllable_does_not_speak(tmp_path: Path) -> None:
    assert spoken(tone(tmp_path / "v.wav", seconds=0.02)) == ()


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds no sound"):
        spoken(film(tmp_path / "a.mp4"))


def test_a_still_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="not a film or a sound"):
        spoken(still(tmp_path / "a.png", (8, 8)))
