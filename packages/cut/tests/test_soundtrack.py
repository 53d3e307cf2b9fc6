"""The sound of a composition: what leads, what gives way, and how loud the whole is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from rivya_client.errors import MediaError
from rivya_cut.composition import Clip, Composition, Sound
from rivya_cut.encoding import write_sound
from rivya_cut.placing import PlacedSound, heard_seconds, place, sounds_of
from rivya_cut.reading import probe
from rivya_cut.rendering.timeline import ClipMedium, arrange
from rivya_cut.sound import RATE, samples
from rivya_cut.soundtrack import Soundtrack, measure_loudness, soundtrack
from rivya_cut.speech import Intervals, find_speech
from support.composed_media import heard, loudness, strength, tone
from support.sounds import distance, music, parts, rendered, voice, write

pytestmark = pytest.mark.slow

CHANCE = random.Random(2)
WORDS = ((0.5, 1.1), (1.3, 2.0), (4.0, 4.6))
SECONDS = 5.0  # of a narration with these words
SILENT = (2.7, 3.7)


def placed(composition: Composition, seconds: float) -> tuple[PlacedSound, ...]:
    """The sounds of a film of this length; its pictures are not read."""
    clips = composition.clips or (Clip(media=Path("a.png"), seconds=seconds),)
    made = composition.model_copy(update={"clips": clips, "length": seconds})
    media = [(_medium(clip.media[0]),) for clip in clips]
    lengths = {
        name: length
        for name, sound in sounds_of(made).items()
        if (length := heard_seconds(sound, probe(sound.media).duration_seconds or 0)) is not None
    }
    return place(made, arrange(made, media, lengths), lengths)


def _medium(path: Path) -> ClipMedium:
    if path.suffix == ".png":
        return ClipMedium("a", path, (64, 36))
    return ClipMedium(
        "a", path, (64, 36), Fraction(50), probe(path).duration_seconds or 0, has_sound=True
    )


def mixed(composition: Composition, seconds: float) -> Soundtrack:
    made = soundtrack(placed(composition, seconds), composition.loudness, seconds)
    assert made is not None
    return made


def encoded(path: Path, composition: Composition, seconds: float) -> Path:
    """The soundtrack as AAC in an MP4, as a film has it."""
    write_sound(mixed(composition, seconds).frames(), path)
    return path


def under_and_over(composition: Composition, seconds: float) -> tuple[list[float], list[float]]:
    """What leads, and all else, at the gains of the mix."""
    planned = mixed(composition, seconds)
    total = planned.samples
    return rendered(planned.buses[:1], total), rendered(planned.buses[1:], total)


def spoken(path: Path, begin: float = 0.0) -> Intervals:
    return tuple((start + begin, end + begin) for start, end in find_speech(samples(path)))


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
    lead = Sound(media=sounds["narration"]) if "narration" in sounds else None
    return Composition(narration=lead, music=found, loudness=goal)


@pytest.mark.parametrize(
    ("sound", "goal"), [(peaky, -14), (lambda at: 0.1 * math.sin(2_800 * at), -5)]
)
def test_a_peaky_or_loud_sound_is_not_clipped_after_aac(
    sound: Callable[[float], float], goal: float, tmp_path: Path
) -> None:
    made = Composition(narration=Sound(media=write(tmp_path / "v.wav", sound, 2)), loudness=goal)
    assert measure_loudness(encoded(tmp_path / "out.mp4", made, 2)).true_peak <= -1


@pytest.mark.parametrize("seconds", [2.0, 8.0])
def test_music_lies_twelve_under_the_speech_and_at_its_level_elsewhere(
    seconds: float, tmp_path: Path
) -> None:
    narration = voice(tmp_path / "v.wav", WORDS, SECONDS)
    made = Composition(
        narration=Sound(media=narration),
        music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", seconds, level=0.9)),
    )
    over, under = under_and_over(made, 6)
    for interval in spoken(narration):
        assert distance(over, under, [interval]) >= 12
    assert loudness(parts(under, [SILENT])) == pytest.approx(-20, abs=2)


def test_music_moves_once_for_a_passage_and_not_at_each_word(tmp_path: Path) -> None:
    made = Composition(
        narration=Sound(media=voice(tmp_path / "v.wav", WORDS, SECONDS)),
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
        narration=Sound(media=voice(tmp_path / "v.wav", WORDS, SECONDS)),
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
        narration=Sound(media=voice(tmp_path / "v.wav", WORDS, SECONDS)),
        music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", 5)),
    )
    wave = heard(encoded(tmp_path / "out.mp4", made, 0.1))
    assert len(wave) == pytest.approx(4_800, abs=2_048)


def test_the_sound_of_a_clip_is_heard_in_its_place_and_fades_with_its_transition(
    tmp_path: Path,
) -> None:
    clips = (
        Clip(media=tone(tmp_path / "a.wav", seconds=3, pitch=440), seconds=2.4),
        Clip(media=tone(tmp_path / "b.wav", seconds=6, pitch=880, amplitude=0.02), start=1),
    )
    made = Composition(clips=clips, transition="fade")
    wave = heard(encoded(tmp_path / "out.mp4", made, 4))
    early, late = parts(wave, [(0.5, 1.5)]), parts(wave, [(2.6, 3.6)])
    assert strength(early, 440) > 0.1 > 100 * strength(early, 880)
    assert strength(late, 880) > 0.05 > 100 * strength(late, 440)
    assert strength(parts(wave, [(2.15, 2.25)]), 440) > 0.02  # both during the transition


def test_the_sound_of_a_clip_has_its_speed_its_pitch_and_its_volume(tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", lambda at: 0.2 * math.sin(2_764.6 * at) * (at % 2 > 1), 8)
    fast, slow = Clip(media=source, speed=4, start=4), Clip(media=source, speed=0.25, start=1)
    quiet, silent = (Clip(media=source, start=1, volume=volume) for volume in (0.5, 0))
    clips = tuple(clip.model_copy(update={"seconds": 1}) for clip in (fast, slow, quiet, silent))
    wave = heard(encoded(tmp_path / "out.mp4", Composition(clips=clips), 4))
    levels = [strength(parts(wave, [(at / 4 + 0.03, at / 4 + 0.22)]), 440) for at in range(16)]
    full = levels[5]
    assert levels[:4] == pytest.approx([0, full, 0, full], abs=0.15 * full)
    assert levels[4:8] == pytest.approx([full] * 4, rel=0.1)
    assert levels[8:12] == pytest.approx([full / 2] * 4, rel=0.1)
    assert max(levels[12:]) < 0.01 * full


def test_a_held_film_is_silent(tmp_path: Path) -> None:
    clip = Clip(media=tone(tmp_path / "a.wav"))
    wave = heard(encoded(tmp_path / "out.mp4", Composition(clips=(clip,)), 2))
    assert strength(parts(wave, [(1.1, 1.9)]), 440) < 0.001


def test_a_clip_gives_way_to_the_narration_alone(tmp_path: Path) -> None:
    narration = voice(tmp_path / "v.wav", WORDS, SECONDS)
    clip = Clip(media=tone(tmp_path / "a.wav", seconds=6, amplitude=0.5), speaks=False)
    made = Composition(narration=Sound(media=narration), clips=(clip,))
    over, under = under_and_over(made, 6)
    assert distance(over, under, spoken(narration)) >= 12
    assert loudness(parts(under, [SILENT])) == pytest.approx(-16, abs=1.5)


def test_speech_in_turn_has_one_level_and_speech_at_once_lies_under_the_first(
    tmp_path: Path,
) -> None:
    loud, quiet = (
        voice(tmp_path / f"{name}.wav", ((0, 2),), 2, noise=noise)
        for name, noise in (("a", 0.0), ("b", 0.01))
    )
    other = tone(tmp_path / "c.wav", seconds=2, amplitude=0.9, pitch=1_000)
    in_turn = Sound(media=quiet, at=2), Sound(media=other, at=0.5, seconds=1)
    made = Composition(narration=Sound(media=loud), audio=in_turn)
    over, under = under_and_over(made, 4)
    first, second = (loudness(parts(over, [span])) for span in ((0, 2), (2, 4)))
    assert first == pytest.approx(second, abs=0.5)
    assert distance(over, under, [(0.5, 1.5)]) >= 12


def test_music_gives_way_to_whoever_speaks(tmp_path: Path) -> None:
    media = voice(tmp_path / "v.wav", WORDS, SECONDS)
    beat = Clip(media=Path("a.png"), seconds=5, narration=Sound(media=media))
    film = Clip(media=media, speaks=True)
    made = Composition(
        clips=(beat, film),
        audio=(Sound(media=media, at=10),),
        music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", 8, level=0.9)),
    )
    over, under = under_and_over(made, 15)
    for begin in (0, 5, 10):
        assert min(distance(over, under, [one]) for one in spoken(media, begin)) >= 12
    assert loudness(parts(under, [(8, 8.8)])) == pytest.approx(-20, abs=2)


def test_an_effect_has_its_level_at_its_time_and_gives_way_to_nobody(tmp_path: Path) -> None:
    click = write(tmp_path / "c.wav", lambda at: 0.01 * CHANCE.uniform(-1, 1), 0.2, rate=RATE)
    made = Composition(
        narration=Sound(media=voice(tmp_path / "v.wav", WORDS, SECONDS)),
        audio=(
            Sound(media=click, at=1.5, role="effect"),
            Sound(media=click, at=3, role="effect", level=-30),
        ),
    )
    planned = mixed(made, 5)
    effects = rendered(planned.buses[-1:], planned.samples)
    levels = [loudness(parts(effects, [(at, at + 0.4)])) for at in (1.5, 3)]
    assert levels == pytest.approx([-20, -30], abs=0.5)
    wave = heard(encoded(tmp_path / "out.mp4", made, 5))
    begin = next(at for at in range(round(2.5 * RATE), len(wave)) if abs(wave[at]) > 0.01)
    assert begin / RATE == pytest.approx(3, abs=0.01)


def test_an_excerpt_is_what_was_asked_for_and_fades_where_it_is_cut_off(tmp_path: Path) -> None:
    media = write(
        tmp_path / "a.wav", lambda at: 0.2 * math.sin(6.2832 * (440 if at < 4 else 880) * at), 8
    )
    made = Composition(audio=(Sound(media=media, start=4, seconds=2, at=1),))
    wave = heard(encoded(tmp_path / "out.mp4", made, 5))
    inside = parts(wave, [(1.1, 2.4)])
    assert strength(inside, 880) > 100 * strength(inside, 440)
    levels = [max(map(abs, wave[round(at * RATE) :][:480])) for at in (0.9, 1.1, 2.4, 2.95, 3.1)]
    assert levels[1] == pytest.approx(levels[2], rel=0.1)
    assert max(levels[0], levels[4]) < 0.01
    assert levels[3] < 0.3 * levels[2]


def test_a_bed_repeats_its_part_without_a_hole_until_it_shall_end(tmp_path: Path) -> None:
    bed = Sound(
        media=tone(tmp_path / "a.wav", seconds=3),
        role="effect",
        start=2,
        seconds=4,
        at=1,
        repeat=True,
    )
    wave = heard(encoded(tmp_path / "out.mp4", Composition(audio=(bed,)), 6))
    levels = [max(map(abs, wave[at : at + 480])) for at in range(0, 6 * RATE, 480)]
    assert min(levels[103:497]) > 0.6 * max(levels)
    assert max(*levels[:95], *levels[505:]) < 0.01


def test_silence_alone_stays_silent(tmp_path: Path) -> None:
    made = Composition(narration=Sound(media=tone(tmp_path / "v.wav", seconds=2, amplitude=0)))
    found = measure_loudness(encoded(tmp_path / "out.mp4", made, 2))
    assert found.lufs == -70
    assert math.isfinite(found.true_peak)


def test_without_any_sound_there_is_no_soundtrack() -> None:
    assert soundtrack((), -16, 3) is None


def test_an_excerpt_after_the_end_of_its_medium_is_refused(tmp_path: Path) -> None:
    sound = Sound(media=tone(tmp_path / "a.wav"), start=1)
    with pytest.raises(MediaError, match=r"a\.wav: lasts 1\.00 s; `start` is 1 s"):
        heard_seconds(sound, 1.0)


def test_a_plan_gives_the_same_samples_again_and_so_do_the_same_sounds(tmp_path: Path) -> None:
    narration = tone(tmp_path / "v.wav", seconds=1)
    made = Composition(
        narration=Sound(media=narration),
        music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", 1)),
    )
    first, second = mixed(made, 2), mixed(made, 2)
    waves = [
        b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in planned.frames())
        for planned in (first, first, second)
    ]
    assert waves[0] == waves[1] == waves[2]
    assert len(waves[0]) == 4 * first.samples


def test_what_repeats_is_mixed_once_however_often_it_is_measured(tmp_path: Path) -> None:
    made = Composition(music=Sound(role="music", repeat=True, media=music(tmp_path / "m.wav", 1)))
    [sound] = placed(made, 5)
    assert sound.piece.sound() is sound.piece.sound()


def test_music_of_a_moment_is_few_pieces_however_long_the_film(tmp_path: Path) -> None:
    source = write(tmp_path / "m.wav", lambda at: 0.1, 1 / RATE, rate=RATE)
    made = Composition(music=Sound(role="music", repeat=True, media=source))
    [sound] = placed(made, 600)
    assert sum(frame.samples for frame in sound.piece.sound()) == 600 * RATE
