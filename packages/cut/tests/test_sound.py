"""How loud a composition is, and what lies under what."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from support.composed_media import RATE, compose, film, heard, loudness, seconds, strength, tone


@pytest.mark.parametrize("target", [-16.0, -23.0])
@pytest.mark.parametrize("amplitude", [0.005, 0.9])
def test_the_loudness_is_within_two_units_of_the_target(
    target: float, amplitude: float, tmp_path: Path
) -> None:
    voice = tone(tmp_path / "voice.wav", amplitude=amplitude)
    compose(tmp_path / "out.mp4", film(tmp_path / "a.mp4"), audio=(voice,), loudness=target)
    assert loudness(heard(tmp_path / "out.mp4")) == pytest.approx(target, abs=2)


def test_silence_behind_the_voice_does_not_raise_it(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", seconds=0.6)
    compose(tmp_path / "out.mp4", film(tmp_path / "a.mp4", seconds=3), audio=(voice,))
    wave = heard(tmp_path / "out.mp4")
    assert loudness(wave) == pytest.approx(-16, abs=2)
    assert max(map(abs, wave[RATE:])) < 0.01


def test_nothing_is_clipped_where_the_target_is_loud(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", amplitude=0.1)
    compose(tmp_path / "out.mp4", film(tmp_path / "a.mp4"), audio=(voice,), loudness=-5)
    assert max(map(abs, heard(tmp_path / "out.mp4"))) < 1.0


def test_a_silent_sound_stays_silent(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", amplitude=0)
    compose(tmp_path / "out.mp4", film(tmp_path / "a.mp4"), audio=(voice,))
    assert max(map(abs, heard(tmp_path / "out.mp4"))) < 0.001


def test_a_film_without_other_sound_keeps_its_own(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", seconds=1.0, sound=0.02)
    found = compose(tmp_path / "out.mp4", source)
    wave = heard(tmp_path / "out.mp4")
    assert seconds(found) == pytest.approx(1.0, abs=0.1)
    assert strength(wave, 220) > 0.1
    assert loudness(wave) == pytest.approx(-16, abs=2)


def test_a_silent_film_alone_stays_without_a_sound_track(tmp_path: Path) -> None:
    assert not compose(tmp_path / "out.mp4", film(tmp_path / "a.mp4")).has_audio


def test_the_own_sound_of_the_film_lies_under_the_voice(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", sound=0.9)
    voice = tone(tmp_path / "voice.wav", amplitude=0.05, pitch=880)
    compose(tmp_path / "out.mp4", source, audio=(voice,))
    wave = heard(tmp_path / "out.mp4")
    below = 20 * math.log10(strength(wave, 880) / strength(wave, 220))
    assert 8 < below < 16
    assert loudness(wave) == pytest.approx(-16, abs=2)


def test_music_lies_under_the_voice_and_does_not_lengthen_the_film(tmp_path: Path) -> None:
    voice = tone(tmp_path / "voice.wav", pitch=880)
    music = tone(tmp_path / "music.wav", seconds=3, amplitude=0.8)
    source = film(tmp_path / "a.mp4", seconds=1.5)
    found = compose(tmp_path / "out.mp4", source, audio=(voice, music))
    wave = heard(tmp_path / "out.mp4")
    assert seconds(found) == pytest.approx(1.5, abs=0.1)
    assert strength(wave[:RATE], 440) > 0.01
    assert strength(wave[:RATE], 880) > 2 * strength(wave[:RATE], 440)
    assert max(map(abs, wave[-480:])) < 0.01
