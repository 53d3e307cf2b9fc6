"""The sound of a composition: what leads, what gives way, and how loud the whole is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import pytest

from rivya_client.errors import MediaError
from rivya_cut.composition import Composition, Sound
from rivya_cut.encoding import AUDIO_BIT_RATE
from rivya_cut.sound import RATE, Piece, samples
from rivya_cut.soundtrack import measure_loudness, soundtrack
from rivya_cut.speech import find_speech
from support.composed_media import film, heard, loudness, strength, tone
from support.sounds import distance, music, parts, rendered, voice, write

pytestmark = pytest.mark.slow

CHANCE = random.Random(2)
WORDS = ((0.5, 1.1), (1.3, 2.0), (4.0, 4.6))
SECONDS = 5.0  # of a narration with these words
SILENT = (2.7, 3.7)


Clips = dict[Path, list[Piece]]


def piece(
    path: Path, at: float, count: float, skip: float = 0, fade_in: float = 0, fade_out: float = 0
) -> Piece:
    """A part of a file; all in seconds."""
    at, count, skip, fade_in, fade_out = (
        round(one * RATE) for one in (at, count, skip, fade_in, fade_out)
    )
    return Piece(partial(samples, path), at, count, skip, 1.0, fade_in, fade_out)


def encoded(
    path: Path, composition: Composition, seconds: float, clips: Clips | None = None
) -> Path:
    """The soundtrack as AAC in an MP4, as a film has it."""
    planned = soundtrack(composition, clips or {}, seconds)
    assert planned is not None
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        stream.codec_context.bit_rate = AUDIO_BIT_RATE
        for frame in planned.frames():
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def under_and_over(
    composition: Composition, seconds: float, clips: Clips | None = None
) -> tuple[list[float], list[float]]:
    """The narration alone, and all else alone, at the gains of the mix."""
    planned = soundtrack(composition, clips or {}, seconds)
    assert planned is not None
    total = planned.samples
    return rendered(planned.buses[:1], total), rendered(planned.buses[1:], total)


def peaky(second: float) -> float:
    return CHANCE.uniform(-1, 1) * (1 if second % 0.5 < 0.01 else 0.02)


@pytest.mark.parametrize(
    ("sounds", "seconds", "goal"),
    [
        (lambda at: {"narration": voice(at / "v.wav", WORDS, SECONDS), "music": music(at / "m.wav", 3)}, 6, -16),
        (lambda at: {"narration": voice(at / "v.wav", WORDS, SECONDS, rate=8_000, layout="5.1")}, 5, -16),
        (lambda at: {"narration": tone(at / "v.wav", amplitude=0.005)}, 1, -16),
        (lambda at: {"narration": tone(at / "v.wav", amplitude=0.9)}, 1, -23),
        (lambda at: {"narration": tone(at / "v.wav", seconds=0.6)}, 3, -16),
        (lambda at: {"narration": tone(at / "v.wav", amplitude=0), "music": tone(at / "m.wav", seconds=5)}, 4, -16),
        (lambda at: {"music": tone(at / "m.wav", seconds=0.005)}, 3, -16),
        (lambda at: {"music": tone(at / "m.wav", seconds=0.3)}, 3, -16),
    ],
    ids=["voice and music", "8 kHz, 5.1", "quiet tone", "loud tone", "then silence", "silent voice",
         "music of a moment", "music of 0.3 s"],
)  # fmt: skip
def test_the_whole_has_its_loudness_and_keeps_its_peak_after_aac(
    sounds: Callable[[Path], dict[str, Path]], seconds: float, goal: float, tmp_path: Path
) -> None:
    path = encoded(tmp_path / "out.mp4", composed(sounds(tmp_path), goal), seconds)
    found = measure_loudness(path)
    assert found.lufs == pytest.approx(goal, abs=1)
    assert loudness(heard(path)) == pytest.approx(found.lufs, abs=0.5)
    assert found.true_peak <= -1


def composed(sounds: dict[str, Path], goal: float) -> Composition:
    found = Sound(role="music", repeat=True, media=sounds["music"]) if "music" in sounds else None
    return Composition(narration=sounds.get("narration"), music=found, loudness=goal)


@pytest.mark.parametrize(
    ("sound", "goal"), [(peaky, -14), (lambda at: 0.1 * math.sin(2_800 * at), -5)]
)
def test_a_peaky_or_loud_sound_is_not_clipped_after_aac(
    sound: Callable[[float], float], goal: float, tmp_path: Path
) -> None:
    made = Composition(narration=write(tmp_path / "v.wav", sound, 2), loudness=goal)
    assert measure_loudness(encoded(tmp_path / "out.mp4", made, 2)).true_peak <= -1


@pytest.mark.parametrize("seconds", [2.0, 8.0])
def test_music_lies_twelve_under_the_speech_and_at_its_level_elsewhere(
    seconds: float, tmp_path: Path
) -> None:
    narration = voice(tmp_path / "v.wav", WORDS, SECONDS)
    made = Composition(
        narration=narration,
        music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", seconds, level=0.9)),
    )
    over, under = under_and_over(made, 6)
    for interval in find_speech(narration):
        assert distance(over, under, [interval]) >= 12
    assert loudness(parts(under, [SILENT])) == pytest.approx(-20, abs=2)


def test_music_moves_once_for_a_passage_and_not_at_each_word(tmp_path: Path) -> None:
    made = Composition(
        narration=voice(tmp_path / "v.wav", WORDS, SECONDS),
        music=Sound(role="music", repeat=True, media=tone(tmp_path / "m.wav", seconds=7)),
    )
    _, under = under_and_over(made, 6)
    levels = [strength(parts(under, [(at, at + 0.1)]), 440) for at in (0.7, 1.15, 1.9)]
    assert max(levels) == pytest.approx(min(levels), rel=0.02)
    # No jump from one hundredth of a second to the next.
    steps = [strength(under[at : at + 480], 440) for at in range(0, 4 * RATE, 480)]
    assert all(abs(a - b) < 0.1 * max(steps) for a, b in pairwise(steps[30:]))


def test_music_that_shall_not_give_way_stays(tmp_path: Path) -> None:
    made = Composition(
        narration=voice(tmp_path / "v.wav", WORDS, SECONDS),
        music=Sound(
            role="music", repeat=True, media=tone(tmp_path / "m.wav", seconds=7), duck=False
        ),
    )
    _, under = under_and_over(made, 6)
    speaking, silent = (strength(parts(under, [(at, at + 0.5)]), 440) for at in (1.4, 3.0))
    assert speaking == pytest.approx(silent, rel=0.02)


def test_short_music_is_repeated_without_a_hole_and_fades_in_and_out(tmp_path: Path) -> None:
    made = Composition(
        music=Sound(role="music", repeat=True, media=tone(tmp_path / "m.wav", seconds=1.5))
    )
    wave = heard(encoded(tmp_path / "out.mp4", made, 5))
    levels = [max(map(abs, wave[at : at + 480])) for at in range(0, 5 * RATE, 480)]
    assert min(levels[100:350]) > 0.3 * max(levels)
    assert levels[0] < 0.3 * levels[200]
    assert levels[-1] < 0.1 * levels[200]


def test_a_very_short_film_has_sound(tmp_path: Path) -> None:
    made = Composition(
        narration=voice(tmp_path / "v.wav", WORDS, SECONDS),
        music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", 5)),
    )
    wave = heard(encoded(tmp_path / "out.mp4", made, 0.1))
    assert len(wave) == pytest.approx(4_800, abs=2_048)


def test_the_sound_of_a_clip_is_heard_in_its_place(tmp_path: Path) -> None:
    first = tone(tmp_path / "a.wav", seconds=3, pitch=440)
    second = tone(tmp_path / "b.wav", seconds=6, pitch=880, amplitude=0.02)
    made = encoded(
        tmp_path / "out.mp4",
        Composition(),
        4,
        {first: [piece(first, 0, 2.4, fade_out=0.4)], second: [piece(second, 2, 2, 1, 0.4)]},
    )
    wave = heard(made)
    early, late = parts(wave, [(0.5, 1.5)]), parts(wave, [(2.6, 3.6)])
    assert strength(early, 440) > 0.1 > 100 * strength(early, 880)
    assert strength(late, 880) > 0.05 > 100 * strength(late, 440)
    assert strength(parts(wave, [(2.15, 2.25)]), 440) > 0.02  # both during the transition


def test_a_clip_gives_way_to_the_narration_alone(tmp_path: Path) -> None:
    narration = voice(tmp_path / "v.wav", WORDS, SECONDS)
    clip = film(tmp_path / "a.mp4", seconds=6, sound=0.5)
    over, under = under_and_over(Composition(narration=narration), 6, {clip: [piece(clip, 0, 6)]})
    assert distance(over, under, find_speech(narration)) >= 12
    assert loudness(parts(under, [SILENT])) == pytest.approx(-16, abs=1.5)


def test_further_sounds_lie_under_the_first(tmp_path: Path) -> None:
    first = tone(tmp_path / "a.wav", seconds=2, amplitude=0.02)
    second = tone(tmp_path / "b.wav", seconds=2, amplitude=0.9, pitch=880)
    over, under = under_and_over(Composition(audio=(first, second)), 2)
    assert distance(over, under, [(0, 2)]) >= 12


def test_silence_alone_stays_silent(tmp_path: Path) -> None:
    made = Composition(narration=tone(tmp_path / "v.wav", seconds=2, amplitude=0))
    found = measure_loudness(encoded(tmp_path / "out.mp4", made, 2))
    assert found.lufs == -70
    assert math.isfinite(found.true_peak)


def test_without_any_sound_there_is_no_soundtrack() -> None:
    assert soundtrack(Composition(), {}, 3) is None


def test_music_without_sound_is_refused(tmp_path: Path) -> None:
    made = Composition(music=Sound(role="music", repeat=True, media=film(tmp_path / "a.mp4")))
    with pytest.raises(MediaError, match=r"a\.mp4: holds no sound"):
        soundtrack(made, {}, 3)


def test_a_plan_gives_the_same_samples_again_and_so_do_the_same_sounds(tmp_path: Path) -> None:
    narration = tone(tmp_path / "v.wav", seconds=1)
    made = Composition(
        narration=narration,
        music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", 1)),
    )
    first, second = soundtrack(made, {}, 2), soundtrack(made, {}, 2)
    assert first is not None
    assert second is not None
    waves = [
        b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in planned.frames())
        for planned in (first, first, second)
    ]
    assert waves[0] == waves[1] == waves[2]
    assert len(waves[0]) == 4 * first.samples


def test_music_of_a_moment_is_few_pieces_however_long_the_film(tmp_path: Path) -> None:
    source = write(tmp_path / "m.wav", lambda at: 0.1, 1 / RATE, rate=RATE)
    planned = soundtrack(Composition(music=Sound(role="music", repeat=True, media=source)), {}, 1.0)
    assert planned is not None
    pieces = [piece for bus in planned.buses for lane in bus.lanes for piece in lane()]
    assert len(pieces) < 20


def test_music_gives_way_to_clips_that_speak_as_to_a_narration(tmp_path: Path) -> None:
    clip = voice(tmp_path / "clip.wav", WORDS, SECONDS)
    speech = tuple((begin + 1, end + 1) for begin, end in find_speech(clip))
    made = Composition(
        music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", 8, level=0.9)),
        audio=(tone(tmp_path / "effect.wav", seconds=6),),
    )
    planned = soundtrack(made, {}, 7, {clip: [piece(clip, 1, SECONDS)]}, speech)
    assert planned is not None
    over, under = (
        rendered(buses, planned.samples) for buses in (planned.buses[:1], planned.buses[1:])
    )
    assert min(distance(over, under, [interval]) for interval in speech) >= 12
    bed = rendered(planned.buses[-1:], planned.samples)
    assert loudness(parts(bed, [(3.7, 4.7)])) == pytest.approx(-20, abs=2)
