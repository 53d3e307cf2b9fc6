"""Speech in English and Hindi, dialogue, effects and music."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import Any, cast

import av
import numpy as np
import pytest

from rivya_flows.sandbox.renderers import (
    effects,
    english_numbers,
    hindi,
    hindi_numbers,
    music,
    other_languages,
    voice,
)
from rivya_flows.sandbox.renderers.order import Order
from rivya_flows.sandbox.renderers.render import render
from rivya_flows.sandbox.renderers.sound import LOUDNESS, RATE, Sound, loudness, mastered

LINE = "Meet the Aurora desk lamp. Warm light, made for you."


def heard(model: str, prompt: str, **params: Any) -> tuple[float, float]:
    """Seconds, and root mean square from 0 to 1."""
    (result,) = render(Order(model, "audio", prompt, {"output_format": "wav"} | params, seed=1))
    with av.open(io.BytesIO(result.data), "r") as file:
        parts = [part.to_ndarray().ravel() for part in file.decode(audio=0)]
        samples = np.concatenate(parts).astype(float) / 32768
        return (file.duration or 0) / 1e6, float(np.sqrt((samples**2).mean()))


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


def test_a_dialogue_is_spoken_turn_by_turn() -> None:
    turn = {"voice": "Lily", "text": "Yes, today only! [laughs]"}
    one = heard("elevenlabs-dialogue-v3", "", dialogue=[turn])[0]
    three = heard("elevenlabs-dialogue-v3", "", dialogue=[turn] * 3)[0]
    assert three == pytest.approx(3 * one + 0.64, abs=0.2)


@pytest.mark.parametrize("text", ["", "   ", "[laughs]", "😀"])
def test_a_text_without_words_is_a_short_silence(text: str) -> None:
    assert spoken(text)[0] == pytest.approx(0.3, abs=0.05)


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
    with pytest.raises(ValueError, match=r"the sandbox speaks English and Hindi.*'voices'"):
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
def test_a_script_tells_the_language(text: str, language: str | None) -> None:
    assert other_languages.language_of(text) == language


@pytest.mark.parametrize("text", ["5 µm, café, 3 Ω", "नमस्ते, Aurora!"])
def test_signs_and_accents_are_no_other_language(text: str) -> None:
    assert spoken(text)[0] > 0.8


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("नमक", "nˈʌmək"),      # the last inherent vowel is silent
        ("घर", "ɡhˈʌɹ"),
        ("रोशनी", "ɹˈOʃni"),    # and so is one between two syllables
        ("ताज़ी", "tˈɑzi"),       # a dotted letter
        ("हिंदी", "hˈɪnði"),      # a nasal before a consonant
    ],
)  # fmt: skip
def test_hindi_words_become_phonemes(word: str, phonemes: str) -> None:
    assert hindi.word_phonemes(word) == phonemes


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("99,99,999", "निन्यानवे लाख निन्यानवे हज़ार नौ सौ निन्यानवे"),
        ("1,000,000", "दस लाख"),
        ("१२३४५६७८", "एक करोड़ तेईस लाख पैंतालीस हज़ार छह सौ अठहत्तर"),
        ("12.50%", "बारह दशमलव पाँच शून्य प्रतिशत"),
        ("₹1,25,000.50", "एक लाख पच्चीस हज़ार रुपये पचास पैसे"),
        ("Rs. 499/-", "चार सौ निन्यानवे रुपये"),
        ("₹1", "एक रुपया"),
        ("₹1 में", "एक रुपये में"),
        ("₹2.5 लाख", "ढाई लाख रुपये"),
        ("1.5L फ़ॉलोअर, ₹1.5L", "एक दशमलव पाँच L फ़ॉलोअर, डेढ़ लाख रुपये"),
        ("₹3.2 Cr", "तीन दशमलव दो करोड़ रुपये"),
        ("₹999/माह, ₹500-₹1000", "नौ सौ निन्यानवे रुपये प्रति माह, पाँच सौ रुपये से एक हज़ार रुपये"),
        ("₹499-999", "चार सौ निन्यानवे से नौ सौ निन्यानवे रुपये"),
        ("₹10-20 लाख", "दस से बीस लाख रुपये"),
        ("₹1 लाख-2 लाख", "एक लाख से दो लाख रुपये"),
        ("₹999 – 20% छूट", "नौ सौ निन्यानवे रुपये – बीस प्रतिशत छूट"),
        ("2026-08-15 10:30", "पंद्रह अगस्त दो हज़ार छब्बीस साढ़े दस बजे"),
        ("15-08-2026 10:30", "पंद्रह अगस्त दो हज़ार छब्बीस साढ़े दस बजे"),
        ("2024 2025 2026", "दो हज़ार चौबीस दो हज़ार पच्चीस दो हज़ार छब्बीस"),
        ("98765-43210", "नौ आठ सात छह पाँच चार तीन दो एक शून्य"),
        ("1800-123-4567", "एक आठ शून्य शून्य एक दो तीन चार पाँच छह सात"),
        ("9-5 बजे, 24x7", "नौ से पाँच बजे, चौबीसों घंटे"),
        ("1990 के दशक में डॉ. राव", "उन्नीस सौ नब्बे के दशक में डॉक्टर राव"),
        ("www.rivya.co.in पर", "rivya डॉट co डॉट in पर"),
        ("15/08/1947", "पंद्रह अगस्त उन्नीस सौ सैंतालीस"),
        ("2026-11-05", "पाँच नवंबर दो हज़ार छब्बीस"),
        ("99/99/2020", "निन्यानवे निन्यानवे दो हज़ार बीस"),
        ("1857 में", "अठारह सौ सत्तावन में"),
        ("1900 ग्राम", "एक हज़ार नौ सौ ग्राम"),
        ("9:00 बजे", "नौ बजे"),
        ("1:30", "डेढ़ बजे"),
        ("5:15", "सवा पाँच बजे"),
        ("12:45", "पौने एक बजे"),
        ("7:20", "सात बजकर बीस मिनट"),
        ("5-10 दिन", "पाँच से दस दिन"),
        ("022-12345", "शून्य दो दो बारह हज़ार तीन सौ पैंतालीस"),
        ("9876543210", "नौ आठ सात छह पाँच चार तीन दो एक शून्य"),
        ("-5°C", "माइनस पाँच डिग्री सेल्सियस"),
        ("21वीं", "इक्कीसवीं"),
        ("3री", "तीसरी"),
    ],
)
def test_hindi_numbers_are_said_as_an_indian_reader_says_them(written: str, said: str) -> None:
    assert " ".join(hindi_numbers.with_words(written).split()) == said


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Rs. 499/- only", "499 rupees only"),
        ("₹1,25,000.50", "1 lakh 25,000 rupees and 50 paise"),
        ("₹1 or ₹1,250.", "1 rupee or 1,250 rupees."),
        ("₹5 lakh", "5 lakh rupees"),
        ("₹2,50,00,000", "2 crore 50 lakh rupees"),
        ("1,00,000 lamps, 1,000,000 lights", "1 lakh lamps, 1,000,000 lights"),
        ("₹3.2 Cr, ₹1.5L, a 5L can", "3.2 crore rupees, 1.5 lakh rupees, a 5 litres can"),
        ("₹999/month, ₹0.99", "999 rupees per month, 99 paise"),
        ("₹10–₹20", "10 to 20 rupees"),
        ("₹499-999 or ₹499 – ₹999", "499 to 999 rupees or 499 to 999 rupees"),
        ("Now ₹999 – 20% off today", "Now 999 rupees – 20% off today"),
        ("₹2,999 - 3 months free", "2,999 rupees - 3 months free"),
        ("₹500-20% off", "500 rupees-20% off"),
        ("₹.005 a day, not ₹.50", "0.005 rupees a day, not 50 paise"),
        ("Version ₹1.2.3", "Version 1 rupee and 20 paise.3"),
        ("2026-08-15 10:30, 2024 2025 2026", "2026-08-15 10:30, 2024 2025 2026"),
        ("2026-08-15 98765 43210", "2026-08-15 9 8 7 6 5 4 3 2 1 0"),
        ("15-08-2026 10:30", "15-08-2026 10:30"),
        ("10am-6pm on 15.08.2026", "10 AM to 6 PM on 15 August 2026"),
        ('A 6.7" screen, 5\'8" tall, "under 5"', 'A 6.7 inch screen, 5 foot 8 tall, "under 5"'),
        ("10x faster, 50MP, 24x7", "10 times faster, 50 megapixel, 24 7"),
        ("www.rivya.co.in or hi@rivya.com.", "rivya dot co dot in or hi@rivya dot com."),
        ("No. 25, 100W, 24/7", "number 25, 100 watts, 24 7"),
        ("+91 98765 43210.", "plus 9 1 9 8 7 6 5 4 3 2 1 0."),
        ("In 2026, 3-5 of 12; $2.50", "In 2026, 3-5 of 12; $2.50"),
    ],
)
def test_english_numbers_are_read_as_in_india(written: str, read: str) -> None:
    assert english_numbers.readable(written) == read


def test_each_hindi_number_is_its_own_words_and_each_word_has_phonemes() -> None:
    words = [hindi_numbers.cardinal(number) for number in range(100)]
    assert len(set(words)) == 100
    assert len({hindi.word_phonemes(word) for word in words}) == 100


def test_hindi_reads_numbers_and_latin_names() -> None:
    (line,) = hindi.phonemes("Aurora पर ५०% छूट।", lambda word: f"<{word}>")
    assert line.startswith("<Aurora> ")
    assert hindi.word_phonemes("पचास") in line
    assert hindi.word_phonemes("प्रतिशत") in line


@pytest.mark.parametrize(
    ("prompt", "params", "seconds"),
    [
        ("rain on a roof", {"duration_seconds": 2.5}, 2.5),
        ("ocean waves", {"duration_seconds": "1", "loop": "true"}, 1.0),
        ("something unknown", {}, 3.0),
    ],
)
def test_an_effect_lasts_as_asked(prompt: str, params: dict[str, Any], seconds: float) -> None:
    length, level = heard("elevenlabs-sound-effect-v2", prompt, **params)
    assert length == pytest.approx(seconds, abs=0.03)
    assert level > 0.02


def test_music_fills_its_length_and_is_repeatable() -> None:
    first, second = (music.compose("festive bhangra", 2.0, 5, bpm=120, key="Dm") for _ in "ab")
    assert np.array_equal(first, second)
    assert first.shape == (2, 88200)
    assert 0.05 < float(np.abs(first).max()) < 1


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
def test_an_effect_is_what_the_first_known_word_says(prompt: str, maker: str) -> None:
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


def test_silence_stays_silence() -> None:
    assert loudness(np.zeros((2, RATE), np.float32)) == -70
    assert not mastered(np.zeros((2, RATE), np.float32), 0.0, 0.0).any()


@pytest.mark.parametrize("bpm", [80, 150])
def test_the_beat_has_the_tempo_asked_for(bpm: int) -> None:
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
def test_what_sounds_lies_on_the_scale_of_the_key(style: str, key: str) -> None:
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


@pytest.mark.parametrize(
    "written",
    ["₹{n}", "₹{n}.50", "₹{n} crore", "{n}%", "{n} लाख", "{n}वाँ", "{n}th", "10-{n}", "{n},999",
     "9{commas}", "₹9{commas}", "08\n%"],
)  # fmt: skip
def test_a_number_that_nobody_could_count_is_read_all_the_same(written: str) -> None:
    text = written.format(n="9" * 5000, commas=",99" * 2500 + ",999")
    assert hindi_numbers.with_words(text).strip()
    assert english_numbers.readable(text).strip()
