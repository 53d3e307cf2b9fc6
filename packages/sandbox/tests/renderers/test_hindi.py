"""Hindi text to phonemes."""

from __future__ import annotations

import pytest

from rivya_sandbox.renderers import hindi


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


def test_hindi_reads_numbers_and_latin_names() -> None:
    (line,) = hindi.phonemes("Aurora पर ५०% छूट।", lambda word: f"<{word}>")
    assert line.startswith("<Aurora> ")
    assert hindi.word_phonemes("पचास") in line
    assert hindi.word_phonemes("प्रतिशत") in line
