"""Hindi text to the phonemes of an English voice: clear, with an accent.

The phoneme alphabet is that of the voice (``A`` is the vowel of *day*, ``O`` that of *go*).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rivya_sandbox.renderers import hindi_numbers

_VOWELS = {
    "अ": "ə", "आ": "ɑ", "इ": "ɪ", "ई": "i", "उ": "ʊ", "ऊ": "u", "ऋ": "ɹɪ", "ए": "A", "ऐ": "ɛ",
    "ओ": "O", "औ": "ɔ", "ऑ": "ɔ", "ऍ": "æ",
}  # fmt: skip
_SIGNS = {
    "ा": "ɑ", "ि": "ɪ", "ी": "i", "ु": "ʊ", "ू": "u", "ृ": "ɹɪ", "े": "A", "ै": "ɛ", "ो": "O",
    "ौ": "ɔ", "ॉ": "ɔ", "ॅ": "æ",
}  # fmt: skip
_CONSONANTS = {
    "क": "k", "ख": "kh", "ग": "ɡ", "घ": "ɡh", "ङ": "ŋ", "च": "ʧ", "छ": "ʧh", "ज": "ʤ", "झ": "ʤh",
    "ञ": "n", "ट": "t", "ठ": "th", "ड": "d", "ढ": "dh", "ण": "n", "त": "t", "थ": "θ", "द": "ð",
    "ध": "ðh", "न": "n", "प": "p", "फ": "f", "ब": "b", "भ": "bh", "म": "m", "य": "j", "र": "ɹ",
    "ल": "l", "व": "v", "श": "ʃ", "ष": "ʃ", "स": "s", "ह": "h", "ळ": "l",
}  # fmt: skip
_DOTTED = {"क": "k", "ख": "k", "ग": "ɡ", "ज": "z", "ड": "ɾ", "ढ": "ɾ", "फ": "f"}
# Letters that Unicode also has precomposed with their dot.
_COMPOSED = {"क़": "क़", "ख़": "ख़", "ग़": "ग़", "ज़": "ज़", "ड़": "ड़", "ढ़": "ढ़", "फ़": "फ़"}
_LONG = frozenset("ɑiuAɛOɔ")
_INHERENT = "_"  # the inherent vowel of a consonant, until it is known to be spoken
_NUKTA, _VIRAMA, _ANUSVARA, _CHANDRABINDU = "़", "्", "ं", "ँ"

_WRITTEN = {"%": " प्रतिशत ", "₹": " रुपये ", "&": " और ", "+": " प्लस "}
_TOKEN = re.compile(r"[\u0900-\u0963\u0970-\u097f]+|[A-Za-z][A-Za-z'-]*|[,;:—-]|[।.!?]")
_SENTENCE_END = re.compile(r"(?<=[।.!?])\s*")


_BREATH = 350  # phonemes; the voice was not trained on longer sentences


@dataclass
class _Syllable:
    onset: str
    vowel: str
    nasal: str = ""


def phonemes(text: str, english: Callable[[str], str]) -> list[str]:
    """Phonemes of each sentence.

    Args:
        text: Hindi, with words in Latin letters, digits and marks of either script.
        english: Phonemes of one word in Latin letters.
    """
    text = hindi_numbers.with_words(text)
    for sign, word in _WRITTEN.items():
        text = text.replace(sign, word)
    sentences = []
    for sentence in _SENTENCE_END.split(text):
        spoken: list[str] = []
        for token in _TOKEN.findall(sentence):
            if "\u0900" <= token[0] <= "\u097f" and token != "।":
                spoken.append(word_phonemes(token))
            elif token[0].isalpha():
                spoken.append(english(token))
            elif spoken:
                spoken[-1] += {"।": ".", "-": "", "—": ","}.get(token, token)
        sentences += _breaths([word for word in spoken if word])
    return sentences


def _breaths(words: list[str]) -> list[str]:
    """The words joined into as few pieces as the voice can speak."""
    pieces: list[str] = []
    for word in words:
        if pieces and len(pieces[-1]) + len(word) < _BREATH:
            pieces[-1] += f" {word}"
        else:
            pieces.append(word[:_BREATH])
    return pieces


def word_phonemes(word: str) -> str:
    """Phonemes of one word in Devanagari, with ``ˈ`` before the stressed vowel."""
    for composed, parts in _COMPOSED.items():
        word = word.replace(composed, parts)
    syllables = _syllables(word)
    _drop_silent_vowels(syllables)
    stressed = _find_stress(syllables)
    spoken = ""
    for index, syllable in enumerate(syllables):
        after = syllables[index + 1] if index + 1 < len(syllables) else _Syllable("", "")
        vowel = syllable.vowel
        if vowel == _INHERENT:
            # Before an h that closes the syllable it is a short e, as in "yeh" and "shehar".
            before_h = after.onset == "h" and after.vowel in ("", _INHERENT)
            vowel = "ɛ" if before_h else "ʌ" if index == stressed else "ə"
        stress = "ˈ" if index == stressed and vowel else ""
        spoken += syllable.onset + stress + vowel + _nasal(syllable.nasal, after.onset[:1])
    return spoken


def _syllables(word: str) -> list[_Syllable]:
    syllables: list[_Syllable] = []
    onset = ""
    index = 0
    while index < len(word):
        char = word[index]
        if char in _CONSONANTS:
            dotted = word[index + 1 : index + 2] == _NUKTA
            sound = _DOTTED.get(char, _CONSONANTS[char]) if dotted else _CONSONANTS[char]
            index += 1 + dotted
            follower = word[index : index + 1]
            if follower == _VIRAMA:
                onset += sound
                index += 1
                continue
            syllables.append(_Syllable(onset + sound, _SIGNS.get(follower, _INHERENT)))
            onset = ""
            index += follower in _SIGNS
            continue
        if char in _VOWELS:
            syllables.append(_Syllable(onset, _VOWELS[char]))
            onset = ""
        elif char in (_ANUSVARA, _CHANDRABINDU) and syllables:
            syllables[-1].nasal = char
        index += 1
    if onset:
        syllables.append(_Syllable(onset, ""))
    return syllables


def _drop_silent_vowels(syllables: list[_Syllable]) -> None:
    """Hindi drops the inherent vowel at the end of a word and between two open syllables."""
    last = len(syllables) - 1
    if last > 0 and syllables[last].vowel == _INHERENT and not syllables[last].nasal:
        syllables[last].vowel = ""
    for index in range(last - 1, 0, -1):
        before, here, after = syllables[index - 1 : index + 2]
        if (
            here.vowel == _INHERENT
            and not here.nasal
            and len(here.onset) == 1
            and before.vowel
            and after.vowel not in ("", _INHERENT)
            and len(after.onset) <= 2
        ):
            here.vowel = ""


def _find_stress(syllables: list[_Syllable]) -> int:
    """Index of the stressed syllable: a heavy one near the end, else the first; -1 for none."""
    voiced = [index for index, one in enumerate(syllables) if one.vowel]
    if not voiced:
        return -1
    last = voiced[-1]
    closed = last < len(syllables) - 1 or bool(syllables[last].nasal)
    if len(voiced) > 1 and syllables[last].vowel in _LONG and closed:
        return last
    earlier = voiced[:-1] or voiced
    return next((at for at in reversed(earlier) if syllables[at].vowel in _LONG), voiced[0])


def _nasal(mark: str, following: str) -> str:
    if not mark:
        return ""
    return "ŋ" if following in ("k", "ɡ") else "m" if following in ("p", "b") else "n"
