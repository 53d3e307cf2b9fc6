"""What a chat message says about the thing to be advertised."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

DEVANAGARI = re.compile(r"[\u0900-\u097f]")
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
_NAME = re.compile(r"\b[A-Z][\w'-]+(?:\s+[A-Z][\w'-]+)*")
# What an instruction says to the writer, not about the product.
_TALK = re.compile(
    r"\b(?:write|answer|narrat\w*|words?|json|please|headline|caption|voice ?over|script|visual|"
    r"greeting|description|language|hindi|english|keep|make it|use the|tagline|tags?|give me|"
    r"shorter|longer)\b|लिख|शब्द|दीजिए|दृश्य|कथन|वर्णन|विज्ञापन|अंग्रेज़ी|हिंदी",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^(?:भाव|mood|feeling|tone|style|brief)\s*", re.IGNORECASE)
_DEFAULT_PRODUCT = {"en": "our new product", "hi": "हमारा नया उत्पाद"}


@dataclass(frozen=True)
class Occasion:
    """A day that a campaign is made for.

    Attributes:
        names: As messages write it; the first in English, the second in Hindi.
        sights: What one sees then, in English.
        hindi_sights: The same in Hindi.
    """

    names: tuple[str, ...]
    sights: tuple[str, ...]
    hindi_sights: tuple[str, ...]


_OCCASIONS = (
    Occasion(("Diwali", "दिवाली", "दीपावली", "deepavali"), ("glowing diyas", "golden lights"),
             ("दीयों की जगमग", "अपनों का साथ")),
    Occasion(("Holi", "होली"), ("clouds of colour", "spring light"), ("रंगों की फुहार", "अपनों का साथ")),
    Occasion(("Eid", "ईद"), ("crescent moon", "lanterns"), ("चाँद की रोशनी", "मीठी सेवइयाँ")),
    Occasion(("Raksha Bandhan", "रक्षाबंधन", "राखी"), ("a bright rakhi", "family at home"),
             ("राखी का धागा", "भाई बहन का प्यार")),
    Occasion(("Navratri", "नवरात्रि", "दुर्गा पूजा"), ("swirling colours", "festive lights"),
             ("गरबे की धुन", "उत्सव के रंग")),
    Occasion(("Christmas", "क्रिसमस"), ("snow outside", "a lit tree"), ("सजा हुआ पेड़", "अपनों का साथ")),
)  # fmt: skip


@dataclass(frozen=True)
class Brief:
    """One thing to be advertised.

    Attributes:
        product: As the message names it.
        details: Short phrases of the message, such as ``quiet evening``; may be empty.
        language: ``en`` or ``hi``.
        words: How long a narration should be.
        occasion: The day it is for, or None.
        seed: Chooses among equally good wordings.
    """

    product: str
    details: tuple[str, ...]
    language: str
    words: int
    occasion: Occasion | None
    seed: int


def understand(message: str, earlier: Sequence[str] = (), fields: Sequence[str] = ()) -> Brief:
    """The brief in a message; what it lacks is taken from the newest of `earlier` that has it.

    Args:
        message: Without the instruction about the shape of the answer.
        earlier: User messages of the session, oldest first.
        fields: Names of the asked shape; a message may quote them, and they are no products.
    """
    texts = [_without_fields(text, fields) for text in (message, *reversed(earlier))]
    found = next((about for text in texts if (about := _about(text))), None)
    language = "hi" if any(map(_speaks_hindi, texts)) else "en"
    product, details = found or (_DEFAULT_PRODUCT[language], ())
    count = _COUNT.search(message)
    return Brief(
        product=product,
        details=details,
        language=language,
        words=min(max(int(count[1]), 4), 120) if count else 12,
        occasion=_occasion(" ".join(texts)),
        seed=int.from_bytes(hashlib.sha256(f"{product}\x1f{details}".encode()).digest()[:4]),
    )


def _without_fields(text: str, fields: Sequence[str]) -> str:
    for field in fields:
        text = re.sub(rf"[\"'“”`]{re.escape(field)}[\"'“”`]", " ", text)
    return text


def _speaks_hindi(text: str) -> bool:
    letters = len(re.findall(r"[^\W\d_]", text))
    # A name in Latin letters does not make a Hindi message English.
    return bool(_ASKS_HINDI.search(text)) or len(DEVANAGARI.findall(text)) > 0.3 * max(letters, 1)


def _occasion(text: str) -> Occasion | None:
    lowered = text.lower()
    return next(
        (one for one in _OCCASIONS if any(name.lower() in lowered for name in one.names)), None
    )


def _about(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Product and details of a text; None when it names no product."""
    quoted = _QUOTED.search(text)
    match = _ABOUT_HINDI.search(text) or _ABOUT.search(text)
    if match:
        # Quotation marks around the product win over what stands round them.
        named = quoted[1] if quoted and quoted.start() < match.end("product") else match["product"]
        return _clean(named), _details(match["rest"])
    if quoted:
        return _clean(quoted[1]), _details(text[quoted.end() :])
    names = [name for name in _NAME.findall(text) if not _TALK.search(name)]
    if names:
        return max(names[1:] or names, key=len), _details(text)
    return None


def _clean(product: str) -> str:
    bare = product.strip(" '‘’*\"“”")
    return re.split(r"\s+(?:in|with|that|which|and|using|on|at|as)\s+", bare)[0] or bare


def _details(rest: str) -> tuple[str, ...]:
    """Phrases of at most six words that speak of the product and not to the writer."""
    pieces = re.split(r"[,.;:!?।\n—]+|\s+and\s+(?=\w+\s+\w+\s*[,.])", rest)
    phrases = [_LABEL.sub("", piece.strip(" '\"*-")) for piece in pieces]
    return tuple(
        phrase
        for phrase in phrases
        if phrase and len(phrase.split()) <= 6 and not _TALK.search(phrase)
    )[:4]
