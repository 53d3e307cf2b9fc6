"""The sound of a composition: what leads, what gives way, and how loud the whole is."""

from __future__ import annotations

import math
import random
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import pytest

from rivya_client.errors import MediaError
from rivya_cut.composition import Composition, Music
from rivya_cut.encoding import AUDIO_BIT_RATE
from rivya_cut.sound import RATE, Piece, samples
from rivya_cut.soundtrack import measured, soundtrack
from rivya_cut.speech import spoken
from support.composed_media import film, heard, loudness, strength, tone
from support.sounds import distance, music, parts, rendered, voice, write

WORDS = ((1.0, 2.2), (2.5, 4.0), (6.5, 8.0))


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


@pytest.mark.parametrize("goal", [-16.0, -23.0])
def test_the_whole_has_its_loudness_and_keeps_its_peak_after_aac(
    goal: float, tmp_path: Path
) -> None:
    made = Composition(
        narration=voice(tmp_path / "v.wav", WORDS, 8.4),
        music=Music(audio=music(tmp_path / "m.wav", 5)),
        loudness=goal,
    )
    found = measured(encoded(tmp_path / "out.mp4", made, 10))
    assert found.lufs == pytest.approx(goal, abs=1)
    assert loudness(heard(tmp_path / "out.mp4")) == pytest.approx(found.lufs, abs=0.5)
    assert found.true_peak <= -1


def test_a_peaky_sound_keeps_its_peak_after_aac(tmp_path: Path) -> None:
    chance = random.Random(2)
    path = write(
        tmp_path / "v.wav",
        lambda second: chance.uniform(-1, 1) * (1 if second % 0.5 < 0.01 else 0.02),
        4,
    )
    made = Composition(narration=path, loudness=-14)
    assert measured(encoded(tmp_path / "out.mp4", made, 4)).true_peak <= -1


@pytest.mark.parametrize("seconds", [3.0, 5.0, 30.0])
def test_music_lies_twelve_under_the_speech_and_at_its_level_elsewhere(
    seconds: float, tmp_path: Path
) -> None:
    narration = voice(tmp_path / "v.wav", WORDS, 8.4)
    made = Composition(
        narration=narration, music=Music(audio=music(tmp_path / "m.wav", seconds, level=0.9))
    )
    over, under = under_and_over(made, 10)
    for interval in spoken(narration):
        assert distance(over, under, [interval]) >= 12
    assert loudness(parts(under, [(4.7, 6.2)])) == pytest.approx(-20, abs=2)


def test_music_moves_once_for_a_passage_and_not_at_each_word(tmp_path: Path) -> None:
    made = Composition(
        narration=voice(tmp_path / "v.wav", WORDS, 8.4),
        music=Music(audio=tone(tmp_path / "m.wav", seconds=12)),
    )
    _, under = under_and_over(made, 10)
    levels = [strength(parts(under, [(at, at + 0.1)]), 440) for at in (1.1, 2.3, 3.9)]
    assert max(levels) == pytest.approx(min(levels), rel=0.02)
    # No jump from one hundredth of a second to the next.
    steps = [strength(under[at : at + 480], 440) for at in range(0, 6 * RATE, 480)]
    assert all(abs(a - b) < 0.1 * max(steps) for a, b in pairwise(steps[30:]))


def test_music_that_shall_not_give_way_stays(tmp_path: Path) -> None:
    made = Composition(
        narration=voice(tmp_path / "v.wav", WORDS, 8.4),
        music=Music(audio=tone(tmp_path / "m.wav", seconds=12), duck=False),
    )
    _, under = under_and_over(made, 10)
    speaking, silent = (strength(parts(under, [(at, at + 0.5)]), 440) for at in (1.5, 5.0))
    assert speaking == pytest.approx(silent, rel=0.02)


def test_short_music_is_repeated_without_a_hole(tmp_path: Path) -> None:
    made = Composition(music=Music(audio=tone(tmp_path / "m.wav", seconds=1.5)))
    wave = heard(encoded(tmp_path / "out.mp4", made, 8))
    levels = [max(map(abs, wave[at : at + 480])) for at in range(RATE, 6 * RATE, 480)]
    assert min(levels) > 0.3 * max(levels)


def test_music_fades_in_and_out(tmp_path: Path) -> None:
    made = Composition(music=Music(audio=tone(tmp_path / "m.wav", seconds=20)))
    wave = heard(encoded(tmp_path / "out.mp4", made, 4))
    middle = max(map(abs, wave[2 * RATE : 2 * RATE + 4_800]))
    assert max(map(abs, wave[:480])) < 0.3 * middle
    assert max(map(abs, wave[4 * RATE - 480 : 4 * RATE])) < 0.1 * middle


@pytest.mark.parametrize("seconds", [0.005, 0.3])
def test_very_short_music_is_repeated(seconds: float, tmp_path: Path) -> None:
    made = Composition(music=Music(audio=tone(tmp_path / "m.wav", seconds=seconds)))
    assert measured(encoded(tmp_path / "out.mp4", made, 3)).lufs == pytest.approx(-16, abs=1)


def test_a_very_short_film_has_sound(tmp_path: Path) -> None:
    made = Composition(
        narration=voice(tmp_path / "v.wav", WORDS, 8.4),
        music=Music(audio=music(tmp_path / "m.wav", 5)),
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
    narration = voice(tmp_path / "v.wav", WORDS, 8.4)
    clip = film(tmp_path / "a.mp4", seconds=10, sound=0.5)
    over, under = under_and_over(Composition(narration=narration), 10, {clip: [piece(clip, 0, 10)]})
    assert distance(over, under, spoken(narration)) >= 12
    assert loudness(parts(under, [(4.7, 6.2)])) == pytest.approx(-16, abs=1.5)


def test_further_sounds_lie_under_the_first(tmp_path: Path) -> None:
    first = tone(tmp_path / "a.wav", seconds=4, amplitude=0.02)
    second = tone(tmp_path / "b.wav", seconds=4, amplitude=0.9, pitch=880)
    over, under = under_and_over(Composition(audio=(first, second)), 4)
    assert distance(over, under, [(0, 4)]) >= 12


@pytest.mark.parametrize(("rate", "layout"), [(8_000, "mono"), (22_050, "5.1")])
def test_any_rate_and_number_of_channels_is_brought_to_the_loudness(
    rate: int, layout: str, tmp_path: Path
) -> None:
    narration = voice(tmp_path / "v.wav", WORDS, 8.4, rate=rate, layout=layout)
    made = Composition(narration=narration, music=Music(audio=music(tmp_path / "m.wav", 3)))
    found = measured(encoded(tmp_path / "out.mp4", made, 9))
    assert found.lufs == pytest.approx(-16, abs=1)
    assert found.true_peak <= -1


def test_a_narration_of_silence_leaves_the_music_alone(tmp_path: Path) -> None:
    made = Composition(
        narration=tone(tmp_path / "v.wav", seconds=3, amplitude=0),
        music=Music(audio=tone(tmp_path / "m.wav", seconds=5)),
    )
    found = measured(encoded(tmp_path / "out.mp4", made, 4))
    assert found.lufs == pytest.approx(-16, abs=1)


def test_silence_alone_stays_silent(tmp_path: Path) -> None:
    made = Composition(narration=tone(tmp_path / "v.wav", seconds=2, amplitude=0))
    found = measured(encoded(tmp_path / "out.mp4", made, 2))
    assert found.lufs == -70
    assert math.isfinite(found.true_peak)


def test_without_any_sound_there_is_no_soundtrack() -> None:
    assert soundtrack(Composition(), {}, 3) is None


def test_music_without_sound_is_refused(tmp_path: Path) -> None:
    made = Composition(music=Music(audio=film(tmp_path / "a.mp4")))
    with pytest.raises(MediaError, match=r"a\.mp4: holds no sound"):
        soundtrack(made, {}, 3)


def test_the_same_sounds_give_the_same_samples(tmp_path: Path) -> None:
    made = Composition(
        narration=voice(tmp_path / "v.wav", WORDS, 8.4),
        music=Music(audio=music(tmp_path / "m.wav", 3)),
    )
    plans = [soundtrack(made, {}, 9) for _ in range(2)]
    first, second = (
        [bytes(frame.planes[0])[: 4 * frame.samples] for frame in planned.frames()]
        for planned in plans
        if planned is not None
    )
    assert first == second


def test_a_plan_is_rendered_more_than_once(tmp_path: Path) -> None:
    planned = soundtrack(Composition(music=Music(audio=tone(tmp_path / "m.wav", seconds=2))), {}, 5)
    assert planned is not None
    lengths = [sum(frame.samples for frame in planned.frames()) for _ in range(2)]
    assert lengths == [planned.samples, planned.samples]


@pytest.mark.parametrize("count", [1, 480])
def test_music_of_a_moment_is_few_pieces_however_long_the_film(count: int, tmp_path: Path) -> None:
    source = write(tmp_path / "m.wav", lambda at: 0.1, count / RATE, rate=RATE)
    planned = soundtrack(Composition(music=Music(audio=source)), {}, 2.0)
    assert planned is not None
    pieces = [piece for bus in planned.buses for lane in bus.lanes for piece in lane()]
    assert len(pieces) < 20
