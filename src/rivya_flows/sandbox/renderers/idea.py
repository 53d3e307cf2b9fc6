"""What a picture should show, read from the words of its prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from rivya_flows.sandbox.renderers.colour import shifted
from rivya_flows.sandbox.renderers.field import Field, seeded
from rivya_flows.sandbox.renderers.palettes import COLOURS, METALS, PALETTES, WORDS_OF_PALETTES
from rivya_flows.sandbox.renderers.things import (
    PASSING_WORDS,
    TURNED_OF_WORD,
    glyph_of,
    named_glyph,
)
from rivya_flows.sandbox.renderers.vocabulary import AT_HOME, EMPTY_WORDS, LOOKS, PLACES

_WORD = re.compile(r"[\w\u0900-\u097f]+(?:[-'][\w\u0900-\u097f]+)*")
_QUOTED = re.compile(r"[\"“”«»‘]([^\"“”«»]{2,40}?)[\"“”«»’]|(?<!\w)'([^']{2,40})'(?!\w)")
_NAME = re.compile(r"[A-Z][\w'-]+(?:\s+[A-Z][\w'-]+)*")
_NO_SUBJECTS = EMPTY_WORDS.union(
    PASSING_WORDS, COLOURS, *PLACES.values(), *LOOKS.values(), *WORDS_OF_PALETTES.values()
)
# A flower, and no colour ("rose gold") and nothing that the sun did.
_ROSE = re.compile(
    r"\b(an?|the|one|single|red|white|pink|yellow)\s+rose\b"
    r"(?=\s*(?:$|[,.;:!]|(?:in|on|with|at|and|from|under|beside|for)\b))"
)
_NEON_TURNS = (0.0, 1.9, -0.75, 3.0)  # radians: pink and cyan, amber, violet, green
_LAYOUTS = ("studio", "table", "gradient", "poster")


@dataclass(frozen=True)
class Idea:
    """One picture, before anything is drawn.

    Attributes:
        seed: As ordered.
        words: Of the prompt, in lower case.
        title: To be lettered: quoted words or the product's name; None without one.
        palette: Five display colours from dark to light, then two accents.
        colours: Display colours that the prompt names for the thing, at most two.
        cloth: Display colour of the silk that the prompt names ("on red silk"), or None.
        metal: True when the prompt names a metal.
        subject: ``("turned", kind)``, ``("glyph", character)`` or None.
        place: A key of `vocabulary.PLACES`, or None.
        looks: Keys of `vocabulary.LOOKS` that the prompt names.
        layout: ``studio table gradient poster neon silk view``.
    """

    seed: int
    words: tuple[str, ...]
    title: str | None
    palette: tuple[Field, ...]
    colours: tuple[Field, ...]
    cloth: Field | None
    metal: bool
    subject: tuple[str, str] | None
    place: str | None
    looks: frozenset[str]
    layout: str

    @property
    def names_colours(self) -> bool:
        """True when a word of the prompt calls for a palette or a colour."""
        known = set(self.words)
        return bool(self.colours) or any(known & words for words in WORDS_OF_PALETTES.values())

    @property
    def main_colour(self) -> Field:
        """Display colour of the thing itself."""
        return self.colours[0] if self.colours else self.palette[5]


def imagine(prompt: str, seed: int) -> Idea:
    """The picture that a prompt describes; what it leaves open is chosen by the seed.

    Neighbouring seeds differ in palette and layout, so that variants differ at a glance.
    """
    words = tuple(_WORD.findall(_joined(prompt.lower())))
    known = set(words)
    looks = frozenset(look for look, names in LOOKS.items() if known & names)
    if "neon" in looks:
        looks -= {"noir"}  # "neon noir" is dark, but not without colour
    subject = _subject(words)
    place = _place(words)
    cloths = [word for word, after in pairwise(words) if word in COLOURS and after in LOOKS["silk"]]
    things = [word for word in words if word not in cloths[:1]]
    return Idea(
        seed=seed,
        words=words,
        title=_title(prompt),
        palette=_palette(prompt, words, looks, seed),
        colours=tuple(COLOURS[word] for word in things if word in COLOURS)[:2],
        cloth=COLOURS[cloths[0]] if cloths else None,
        metal=bool(known & METALS),
        subject=subject,
        place=place,
        looks=looks,
        layout=_layout(looks, subject, place, seed),
    )


def _joined(text: str) -> str:
    """The text with names of things that two words make, or that are also verbs, as one word."""
    return _ROSE.sub(r"\1 roses", text.replace("ice cream", "icecream"))


def quoted_words(prompt: str) -> str | None:
    """The first words in quotation marks, 2 to 40 characters; None without any."""
    quoted = _QUOTED.search(prompt)
    return (quoted[1] or quoted[2]).strip() if quoted else None


def _title(prompt: str) -> str | None:
    if quoted := quoted_words(prompt):
        return quoted
    names = [
        match.group()
        for match in _NAME.finditer(prompt)
        if not _starts_sentence(prompt, match.start()) and match.group().lower() not in EMPTY_WORDS
    ]
    return max(names, key=len)[:28].strip() if names else None


def _starts_sentence(prompt: str, at: int) -> bool:
    before = prompt[:at].rstrip(" \"'“‘(")
    return not before or before[-1] in ".!?:\n"


def _palette(
    prompt: str, words: tuple[str, ...], looks: frozenset[str], seed: int
) -> tuple[Field, ...]:
    if "noir" in looks:
        return PALETTES["mono"]
    scores = {
        name: sum(word in names for word in words) for name, names in WORDS_OF_PALETTES.items()
    }
    fitting = sorted((name for name in scores if scores[name]), key=lambda name: -scores[name])[:4]
    others = [name for name in PALETTES if name not in fitting and name not in ("mono", "neon")]
    seeded("palettes", prompt).shuffle(others)
    pool = (
        ["neon"]
        if "neon" in looks
        else fitting
        if len(fitting) > 3
        else [*fitting, *others[: 4 - len(fitting)]]
    )
    # The layouts come round after four seeds; the palettes then start one further.
    chosen = PALETTES[pool[(seed + seed // 4) % len(pool)]]
    turn = float(seeded("hue", prompt, seed).normal(0, 0.06))
    if "neon" in looks:
        turn += _NEON_TURNS[seed % len(_NEON_TURNS)]
    return tuple(shifted(colour, hue=turn) for colour in chosen)


def _subject(words: tuple[str, ...]) -> tuple[str, str] | None:
    # What is named in passing ("travel poster of a sailboat") stands back.
    for word in (*(word for word in words if word not in PASSING_WORDS), *words):
        kind = TURNED_OF_WORD.get(word) or TURNED_OF_WORD.get(word.removesuffix("s"))
        # An oil lamp, or a lamp of a festival, is a diya and not a desk lamp.
        oil_lamp = {"oil", "lamps"} <= set(words) or {"oil", "lamp"} <= set(words)
        if (kind == "lamp" and PLACES["bokeh"].intersection(words)) or (
            kind in ("lamp", "dropper") and oil_lamp
        ):
            return "glyph", "🪔"
        if kind:
            return "turned", kind
        if word not in EMPTY_WORDS and (glyph := glyph_of(word)):
            return "glyph", glyph
    for word in words:
        if word not in _NO_SUBJECTS and (glyph := named_glyph(word)):
            return "glyph", glyph
    return None


def _place(words: tuple[str, ...]) -> str | None:
    scores = {place: sum(word in names for word in words) for place, names in PLACES.items()}
    best = max(scores, key=lambda place: scores[place])
    return best if scores[best] else None


def _layout(
    looks: frozenset[str], subject: tuple[str, str] | None, place: str | None, seed: int
) -> str:
    if "neon" in looks:
        return "neon"
    if subject is not None and "silk" in looks:
        return "silk"
    if subject is not None and "comic" in looks:
        return "poster"  # flat grounds; soft ones would break into blotches of colour
    for look, layout in (("studio", "studio"), ("poster", "poster"), ("gradient", "gradient")):
        if look in looks and subject is not None:
            return layout
    at_home = subject is None or subject[1] in AT_HOME.get(place or "", ())
    if subject is not None and seed % 4 == 3:
        # A place that the prompt names is mostly shown, and sometimes left to the words.
        return "poster"
    if place == "space" or (place is not None and at_home):
        return "view"
    if looks & {"street", "table"} or (place is not None and seed % 3):
        return "table"
    return _LAYOUTS[seed % len(_LAYOUTS)]
