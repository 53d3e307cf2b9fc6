"""Short advertising copy in English and Hindi, by rules, from the words of a brief."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

_DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_ASKS_HINDI = re.compile(r"\bhindi\b|\bin hi\b|\blanguage\b\W{0,3}hi\b|हिन्दी|हिंदी", re.IGNORECASE)
_ABOUT = re.compile(
    r"\b(?:for|about|introducing|launch of|advertis\w+)\s+(?:(?:a|an|the|our|my|new)\s+)*"
    r"(?P<product>[^:.;,!?\n—]{2,60})(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_ABOUT_HINDI = re.compile(
    r"(?P<product>[^:.;,!?।\n—]{2,60}?)\s+(?:के लिए|के बारे में)(?P<rest>.*)", re.DOTALL
)
_QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{2,60})[\"“”«»]")
_COUNT = re.compile(r"(\d{1,3})(?:\s|-)*(?:words?|शब्द)", re.IGNORECASE)
_LATIN_NAME = re.compile(r"\b[A-Z][\w'-]+(?:\s+[a-z]+(?=\W|$)){0,0}(?:\s+[A-Z][\w'-]+)*")
# What an instruction says to the writer and not about the product.
_TALK = re.compile(
    r"\b(?:write|answer|narrat\w*|words?|json|please|headline|caption|voice ?over|script|"
    r"description|language|hindi|english|keep|make it|use the|tagline|tags?)\b|लिखिए|लिखें|शब्द",
    re.IGNORECASE,
)
_DEFAULT_PRODUCT = {"en": "our new product", "hi": "हमारा नया उत्पाद"}


@dataclass(frozen=True)
class Brief:
    """What a message says about the thing to be advertised.

    Attributes:
        product: As the message names it.
        details: Short phrases of the message, such as ``quiet evening``; may be empty.
        language: ``en`` or ``hi``.
        words: How long a narration should be.
        seed: Chooses among equally good wordings.
    """

    product: str
    details: tuple[str, ...]
    language: str
    words: int
    seed: int


def understand(message: str, earlier: Sequence[str] = ()) -> Brief:
    """The brief in a message; what it lacks is taken from the newest of `earlier` that has it."""
    found = next((about for text in (message, *reversed(earlier)) if (about := _about(text))), None)
    language = "hi" if any(map(_speaks_hindi, (message, *earlier))) else "en"
    product, details = found or (_DEFAULT_PRODUCT[language], ())
    count = _COUNT.search(message)
    return Brief(
        product=product,
        details=details,
        language=language,
        words=min(max(int(count[1]), 4), 120) if count else 12,
        seed=int.from_bytes(hashlib.sha256(f"{product}\x1f{details}".encode()).digest()[:4]),
    )


def _speaks_hindi(text: str) -> bool:
    letters = len(re.findall(r"[^\W\d_]", text))
    # A name in Latin letters does not make a Hindi message English.
    return bool(_ASKS_HINDI.search(text)) or len(_DEVANAGARI.findall(text)) > 0.3 * max(letters, 1)


def _about(text: str) -> tuple[str, tuple[str, ...]] | None:
    quoted = _QUOTED.search(text)
    match = _ABOUT_HINDI.search(text) or _ABOUT.search(text)
    if match:
        named = quoted[1] if quoted else match["product"]
        return _clean(named), _details(match["rest"])
    if quoted:
        return _clean(quoted[1]), _details(text[quoted.end() :])
    names = [name for name in _LATIN_NAME.findall(text) if not _TALK.search(name)]
    if names:
        return max(names[1:] or names, key=len), _details(text)
    return None


def _clean(product: str) -> str:
    return re.split(r"\s+(?:in|with|that|which|and|using|on|at|as)\s+", product.strip(" '‘’*"))[0]


def _details(rest: str) -> tuple[str, ...]:
    pieces = re.split(r"[,.;:!?।\n—]+|\s+and\s+(?=\w+\s+\w+\s*[,.])", rest)
    phrases = [piece.strip(" '\"*-") for piece in pieces]
    return tuple(
        phrase
        for phrase in phrases
        if phrase and len(phrase.split()) <= 6 and not _TALK.search(phrase)
    )[:4]


_OPENINGS = {
    "en": ("Meet {product}.", "This is {product}.", "Say hello to {product}."),
    "hi": ("पेश है {product}।", "मिलिए {product} से।", "यह है {product}।"),
}
# By length, so that a narration of the asked number of words can be closed exactly.
_CLOSINGS = {
    "en": (
        "Yours.",
        "Made simple.",
        "Made for you.",
        "Make every moment yours.",
        "Good things start right here.",
        "It feels like coming home today.",
    ),
    "hi": (
        "आज ही।",
        "आपके लिए।",
        "हर दिन खास।",
        "आपके घर के लिए।",
        "हर पल को बनाए खास।",
        "आज ही अपने घर ले आइए।",
    ),
}
_FILLERS = {
    "en": ("Simple to love", "Ready when you are", "Made with care", "Small in size, big in joy",
           "For every day and every evening", "Nothing more, nothing less"),
    "hi": ("सादगी और सुंदरता", "हर घर की पसंद", "प्यार से बनाया हुआ", "छोटी सी चीज़, बड़ी सी खुशी",
           "हर सुबह और हर शाम", "बस इतना ही काफ़ी है"),
}  # fmt: skip
_SHOTS = (
    "Close-up of {product} on a table, {details}, soft shadows, shallow depth of field",
    "Low angle on {product} in the foreground, {details}, light falling from the left",
    "Wide shot with {product} at the centre, {details}, calm background, clear sky of one colour",
    "{product} seen from above, {details}, clean lines, generous empty space",
)
_MOVES = ("Slow push-in", "Slow pan to the right", "Gentle pull back", "Slow tilt up")
_TAGLINES = {
    "en": ("{detail}, every day.", "{detail}. Made for you.", "Feel it: {detail}."),
    "hi": ("{detail}, हर दिन।", "{detail}। आपके लिए।", "महसूस कीजिए: {detail}।"),
}
_ACTIONS = {
    "en": ("Discover it today", "Order yours now", "See it in your home"),
    "hi": ("आज ही देखिए", "अभी मंगाइए", "अपने घर ले आइए"),
}
_MOODS = {"en": ("warm and calm", "bright and lively", "quiet and elegant"),
          "hi": ("शांत और गर्मजोश", "चमकदार और जीवंत", "सादा और सुंदर")}  # fmt: skip
_MUSIC = ("calm piano and soft pads", "warm lo-fi with a light beat", "upbeat pop with plucks")
_COLOURS = ("gold", "teal", "coral", "navy", "cream", "emerald")
_PLAIN_DETAILS = {"en": ("warm light", "honest materials", "quiet moments"),
                  "hi": ("सुनहरी रोशनी", "सच्ची कारीगरी", "सुकून के पल")}  # fmt: skip


def narration(brief: Brief, index: int = 0) -> str:
    """A spoken text of `brief.words` words, or as near as whole phrases allow."""
    opening = _pick(_OPENINGS[brief.language], brief, index).format(product=_spoken(brief))
    closings = _CLOSINGS[brief.language]
    left = brief.words - len(opening.split())
    phrases: list[str] = []
    for phrase in [*_rotated(_details_of(brief), index), *_FILLERS[brief.language]]:
        size = len(phrase.split())
        if size < left - 1:
            phrases.append(phrase)
            left -= size
    closing = min(closings, key=lambda text: abs(len(text.split()) - left))
    stop = "।" if brief.language == "hi" else "."
    middle = _capital(", ".join(map(_lower_first, phrases))) + stop if phrases else ""
    return " ".join(part for part in (opening, middle, closing if left > 0 else "") if part)


def shot(brief: Brief, index: int = 0) -> str:
    """What a camera sees: the product, the details of the brief, the light."""
    details = ", ".join(map(_lower_first, brief.details or _PLAIN_DETAILS["en"]))
    return _capital(_rotated(_SHOTS, index)[0].format(product=_spoken(brief), details=details))


def movement(brief: Brief, index: int = 0) -> str:
    """How the camera moves."""
    return f"{_rotated(_MOVES, index)[0]} towards {_spoken(brief)}"


def headline(brief: Brief, index: int = 0) -> str:
    """The product, with a promise from the second one on."""
    return _capital(brief.product) if index == 0 else tagline(brief, index)


def tagline(brief: Brief, index: int = 0) -> str:
    """One short sentence on a detail of the brief."""
    detail = _rotated(_details_of(brief), index)[0]
    return _capital(_pick(_TAGLINES[brief.language], brief, index).format(detail=detail))


def caption(brief: Brief, index: int = 0) -> str:
    """Two short sentences for a post."""
    stop = "।" if brief.language == "hi" else "."
    return (
        f"{_capital(brief.product)}: {tagline(brief, index)} {call_to_action(brief, index)}{stop}"
    )


def call_to_action(brief: Brief, index: int = 0) -> str:
    """What the reader should do next."""
    return _pick(_ACTIONS[brief.language], brief, index)


def keyword(brief: Brief, index: int = 0) -> str:
    """One word or name to be found by, without spaces or ``#``."""
    words = [brief.product, *_details_of(brief), "campaign"]
    return re.sub(r"[^\w\u0900-\u097f]+", "", _rotated(words, index)[0].title())


def mood(brief: Brief, index: int = 0) -> str:
    """How it should feel."""
    return _pick(_MOODS[brief.language], brief, index)


def music(brief: Brief, index: int = 0) -> str:
    """What should play under it, in words that `music.compose` knows."""
    return _pick(_MUSIC, brief, index)


def colour(brief: Brief, index: int = 0) -> str:
    """The name of a colour."""
    return _pick(_COLOURS, brief, index)


def short_answer(brief: Brief) -> str:
    """Copy without an asked shape; its first line says where it comes from."""
    return (
        "[Sandbox answer: written by simple rules, not by a language model.]\n"
        f"Headline: {headline(brief)}\n"
        f"Shot: {shot(brief)}\n"
        f"Narration: {narration(brief)}\n"
        f"Call to action: {call_to_action(brief)}"
    )


def _details_of(brief: Brief) -> tuple[str, ...]:
    """Details that can stand in a sentence of the brief's language."""
    hindi = brief.language == "hi"
    fitting = tuple(text for text in brief.details if bool(_DEVANAGARI.search(text)) == hindi)
    return fitting or _PLAIN_DETAILS[brief.language]


def _spoken(brief: Brief) -> str:
    """The product with an article where English wants one: before a common noun."""
    words = brief.product.split()
    plain = brief.language == "hi" or words[0].lower() in ("our", "your", "the", "a", "an", "my")
    return brief.product if plain or not words[-1].islower() else f"the {brief.product}"


def _pick(choices: Sequence[str], brief: Brief, index: int) -> str:
    return choices[(brief.seed + index) % len(choices)]


def _rotated(choices: Sequence[str], index: int) -> list[str]:
    at = index % len(choices)
    return [*choices[at:], *choices[:at]]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower_first(text: str) -> str:
    # "Warm light" may go on in a sentence as "warm light"; "LED light" and names keep their case.
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
