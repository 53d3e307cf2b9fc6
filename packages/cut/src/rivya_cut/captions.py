"""Captions: a text cut for reading, timed over speech, and as subtitle files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate, pairwise

from rivya_cut.drawing.bidi import in_direction_of
from rivya_cut.line_breaks import (
    GLUE,
    PHRASE_END,
    SENTENCE_END,
    graphemes,
    join_words,
    pieces,
    words_of,
)
from rivya_cut.subtitles import Cue

MAX_LINE, MAX_LINES = 42, 2
"""Characters in a line and lines in a caption, as subtitlers cut them."""

MIN_SECONDS, MAX_SECONDS = 0.8, 7.0
"""How long a caption stays."""

MAX_PACE = 17.0
"""Characters that a viewer reads in a second."""

GAP_SECONDS = 2 / 24
"""Between two captions: two frames, so that the eye sees the change."""

MAX_GLANCE, MAX_GLANCE_WORDS = 16, 3
"""Characters and words that are read at a glance."""

# Of Unicode: of one character with its marks, where floods of marks are cut; and on average.
_MOST_CODES, _MEAN_CODES = 12, 5
_MOST_JOINED = 5  # words at a glance where no spaces part them
_LINGER_SECONDS = 0.25  # after its last word
_ABBREVIATION = re.compile(r"(?:\b[A-Za-z]|\b(?:Mr|Mrs|Ms|Dr|St|No|vs|approx|डॉ))\.$")

# A line breaks well before conjunctions, and badly after them, after words that lean on the next one,
# and before those that lean on the one before.
_WORDS = {
    "en": "and but or so because that which who when while where if as than until with without for from",
    "hi": "और या लेकिन मगर क्योंकि कि जो जब जहाँ तो ताकि अगर यदि तथा एवं बल्कि इसलिए",
    "leaning forward": "a an the of to in on at by my your our its his her their",
    "leaning back": "का के की को से में पर ने तक है हैं था थी थे हूँ हो भी ही साथ लिए बाद "
    "गया गई गए जाता जाती जाते रहा रही रहे होता होती होते चुका चुकी चुके सकता सकती सकते",
}
_SETS = {name: frozenset(words.split()) for name, words in _WORDS.items()}


def cut_text(text: str, language: str | None = None) -> tuple[str, ...]:
    """Cut a text into captions of at most two lines of 42 characters, and 500 codes of Unicode.

    A caption ends with a sentence where it can, then at punctuation, then before a conjunction. Short
    sentences share one. Lines are of similar length, joined by a line break. `language`, BCP 47,
    chooses the conjunctions; None: English and Hindi.
    """
    known = _SETS.get((language or "").split("-")[0].lower())
    conjunctions = known or _SETS["en"] | _SETS["hi"]
    captions: list[list[str]] = []
    for sentence in _sentences(_split_long(words_of(text))):
        for words in _cut(sentence, conjunctions):
            if captions and _ends(captions[-1]) and _length(captions[-1] + words) <= MAX_LINE:
                captions[-1] += words
            else:
                captions.append(words)
    return tuple(
        "\n".join(map(join_words, _lines(words, conjunctions) or ())) for words in captions
    )


def time_captions(
    texts: Sequence[str], spoken: Sequence[tuple[float, float]], seconds: float
) -> tuple[Cue, ...]:
    """Time captions over speech: each gets its share of the spoken time, by its characters.

    A caption ends at a pause if one is near. It stays for `MIN_SECONDS` to `MAX_SECONDS`, longer only while
    it is spoken, and for as long as reading it takes where the pause after it allows that. Where there are
    more captions than the film has room for, all get shorter.

    Args:
        texts: What is said, in order.
        spoken: Begin and end of each stretch of speech, in seconds; none: the whole film.
        seconds: Length of the film, above 0.

    Returns:
        A cue for each text, in order, without overlap, none after the end of the film; without those
        that would last no millisecond.
    """
    if not texts:
        return ()
    room = seconds / len(texts)
    gap = min(GAP_SECONDS, room / 5)
    least = min(MIN_SECONDS, room - gap)
    speech = _clip_intervals(spoken, seconds) or [(0.0, seconds)]
    starts, ends = _align([*map(letter_count, texts)], speech)
    latest = seconds - least
    for index in range(1, len(starts)):
        starts[index] = max(starts[index], starts[index - 1] + least + gap)
    for index in reversed(range(len(starts))):
        starts[index] = max(0.0, min(starts[index], latest))
        latest = starts[index] - least - gap
    cues = []
    for text, start, end, following in zip(
        texts, starts, ends, [*(start - gap for start in starts[1:]), seconds], strict=True
    ):
        wanted = max(
            end + _LINGER_SECONDS, start + MIN_SECONDS, start + letter_count(text) / MAX_PACE
        )
        end = min(wanted, following, max(end if spoken else 0.0, start + MAX_SECONDS))
        cues.append(Cue(round(start, 3), min(round(end, 3), seconds), text))
    return tuple(cue for cue in cues if cue.start < cue.end)


def time_words(cue: Cue, spoken: Sequence[tuple[float, float]]) -> Cue:
    """The cue with a time for each word: those that it has, or else shares of what is spoken in it.

    A word gets time by its characters, and a little for punctuation after it; a pause falls between
    two words.
    """
    words = words_of(cue.text)
    if len(cue.words) == len(words):
        known = (min(cue.end, max(cue.start, word)) for word in cue.words)
        return replace(cue, words=tuple(accumulate(known, max)))
    inside = [
        (begin - cue.start, end - cue.start)
        for begin, end in spoken
        if begin < cue.end and cue.start < end
    ]
    length = cue.end - cue.start
    speech = _clip_intervals(inside, length) or [(0.0, length)]
    starts, _ = _align([_weight(word) for word in words], speech)
    return replace(cue, words=tuple(round(cue.start + start, 3) for start in starts))


def part_cue(cue: Cue) -> list[Cue]:
    """A cue whose words are timed as several of one to three words that are read at a glance."""
    parts: list[list[str]] = []
    for word in words_of(cue.text):
        apart = [one for one in [*parts[-1], word] if not one.startswith(GLUE)] if parts else []
        if (
            not parts
            or len(apart) > MAX_GLANCE_WORDS
            or len(parts[-1]) == _MOST_JOINED
            or _length([*parts[-1], word]) > MAX_GLANCE
            or _pauses(parts[-1][-1])
        ):
            parts.append([])
        parts[-1].append(word)
    found: list[Cue] = []
    at = 0
    for words in parts:
        times, at = cue.words[at : at + len(words)], at + len(words)
        end = cue.words[at] if at < len(cue.words) else cue.end
        text = in_direction_of(cue.text, join_words(words))
        found.append(replace(cue, start=times[0], end=end, text=text, words=times))
    return [one for one in found if one.start < one.end]


def srt(cues: Iterable[Cue]) -> str:
    """A SubRip file."""
    blocks = []
    for number, cue in enumerate(cues, 1):
        # SRT has no escapes; an arrow would be read as times, an empty line as the end.
        text = _without_empty_lines(cue.text).replace("-->", "->")
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """A WebVTT file, as HTML `<track>` takes it."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        text = _without_empty_lines(cue.text).replace("&", "&amp;")
        text = text.replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{text}\n")
    return "\n".join(blocks)


def _length(words: Sequence[str]) -> int:
    return sum(map(letter_count, words)) + sum(not word.startswith(GLUE) for word in words[1:])


@lru_cache(maxsize=4096)
def letter_count(word: str) -> int:
    """Characters as they are read and spoken: one of Chinese, Japanese or Korean is two letters."""
    word = word.removeprefix(GLUE)
    wide = (1 + (unicodedata.east_asian_width(one[0]) in "WF") for one in graphemes(word))
    return max(sum(wide), -(-len(word) // _MEAN_CODES))


def _weight(word: str) -> int:
    """How long a word is spoken."""
    return (
        letter_count(word) + 1 + bool(PHRASE_END.search(word)) + 2 * bool(SENTENCE_END.search(word))
    )


def _pauses(word: str) -> bool:
    return bool(PHRASE_END.search(word) or SENTENCE_END.search(word))


def _ends(words: Sequence[str]) -> bool:
    return bool(SENTENCE_END.search(words[-1]))


def _split_long(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        short = "".join(one[:_MOST_CODES] for one in graphemes(word))
        yield from pieces(short, MAX_LINE, letter_count)


def _sentences(words: Iterable[str]) -> Iterable[list[str]]:
    sentence: list[str] = []
    for word in words:
        sentence.append(word)
        if SENTENCE_END.search(word) and not _ABBREVIATION.search(word):
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _break_cost(before: str, after: str, conjunctions: frozenset[str]) -> float:
    """How much a break between two words disturbs reading, 0 to 1."""
    if SENTENCE_END.search(before) or PHRASE_END.search(before):
        return 0.0
    if after.startswith(GLUE):
        return 0.9
    before, after = before.lower(), after.strip(",.;:!?।").lower()
    if before in _SETS["leaning forward"] | conjunctions or after in _SETS["leaning back"]:
        return 1.0
    return 0.2 if after in conjunctions else 0.6


def _lines(words: list[str], conjunctions: frozenset[str]) -> tuple[list[str], ...] | None:
    """The words in one line or two balanced ones; None if they do not fit."""
    if _length(words) <= MAX_LINE:
        return (words,)
    best: tuple[float, int] | None = None
    for at in range(1, len(words)):
        first, second = _length(words[:at]), _length(words[at:])
        if max(first, second) > MAX_LINE:
            continue
        cost = abs(first - second) / MAX_LINE * 2
        cost += _break_cost(words[at - 1], words[at], conjunctions)
        best = min(best or (cost, at), (cost, at))
    return best and (words[: best[1]], words[best[1] :])


def _cut(words: list[str], conjunctions: frozenset[str]) -> list[list[str]]:
    """A sentence as few captions of similar length, cut where it disturbs least."""
    ideal = _length(words) / max(1, -(-_length(words) // (MAX_LINE * MAX_LINES)))
    # For each number of words: the least cost of cutting them, and where the last cut is.
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(words) + 1):
        options = []
        for start in reversed(range(end)):
            part = words[start:end]
            if _length(part) > MAX_LINE * MAX_LINES + 1:
                break
            if start < end - 1 and _lines(part, conjunctions) is None:
                continue
            cost = best[start][0] + 2 + 2 * (_length(part) / ideal - 1) ** 2
            if end < len(words):
                cost += _break_cost(words[end - 1], words[end], conjunctions)
            options.append((cost, start))
        best.append(min(options))
    parts: list[list[str]] = []
    end = len(words)
    while end:
        parts.insert(0, words[best[end][1] : end])
        end = best[end][1]
    return parts


def _clip_intervals(
    spoken: Sequence[tuple[float, float]], seconds: float
) -> list[tuple[float, float]]:
    """The stretches inside the film, in order, those that touch as one."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(spoken):
        begin, end = max(0.0, begin), min(seconds, end)
        if found and begin <= found[-1][1] + 0.01:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif end - begin > 0.01:
            found.append((begin, end))
    return found


def _align(
    sizes: Sequence[int], speech: Sequence[tuple[float, float]]
) -> tuple[list[float], list[float]]:
    """Start and end of each text: its share of what is left of the speech, or up to a pause nearby."""
    total = sum(end - begin for begin, end in speech)
    pauses, voiced = [], 0.0  # spoken seconds before each pause, and its length
    for (begin, end), (following, _) in pairwise(speech):
        voiced += end - begin
        pauses.append((voiced, following - end))
    starts, ends, at, left = [], [], 0.0, max(1, sum(sizes))
    for index, size in enumerate(sizes):
        starts.append(_moment(at, speech, after=True))
        share = (total - at) * size / max(1, left)
        left -= size
        if index + 1 < len(sizes):
            near = min(1.2, max(0.25, 0.4 * share))
            # A longer pause draws from further away.
            options = [
                (abs(place - at - share) - 0.5 * min(length, 1.0), place)
                for place, length in pauses
                if abs(place - at - share) <= near and place > at
            ]
            at = min(options)[1] if options else at + share
        else:
            at = total
        ends.append(_moment(at, speech, after=False))
    return starts, ends


def _moment(voiced: float, speech: Sequence[tuple[float, float]], *, after: bool) -> float:
    """The second of the film at which so much was spoken: before a pause at that point, or after it."""
    for begin, end in speech:
        length = end - begin
        if voiced < length - 1e-9 or (not after and voiced <= length + 1e-9):
            return begin + max(0.0, voiced)
        voiced -= length
    return speech[-1][1]


def _without_empty_lines(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.strip())


def _clock(seconds: float, point: str) -> str:
    whole, millis = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{millis:03}"
