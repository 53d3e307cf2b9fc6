"""Captions: cut for reading, timed over speech, written as subtitle files."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from rivya_cut.captions import (
    GAP_SECONDS,
    MAX_LINE,
    MAX_SECONDS,
    MIN_SECONDS,
    cut_text,
    part_cue,
    srt,
    time_captions,
    time_words,
    vtt,
)
from rivya_cut.line_breaks import graphemes
from rivya_cut.subtitles import MAX_SUBTITLE_CHARACTERS, Cue, in_order, parse_subtitles

ENGLISH = (
    "Meet Aurora, the kettle that knows your morning. It boils in ninety seconds, keeps your tea at exactly "
    "82 degrees, and whispers when it is done so that nobody wakes up. Warm. Bright. Dr. Rao loves it!"
)
HINDI = (
    "मिलिए ऑरोरा से, वह केतली जो आपकी सुबह को जानती है। यह नब्बे सेकंड में पानी उबालती है, चाय को सही तापमान पर "
    "रखती है और जब काम पूरा हो जाए तो धीरे से बताती है ताकि घर में किसी की नींद न टूटे। आज ही ऑर्डर करें!"
)
FLOODS = (
    "e" + "\u0301" * 10_000,
    "a\u200d" * 5_000 + "b",
    "क्" * 5_000,
    ("e" + "\u0301" * 11 + " ") * 500,
)
WORDS = st.lists(
    st.sampled_from(
        ["a", "Aurora,", "और", "चाय।", "kettle.", "x" * 50, "वह", "शाय", "the", "क्ष" * 45]
    ),
    max_size=60,
).map(" ".join)
SPEECH = st.lists(st.tuples(st.floats(-5, 60), st.floats(0.01, 9)), max_size=8).map(
    lambda found: [(begin, begin + length) for begin, length in found]
)


@pytest.mark.parametrize(
    ("text", "language", "captions"),
    [
        (ENGLISH, "en-GB", (
            "Meet Aurora, the kettle\nthat knows your morning.",
            "It boils in ninety seconds,\nkeeps your tea at exactly 82 degrees,",
            "and whispers when it is done\nso that nobody wakes up.",
            "Warm. Bright. Dr. Rao loves it!",
        )),
        (HINDI, "hi", (
            "मिलिए ऑरोरा से, वह केतली जो आपकी सुबह को जानती है।",
            "यह नब्बे सेकंड में पानी उबालती है,\nचाय को सही तापमान पर रखती है",
            "और जब काम पूरा हो जाए तो धीरे से बताती है\nताकि घर में किसी की नींद न टूटे।",
            "आज ही ऑर्डर करें!",
        )),
        (" \n ", "", ()),
    ],
    ids=["English", "Hindi", "no words"],
)  # fmt: skip
def test_a_text_is_cut_at_sentences_and_phrases(
    text: str, language: str, captions: tuple[str, ...]
) -> None:
    assert cut_text(text, language) == captions


@given(WORDS)
def test_captions_hold_every_word_in_two_short_lines(text: str) -> None:
    captions = cut_text(text)
    assert "".join("".join(captions).split()) == "".join(text.split())
    for caption in captions:
        lines = caption.split("\n")
        assert 1 <= len(lines) <= 2
        assert all(0 < len(graphemes(line)) <= MAX_LINE for line in lines)


def test_a_caption_ends_at_the_pause_near_its_end() -> None:
    cues = time_captions(["a" * 20, "b" * 22], [(0.5, 2.4), (3.0, 5.0)], 6.0)
    assert [cue.start for cue in cues] == [0.5, 3.0]
    assert 2.4 <= cues[0].end <= 3.0 - GAP_SECONDS + 0.001


def test_without_pauses_the_time_is_shared_by_characters() -> None:
    first, second = time_captions(["a" * 10, "b" * 30], [], 4.0)
    assert first.start == 0.0
    assert second.start == 1.0


def test_a_chinese_character_takes_as_long_as_two_letters() -> None:
    first, second = time_captions(["新鲜咖啡每天送到", "b" * 16], [], 4.0)
    assert (first.start, second.start) == (0.0, 2.0)


def test_a_short_word_stays_for_reading() -> None:
    first, second = time_captions(["Oh", "b" * 60], [(0.0, 0.2), (2.0, 6.0)], 6.0)
    assert first.end - first.start >= MIN_SECONDS
    assert second.start == 2.0


def test_a_long_caption_goes_after_seven_seconds_unless_it_is_still_spoken() -> None:
    for spoken, end in (([], MAX_SECONDS), ([(0.0, 3.0)], 4.706), ([(0.0, 12.0)], 12.0)):
        (cue,) = time_captions(["a" * 80], spoken, 30.0)
        assert cue.end == end


@given(st.lists(st.text("aक ", min_size=1, max_size=84), max_size=40), SPEECH, st.floats(0.5, 120))
def test_cues_keep_order_gaps_and_the_end_of_the_film(
    texts: list[str], spoken: list[tuple[float, float]], seconds: float
) -> None:
    cues = time_captions(texts, spoken, seconds)
    assert [cue.text for cue in cues] == texts
    room = seconds / max(1, len(texts))
    gap = min(GAP_SECONDS, room / 5)
    least = min(MIN_SECONDS, room - gap)
    for cue in cues:
        assert cue.start >= 0
        assert cue.end <= seconds
        longest = max(MAX_SECONDS, *(end - cue.start for _, end in spoken), 0)
        assert least - 0.002 <= cue.end - cue.start <= longest + 0.002
    assert all(a.end <= b.start - gap + 0.002 for a, b in pairwise(cues))


def test_words_share_the_speech_of_their_caption_and_a_pause_falls_between_two() -> None:
    cue = Cue(1.0, 5.0, "Warm light,\nmade for you")
    timed = time_words(cue, [(1.0, 2.2), (3.0, 4.6)])
    assert timed.words[0] == 1.0
    assert timed.words[2] == 3.0
    assert list(timed.words) == sorted(timed.words)
    assert time_words(timed, []) == timed
    early = replace(timed, start=2.0)
    assert time_words(early, []).words[:3] == (2.0, 2.0, 3.0)


def test_words_that_are_read_at_a_glance_are_few_and_do_not_pass_a_pause() -> None:
    cue = time_words(Cue(0.0, 6.0, "Warm. It keeps your tea at 82 degrees, always"), [])
    parts = part_cue(cue)
    assert [one.text for one in parts] == [
        "Warm.",
        "It keeps your",
        "tea at 82",
        "degrees,",
        "always",
    ]
    assert all(a.end == b.start for a, b in pairwise(parts))
    assert (parts[0].start, parts[-1].end) == (0.0, 6.0)


def test_a_part_of_a_right_to_left_caption_is_read_from_the_right() -> None:
    cue = time_words(Cue(0.0, 4.0, "באפליקציית, Aurora (גרסה"), [])
    assert [one.text for one in part_cue(cue)] == ["באפליקציית,", "\u200fAurora (גרסה"]


@pytest.mark.parametrize("text", ["یہ چائے ہے۔ گرم", "这是茶。 很热", "ဒါလက်ဖက်ရည်။ ပူ"])
def test_a_glance_ends_with_a_sentence_of_any_script(text: str) -> None:
    parts = part_cue(time_words(Cue(0.0, 4.0, text), []))
    assert parts[-1].text == text.split()[-1]


@given(WORDS, st.floats(0.1, 9))
def test_every_word_is_seen_once_however_little_time_it_has(text: str, seconds: float) -> None:
    for caption in cut_text(text):
        parts = part_cue(time_words(Cue(1.0, 1.0 + seconds, caption), [(0, 2), (2.5, 3)]))
        assert in_order(tuple(parts)) == tuple(parts)


def test_captions_without_a_millisecond_of_room_are_left_out() -> None:
    cues = time_captions(["a"] * 1_500, [], 1.0)
    assert in_order(cues) == cues != ()


CUES = (Cue(0.5, 2.0, "Tea < coffee & more\n-->"), Cue(3661.25, 3662.0, "चाय"))


def test_srt_numbers_its_blocks() -> None:
    assert srt(CUES) == (
        "1\n00:00:00,500 --> 00:00:02,000\nTea < coffee & more\n->\n\n"
        "2\n01:01:01,250 --> 01:01:02,000\nचाय\n"
    )


def test_webvtt_escapes_markup() -> None:
    assert vtt(CUES) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nTea &lt; coffee &amp; more\n--&gt;\n\n"
        "01:01:01.250 --> 01:01:02.000\nचाय\n"
    )


@given(st.lists(st.text("ab<>&;-!\n lt", min_size=1), min_size=1, max_size=5))
def test_webvtt_is_read_as_it_was_written(texts: list[str]) -> None:
    cues = tuple(Cue(float(at), at + 0.9, text) for at, text in enumerate(texts))
    kept = [
        (
            cue.start,
            "\n".join(" ".join(line.split()) for line in cue.text.splitlines() if line.strip()),
        )
        for cue in cues
        if cue.text.strip()
    ]
    if kept:
        assert [(cue.start, cue.text) for cue in parse_subtitles(vtt(cues))] == kept


def test_a_hindi_verb_keeps_its_auxiliary() -> None:
    text = (
        "सह्याद्रि की पहाड़ियों में उगाई गई, धीरे-धीरे सुखाई गई और नौ मसालों के साथ मिलाई गई यह चाय "
        "आपके परिवार के लिए बनी है, क्योंकि अच्छे स्वाद का कोई विकल्प नहीं होता!"
    )
    lines = "\n".join(cut_text(text, "hi")).split("\n")
    assert not [line for line in lines if line.split()[0] in ("गई", "है", "साथ", "लिए", "होता")]


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_marks_or_joiners_stays_within_what_can_be_drawn(flood: str) -> None:
    assert max(map(len, cut_text(flood))) <= MAX_SUBTITLE_CHARACTERS
