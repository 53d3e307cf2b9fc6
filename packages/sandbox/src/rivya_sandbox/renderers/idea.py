"""The content of a picture, parsed from its prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise, starmap
from unicodedata import normalize

from rivya_sandbox.renderers.colour import rgb
from rivya_sandbox.renderers.drawings import SCREEN
from rivya_sandbox.renderers.field import Field
from rivya_sandbox.renderers.naming import (
    brand_of,
    title_of,
    wants_no_letters,
    with_quotations,
    with_towns,
    without_quotations,
)
from rivya_sandbox.renderers.palette_choice import palette_for
from rivya_sandbox.renderers.palettes import COLOURS, METALS, WORDS_OF_PALETTES
from rivya_sandbox.renderers.things import (
    CONTAINERS,
    CONTENT_COLOURS,
    PASSING_WORDS,
    TURNED_OF_WORD,
    glyph_of,
    named_glyph,
)
from rivya_sandbox.renderers.vocabulary import (
    AMBIGUOUS,
    AT,
    AT_AFTER,
    AT_HOME,
    EMPTY_WORDS,
    INDOORS,
    LOOKS,
    OF_PLACES,
    PLACE_OF_HINT,
    PLACE_OF_NAME,
    TOWN,
    TOWNS,
    WILD,
    WITHOUT_GROUND,
)

_WORD = re.compile(r"[\w\u0900-\u097f]+(?:[-'][\w\u0900-\u097f]+)*")
# Names of two words, and their joined form.
_JOINED = {
    "ice cream": "icecream", "comic strip": "comicstrip", "enamel pin": "enamelpin",
    "lapel pin": "lapelpin", "credit card": "creditcard", "debit card": "debitcard",
    "washing machine": "washingmachine", "face wash": "facewash", "hand wash": "handwash", "coffee bean": "coffee", "phone case": "phone",
    "lavender field": "lavender meadow",
}  # fmt: skip
# Head words after another noun: a mango juice bottle is not a mango.
_WARES = frozenset(
    [
        "perfume",
        "serum",
        "shampoo",
        "honey",
        "wine",
        "beer",
        "cream",
        "candle",
        "juice",
        "jam",
        "pickle",
    ]
)
_HEADS = _WARES | frozenset(
    [
        *("bottle", "can", "jar", "ring", "cake", "cookie", "cookies", "shake", "smoothie"),
        *("packet", "packets", "pouch", "sachet", "पैकेट"),
    ]
)
_LEADS = _WARES | {"cup", "lamp"}  # which already say what a bottle or a jar after them is
_ON_SCREENS = frozenset(["app", "apps", "screen", "website", "ऐप"])  # not the back of a phone
_LIT = frozenset(
    ["light", "lights", "lighting", "hour", "glow", "sun", "sunlight", "sky", "evening", "tones"]
)
_OFFER = re.compile(r"\bflat[\s-]*(?=\d|rs\b|₹|lay\b)")  # a reduction, or seen from above
_GROUND = re.compile(r"\b([a-z]+)[ -](?:colou?red )?(?:background|backdrop|backgrounds)\b")
_NO_SUBJECTS = EMPTY_WORDS.union(
    PASSING_WORDS,
    COLOURS,
    PLACE_OF_NAME,
    PLACE_OF_HINT,
    *LOOKS.values(),
    *WORDS_OF_PALETTES.values(),
)
# A flower, and no colour ("rose gold") and nothing that the sun did.
_ROSE = re.compile(
    r"\b(an?|the|one|single|red|white|pink|yellow)\s+rose\b"
    r"(?=\s*(?:$|[,.;:!]|(?:in|on|with|at|and|from|under|beside|for)\b))"
)
_CLAUSE = re.compile(r"[,.;:!?|()\n।—]+")


@dataclass(frozen=True)
class Idea:
    """The description of one picture, before drawing.

    Attributes:
        seed: Of the request.
        words: Of the prompt without quotations, in lower case.
        title: Text to letter, which the prompt asks for; None without any.
        brand: Text of a label: the title, or the product's name; None without one.
        ground: Display colour that the prompt names for the background, or None.
        palette: Five display colours from dark to light, then two accents.
        colours: Display colours that the prompt names for the thing, at most two.
        cloth: Display colour of the silk that the prompt names ("on red silk"), or None.
        metal: True when the prompt names a metal.
        subject: ``("turned", kind)``, ``("glyph", character)`` or None.
        place: Of `vocabulary.PLACE_OF_NAME`, or None.
        looks: Keys of `vocabulary.LOOKS` that the prompt names.
        layout: ``studio table gradient poster print neon silk view``.
    """

    seed: int
    words: tuple[str, ...]
    title: str | None
    brand: str | None
    ground: Field | None
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
        """Whether a word of the prompt calls for a palette or a colour."""
        known = set(self.words)
        return bool(self.colours) or any(known & words for words in WORDS_OF_PALETTES.values())

    @property
    def in_panels(self) -> bool:
        """Whether this is a comic strip, which needs a subject."""
        return "strip" in self.looks and self.subject is not None

    @property
    def main_colour(self) -> Field:
        """Display colour of the subject."""
        return self.colours[0] if self.colours else self.palette[5]


def imagine(prompt: str, seed: int) -> Idea:
    """The picture that a prompt describes.

    Its kind follows from the prompt alone, so that pictures of one campaign belong together; the
    seed turns the colours a little.
    """
    prompt = normalize("NFC", prompt)
    wordless = wants_no_letters(prompt)
    prompt = with_quotations(prompt)
    title = title_of(prompt)
    brand = None if wordless else title or brand_of(prompt)
    text = _join_names(with_towns(prompt).lower())
    # Quoted words are lettered and do not describe the picture.
    unquoted = without_quotations(text)
    ground = next((COLOURS[name] for name in _GROUND.findall(unquoted) if name in COLOURS), None)
    words = tuple(_WORD.findall(_GROUND.sub(" ", unquoted) if ground is not None else unquoted))
    known = set(words)
    described = tuple(_WORD.findall(_OFFER.sub(" ", unquoted)))
    looks = frozenset(look for look, names in LOOKS.items() if names.intersection(described))
    if "neon" in looks:
        looks -= {"noir"}  # "neon noir" is dark, but not without colour
    where = _place(_OFFER.sub(" ", unquoted))
    scenery = {where.word} | (LOOKS["blossom"] if where.named else frozenset())
    subject = _subject(tuple(word for word in described if word not in scenery)) or _subject(
        tuple(word for word in _WORD.findall(text) if word not in scenery)
    )
    layout = _layout(looks, subject, where, plain=ground is not None)
    if layout in ("neon", "studio", "gradient", "poster", "silk"):
        where = _NOWHERE
    place = where.place
    cloths = [word for word, after in pairwise(words) if word in COLOURS and after in LOOKS["silk"]]
    colours = [
        word
        for word, after in pairwise((*words, ""))
        if word in COLOURS and word not in cloths[:1] and after not in _LIT
    ]
    if "enamel" in looks:
        colours = [word for word in colours if word not in METALS]  # that of the outlines
    if "silk" in looks and not cloths and len(colours) > 1:
        cloths = colours[1:2]  # a watch on silk, gold and navy
    return Idea(
        seed=seed,
        words=words,
        title=title,
        brand=brand,
        ground=ground,
        palette=palette_for((subject, brand), _moods(words, place), looks, seed, ground),
        colours=tuple(COLOURS[word] for word in colours)[:2] or _of_content(subject, words),
        cloth=COLOURS[cloths[0]] if cloths else None,
        metal=bool(known & METALS),
        subject=subject,
        place=place,
        looks=looks,
        layout=layout,
    )


def _moods(words: tuple[str, ...], place: str | None) -> tuple[str, ...]:
    """The words that may colour a picture: outside, place and time have colours of their own."""
    if place is None or place in INDOORS:
        return words
    scenic = PLACE_OF_NAME.keys() | PLACE_OF_HINT.keys() | LOOKS["dusk"] | LOOKS["dawn"]
    scenic |= LOOKS["night"] | LOOKS["snow"] | LOOKS["rain"]
    return tuple(word for word in words if word not in scenic)


def _of_content(subject: tuple[str, str] | None, words: tuple[str, ...]) -> tuple[Field, ...]:
    """The colour of the content of a bottle or jar, if the prompt names a known one."""
    if subject is None or subject[1] not in CONTAINERS:
        return ()
    return tuple(rgb(CONTENT_COLOURS[word]) for word in words if word in CONTENT_COLOURS)[:1]


def _join_names(text: str) -> str:
    """The text with two-word names, and names that are also verbs, joined into one word."""
    for apart, together in _JOINED.items():
        text = text.replace(apart, together)
    return _ROSE.sub(r"\1 roses", text)


def _subject(words: tuple[str, ...]) -> tuple[str, str] | None:
    if head := next(filter(None, starmap(_find_head, pairwise(words))), None):
        words = (head, *words)
    known = set(words)
    oil_lamp = "oil" in known and bool(known & {"lamp", "lamps"})
    # Nouns named in passing ("travel poster of a sailboat") have lower priority.
    for word in (*(word for word in words if word not in PASSING_WORDS), *words):
        kind = TURNED_OF_WORD.get(word) or TURNED_OF_WORD.get(word.removesuffix("s"))
        # An oil lamp or a festival lamp is a diya, not a desk lamp.
        festive = any(PLACE_OF_HINT.get(one) == "bokeh" for one in known)
        if (kind == "lamp" and festive) or (kind in ("lamp", "dropper") and oil_lamp):
            return "glyph", "🪔"
        if kind:
            return "turned", kind
        if word not in EMPTY_WORDS and (glyph := glyph_of(word)):
            return "glyph", SCREEN if glyph == "📱" and known & _ON_SCREENS else glyph
    for word in words:
        if word not in _NO_SUBJECTS and (glyph := named_glyph(word)):
            return "glyph", glyph
    return None


def _find_head(before: str, word: str) -> str | None:
    """`word` if it is the head of the noun before it; else None."""
    if word not in _HEADS or (before in _LEADS and word not in _WARES):
        return None
    named = before in TURNED_OF_WORD or (before not in EMPTY_WORDS and glyph_of(before))
    return word if named else None


@dataclass(frozen=True)
class _Where:
    """A place, the word for it, and whether the prompt says that this is where the picture is."""

    place: str | None
    word: str | None = None
    named: bool = False


_NOWHERE = _Where(None)


def _place(text: str) -> _Where:
    """The place that a prompt names, the first of the clearest; else the one that its words suggest.

    "In a café" is clearer than "street style"; "kitchen knife" only suggests a place.
    """
    found: list[tuple[float, str]] = []
    hints: list[str] = []
    for clause in _CLAUSE.split(text):
        words = _WORD.findall(clause)
        for index, word in enumerate(words):
            if word in PLACE_OF_HINT:
                hints.append(PLACE_OF_HINT[word])
            if word not in PLACE_OF_NAME:
                continue
            after = words[index + 1] if index + 1 < len(words) else ""
            if after in PLACE_OF_NAME and word not in TOWNS:
                continue  # a city street
            thing = after in TURNED_OF_WORD or (after not in OF_PLACES and bool(glyph_of(after)))
            at = bool(AT.intersection(words[max(0, index - 4) : index])) or after in AT_AFTER
            if at and not thing:
                found.append((1.5 if word in TOWNS else 3, word))
            elif word in AMBIGUOUS:
                continue
            elif not thing and (not after or after in OF_PLACES):
                found.append((1.5 if word in TOWNS else 2, word))
            else:
                hints.insert(0, PLACE_OF_NAME[word])
    if found:
        clearest = max(score for score, _ in found)
        word = next(word for score, word in found if score == clearest)
        if word == TOWN and (natural := next((hint for hint in hints if hint in WILD), None)):
            return _Where(natural, named=True)  # a lighthouse in Maine
        return _Where(PLACE_OF_NAME[word], word, named=True)
    counts = {place: hints.count(place) for place in hints}
    return _Where(max(counts, key=lambda place: counts[place])) if counts else _NOWHERE


def _layout(
    looks: frozenset[str], subject: tuple[str, str] | None, where: _Where, *, plain: bool
) -> str:
    at_home = subject is None or subject[1] in AT_HOME.get(where.place or "", ())
    somewhere = where.place not in (None, "studio") and (where.named or at_home)
    if "enamel" in looks:
        return "gradient"
    if plain and subject is not None:  # on a background of one colour
        return "studio"
    if somewhere and looks & {"poster", "comic"}:
        return "print"
    if somewhere:
        return "view" if at_home or where.place in WITHOUT_GROUND else "table"
    if "neon" in looks:
        return "neon"
    if subject is not None and "silk" in looks:
        return "silk"
    if subject is not None and looks & {"poster", "comic"}:
        return "poster"  # flat grounds; soft ones would break into blotches of colour
    if "gradient" in looks and "studio" not in looks:
        return "gradient"
    return (
        "table" if where.place and not looks & {"studio"} and where.place != "studio" else "studio"
    )
