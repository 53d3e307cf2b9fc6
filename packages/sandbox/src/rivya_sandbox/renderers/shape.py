"""Values for a map of names and types, chosen by the names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rivya_sandbox.renderers import copywriting
from rivya_sandbox.renderers.brief import Brief
from rivya_sandbox.renderers.rating import Scale, scale_of
from rivya_sandbox.renderers.review import Review, of_text


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


Writer = Callable[[Brief, int], str]

_LIST_LENGTH = 3
_MOST_ENTRIES = 50
# Names joined by "+" belong together.
_WRITERS: tuple[tuple[str, Writer], ...] = (
    ("text+image text+picture text+screen overlay lettering", copywriting.overlay),
    ("subject+line email preheader", copywriting.subject_line),
    ("audience persona target", copywriting.audience),
    ("alt", copywriting.picture_text),
    ("benefit feature reason highlight usp point advantage", copywriting.benefit),
    ("subtitle subheading subhead subheadline", copywriting.tagline),
    ("description body paragraph intro blurb post article copy", copywriting.description),
    ("summary overview", copywriting.summary),
    ("link url website", lambda brief, index: "https://example.com"),
    ("narration voiceover voice vo script speech spoken line", copywriting.narration),
    ("visual shot scene image picture photo still frame prompt cover thumbnail artwork background",
     copywriting.shot),
    ("motion camera movement", copywriting.movement),
    ("title headline heading name", copywriting.headline),
    ("tagline slogan hook claim motto", copywriting.tagline),
    ("greeting wish welcome", copywriting.greeting),
    ("cta action button", copywriting.call_to_action),
    ("hashtag", lambda brief, index: f"#{copywriting.keyword(brief, index)}"),
    ("tag keyword topic", copywriting.keyword),
    ("product brand subject", lambda brief, index: brief.product),
    ("language lang locale", lambda brief, index: brief.language),
    ("mood tone style feeling", copywriting.mood),
    ("music sound soundtrack audio", copywriting.music),
    ("color colour palette", copywriting.colour),
    ("material fabric texture", copywriting.material),
    ("place location setting", copywriting.place),
    ("question", copywriting.question),
)  # fmt: skip
_KINDS = _set(
    "headline title tagline slogan caption description summary narration script post hook "
    "line greeting intro"
)
_NUMBERS = {"second": 5, "duration": 5, "price": 49, "year": 2026}
_SCORES = _set("score rating grade mark merit confidence probability")
_ENTRY = _set("candidate index number position option no id")
_BEST = _set("best winner choice chosen favourite favorite pick")
_PRAISE = _set(
    "ok okay approved approve good pass passed valid suitable accepted accept usable "
    "ready fit safe clear correct match keep publish"
)
_BLAME = _set(
    "problem issue error fault flaw defect violation weakness nsfw unsafe blocked flagged "
    "rejected reject failed cropped blurry redo retry regenerate watermark missing"
)
_VERDICT = _set("verdict decision judgement judgment")
_REASON = _set("reason why explanation rationale comment feedback remark justification")
_JUDGING = _SCORES | _ENTRY | _BEST | _PRAISE | _VERDICT
_REFUSING = _set("no reject rejected fail failed drop bad redo retry")
_COUNTS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_LANGUAGES = {"hi": "hi", "hindi": "hi", "en": "en", "english": "en"}
# Of which there is no copy: their texts are in English.
_OTHER_LANGUAGES = _set(
    "german french spanish italian portuguese tamil telugu bengali urdu marathi gujarati "
    "arabic chinese japanese translation"
)


@dataclass(frozen=True)
class Question:
    """What an answer is made from.

    Attributes:
        brief: Of the copy.
        message: Without the instruction about the shape; names counts, scales and choices.
        reviews: A judgement of each candidate, at least one.
        counted: Whether the message has several candidates, or pictures; else there is one text.
    """

    brief: Brief
    message: str
    reviews: tuple[Review, ...]
    counted: bool

    def review(self, index: int) -> Review:
        """The judgement of an entry; of entries that are not in the message, by their number."""
        if index < len(self.reviews):
            return self.reviews[index]
        return of_text(f"{self.message} {index}")


@dataclass(frozen=True)
class _Place:
    """Where a value goes.

    Attributes:
        siblings: The names beside it, its own included.
        index: From 0 within a list, so that neighbours differ.
        entries: The length of that list.
    """

    siblings: tuple[str, ...]
    index: int = 0
    entries: int = 1


def fill(shape: Mapping[str, Any], question: Question) -> dict[str, Any]:
    """A value of the requested type for every name of `shape`.

    Args:
        shape: Names with ``string integer number boolean``, ``[type]``, a nested map or a list of
            one map. An unknown type name is taken for text.
        question: What it is about.
    """
    return _map(shape, question, _Place(()))


def _map(shape: Mapping[str, Any], question: Question, place: _Place) -> dict[str, Any]:
    inside = replace(place, siblings=tuple(shape))
    return {name: _value(kind, name, question, inside) for name, kind in shape.items()}


def _value(kind: Any, name: str, question: Question, place: _Place) -> Any:
    if isinstance(kind, Mapping):
        return _map(kind, question, place)
    if isinstance(kind, list):
        return _list(kind[0], name, question, place) if kind else []
    words = frozenset(_words(name))
    if kind == "boolean":
        good = question.review(place.index).passes
        return not good if words & _BLAME else good if words & _PRAISE else True
    if kind in ("integer", "number"):
        number = _number(name, words, question, place)
        return round(number) if kind == "integer" else float(number)
    return _text(name, words, question, place)


def _list(kind: Any, name: str, question: Question, place: _Place) -> list[Any]:
    words = frozenset(_words(name))
    inner = frozenset(word for one in kind for word in _words(one)) if _is_map(kind) else words
    if kind == "string" and words & _BLAME:
        return list(question.review(place.index).faults)
    judged = inner & (_SCORES | {"candidate"} | _VERDICT)
    asked = count_asked(words, question.message)
    length = len(question.reviews) if judged and question.counted else asked or _LIST_LENGTH
    values: list[Any] = []
    for index in range(length):
        there = _Place(place.siblings, index, length)
        value = _value(kind, name, question, there)
        # Writers have only so many wordings.
        if isinstance(value, str) and value in values:
            value = f"{value} ({index + 1})" if " " in value else f"{value}{index + 1}"
        values.append(value)
    return values


def _is_map(kind: Any) -> bool:
    return isinstance(kind, Mapping)


def count_asked(words: Collection[str], message: str) -> int | None:
    """How many of something a message asks for ("five hashtags", "3 short scenes"), 1 to 50.

    Args:
        words: Its names; any of them.
        message: In any case.

    Returns:
        None if the message does not say.
    """
    lowered = message.lower().replace("colour", "color")
    for word in words:
        stem = re.escape(word.replace("colour", "color"))
        found = re.search(
            rf"\b(\d{{1,3}}|{'|'.join(_COUNTS)})[\s-]+(?:[^\W\d]+[\s-]+){{0,2}}?{stem}", lowered
        )
        if found:
            number = _COUNTS.get(found[1]) or int(found[1])
            return min(max(number, 1), _MOST_ENTRIES)
    return None


def _number(name: str, words: frozenset[str], question: Question, place: _Place) -> float:
    number = _number_in_brief(words, question.brief)
    if number is not None:
        return number
    merits = [review.merit for review in question.reviews]
    merit = question.review(place.index).merit
    if "rank" in words:
        return 1 + sum(other > merit for other in merits)
    if words & _BEST:
        return 1 + merits.index(max(merits))
    if words & _ENTRY and not words & _SCORES:
        return place.index + 1
    scale = scale_of(question.message, sorted(words))
    if words & _SCORES or scale is not None:
        unit = Scale(0, 1) if words & {"confidence", "probability"} else Scale(0, 10)
        return (scale or unit).score(merit)
    if words & {"second", "duration"}:
        total = re.search(r"(\d{1,3})[\s-]*(?:s\b|sec)", question.message.lower())
        return round(int(total[1]) / place.entries, 1) if total else _NUMBERS["second"]
    usual = next((_NUMBERS[word] for word in _words(name) if word in _NUMBERS), 3)
    return usual + place.index


def _number_in_brief(words: frozenset[str], brief: Brief) -> float | None:
    """A number from the brief, or None."""
    if words & {"price", "cost", "amount", "mrp"}:
        return brief.price
    if words & {"discount", "percent", "percentage", "reduction"}:
        return brief.per_cent
    return None


def _text(name: str, words: frozenset[str], question: Question, place: _Place) -> str:
    judged = any(_JUDGING.intersection(_words(one)) for one in place.siblings)
    review = question.review(place.index)
    if words & _REASON and judged:
        return review.reason
    if words & _BLAME:
        return review.faults[0] if review.faults else "none"
    if words & _VERDICT:
        return _verdict(question.message, review.passes)
    if question.counted and words & (_BEST | {"candidate"}):
        merits = [one.merit for one in question.reviews]
        return str((merits.index(max(merits)) if words & _BEST else place.index) + 1)
    if choice := _one_of(words, question):
        return choice
    brief = _in_language(name, question)
    write = _writer(words)
    if write is None and words & (_LANGUAGES.keys() | _OTHER_LANGUAGES):
        beside = (_writer(frozenset(_words(one))) for one in place.siblings)
        write = next(filter(None, beside), None) or _named_writer(question.message)
    return (write or copywriting.caption)(brief, place.index)


def _writer(words: frozenset[str]) -> Writer | None:
    for names, write in _WRITERS:
        if any(words.issuperset(one.split("+")) for one in names.split()):
            return write
    return None


def _named_writer(message: str) -> Writer | None:
    """The writer of the first kind of text that a message names."""
    return next((_writer(frozenset([word])) for word in _words(message) if word in _KINDS), None)


def _verdict(message: str, good: bool) -> str:
    """One of two words that a message offers ("keep or drop"), or "approved" or "rejected"."""
    offered = re.search(
        r"(?:answer|verdict|decision|say|either|with|:)\s+[\"'“]?(\w{2,20})[\"'”]?\s*(?:/|\bor\b)"
        r"\s*[\"'“]?(\w{2,20})",
        message.lower(),
    )
    if not offered:
        return "approved" if good else "rejected"
    first, second = offered.groups()
    if first in _REFUSING:
        first, second = second, first
    return first if good else second


def _one_of(words: frozenset[str], question: Question) -> str | None:
    """One of the values that a message lists for a field: "mood: one of calm, lively"."""
    for word in words:
        found = re.search(
            rf"\b{re.escape(word)}\w*\b[^.\n]{{0,20}}?\bone of:?\s+([^.;\n]{{3,200}})",
            question.message,
            re.IGNORECASE,
        )
        if found:
            listed = re.split(r",\s*(?:or\s+|and\s+)?|\s+or\s+|\s*/\s*", found[1])
            values = [value.strip(" \"'“”‘’()") for value in listed]
            values = [value for value in values if value]
            return values[question.brief.seed % len(values)] if values else None
    return None


def _in_language(name: str, question: Question) -> Brief:
    """The brief in the language of a field: by the end of its name, or as the message says."""
    words = _words(name)
    language = _LANGUAGES.get((words or [""])[-1])
    if language is None and _OTHER_LANGUAGES.intersection(words):
        language = "en"
    if language is None:
        language = _language_beside(words, question.message)
    return replace(question.brief, language=language) if language else question.brief


def _language_beside(words: Sequence[str], message: str) -> str | None:
    """The language that a message names beside a field: "a Hindi slogan", "narration in English"."""
    for word in words:
        name = re.escape(word)
        for pattern in (
            rf"\b(hindi|english)\s+(?:\w+\s+)?{name}",
            rf"\b{name}\w*\b[^.;:\n]{{0,40}}?\bin\s+(hindi|english)\b",
        ):
            if found := re.search(pattern, message, re.IGNORECASE):
                return _LANGUAGES[found[1].lower()]
    return None


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    found = re.findall(r"[a-z]+", spaced.lower())
    return [word if word.endswith("ss") else word.removesuffix("s") for word in found]
