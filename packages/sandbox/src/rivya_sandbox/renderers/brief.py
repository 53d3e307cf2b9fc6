"""Extracts the brief from a chat message: product, audience, tone, price, occasion."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_ASKS_HINDI = re.compile(
    r"\bhindi\b|\bin hi\b|\bhi-in\b|\b(?:language|locale)(?:[ _]code)?\b\W{0,3}hi\b|हिन्दी|हिंदी",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_STOP = r":(?!\d)|[.,](?!\d)|[;!?।\n—]"  # ends a phrase; "4,999", "1.5" and "9:30" do not
_WORK = (
    r"(?:(?:\d+|one|two|three|four|five|six)[ -]?(?:seconds?|s|minutes?|words?)[ -])?(?:[\w-]{1,30} )?"
    r"(?:campaign|ad|advert|commercial|film|video|clip|post|poster|spot|carousel|slides?|stor(?:y|ies)"
    r"|storyboard|reel|blog|newsletter|email|podcast|episode|thumbnail|cover|moodboard|shoot|series"
    r"|article|guide|talk|landing page|banner)"
)
# Before a product, and what is made for it in between: "for a 15 second film about".
_LEAD = re.compile(
    r"\b(?:for|about|introducing|launch of|advertis\w+|promot\w+|moodboard of|campaign of"
    rf"|{_WORK} on)\s+"
    rf"(?:(?:a|an|the|our|my|this|new)\s+)*(?:{_WORK} (?:of|for|about|on)\s+(?:(?:a|an|the|our|my|this|new)\s+)*)?"
    r"(?=[^\s:.;,!?—])",
    re.IGNORECASE,
)
# Channels, and other words after "for" that are not a product.
_CHANNEL = re.compile(
    r"(?:instagram|facebook|linkedin|youtube|whatsapp|twitter|x|email|radio|tv|print|social|web\w*"
    r"|google|me|us|you|people|everyone|students|young|kids|children|men|women|each|every|all"
    r"|\d[\d,.]*)\b(?!['’])"
    r"|(?:[\w-]{1,30} )?(?:readers?|viewers?|image models?|designers?|editors?|runners?|brides|picture|frame"
    rf"|audience|homepage|billboard)\b|(?:{_WORK})(?=\s*(?:[.,;:!?]|$))",
    re.IGNORECASE,
)
_ABOUT_HINDI = re.compile(
    r"(?P<product>[^:.;,!?।\n—]{2,60}?)\s+(?:के लिए|के बारे में)(?P<rest>.*)", re.DOTALL
)
# The names of the product in a list of labels, the most telling first.
_LABELLED = tuple(
    re.compile(rf"\b(?:{names})\s*:\s*(?=\S)", re.IGNORECASE)
    for names in ("product|item", "campaign|launch", "brand|client", "brief")
)
_BRAND = re.compile(r"^\s*brand\s*:\s*([^.;,\n]{2,40})", re.IGNORECASE | re.MULTILINE)
_QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{2,60})[\"“”«»]|(?<!\w)['‘]([^'‘’]{2,60})['’](?!\w)")
_COUNT = re.compile(r"(\d{1,3})(?:\s|-)*(?:words?|शब्द)", re.IGNORECASE)
_NAME = re.compile(r"\b[A-Z][\w'-]+(?:\s+(?:[A-Z][\w'-]*|\d+))*")
_AUDIENCE = re.compile(r"\b(?:audience|target(?: group)?)\s*:\s*([^.;,\n]{2,60})", re.IGNORECASE)
_TONE = re.compile(r"\b(?:tone|mood|feeling)\s*:\s*([^.;,\n]{2,60})", re.IGNORECASE)
_PRICE = re.compile(r"(?:₹|Rs\.?|INR|\$|€|£)\s*(\d[\d,]{0,14}(?:\.\d{1,2})?)", re.IGNORECASE)
_PER_CENT = re.compile(r"(\d{1,2}(?:\.\d)?)\s*(?:%|per ?cent|प्रतिशत)", re.IGNORECASE)
# Words that instruct the writer and say nothing about the product.
_TALK = re.compile(
    r"\b(?:write|draft|create|suggest|answer|narrat\w*|words?|json|please|headlines?|caption"
    r"|voice ?over|script|visual|greeting|description|language|hindi|english|keep|make it|use the"
    r"|taglines?|tags?|summari[sz]e|give me|shorter|longer|we are|we're|audience|tone)\b"
    r"|लिख|शब्द|दीजिए|दृश्य|कथन|वर्णन|विज्ञापन|अंग्रेज़ी|हिंदी",
    re.IGNORECASE,
)
# Sentences to the writer.
_INSTRUCTS = re.compile(
    r"^\W*(?:(?:please|then|also|and|finally)\s+)*"
    r"(?:give|write|answer|draft|create|suggest|propose|list|return|reply|respond|describe|make"
    r"|keep|use|include|add|score|rate|judge|check|say|tell|explain|choose|pick|plan|translate"
    r"|summari[sz]e|do not|don['’]t|avoid|mention|put|limit|output|format|each|every|for each"
    r"|you are|you['’]re|act as|think|here is|here['’]s|be (?:brief|short|concrete)"
    r"|no (?:hashtags?|emojis?|text|letters|logos?)|what|which|is|are|does|do|can|should)\b"
    r"|\b(?:ad|advert|text|copy|post|film|video|picture|image|caption|voice|answer|it)\s+"
    r"(?:should|must|needs? to|has to)\b",
    re.IGNORECASE,
)
_ASKED_THING = re.compile(
    r"^(?:and\s+)?(?:an?|the|one|two|three|four|five|six|\d+)\s+(?:[\w-]+\s+){0,2}?"
    r"(?:titles?|covers?|thumbnails?|prompts?|sentences?|scores?|reasons?|hashtags?|slogans?|paragraphs?"
    r"|scenes?|shots?|call to action|hooks?|bod(?:y|ies)|translations?|ideas?|visuals?|names?)\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"^(?:(?:the|our|its|these|this)\s+(?:[\w-]+\s+){1,3}?|(?:it|they)\s+)"
    r"(?:is|are|has|have|comes? with)\s+",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"(?:hi|hello|hey|thanks?|thank you|ok|okay|yes|no|good|nice|great|again|more|नमस्ते|धन्यवाद)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^(?:(?:भाव|mood|feeling|tone|style|brief|(?:key )?message|offer|usp|features?|benefits?"
    r"|please|mention|include|highlight|emphasi[sz]e|say|add|and|that|which|it)\b[:\s]*)+",
    re.IGNORECASE,
)
# Separates a product from its description; only text after the first three is used.
_PARTED = re.compile(
    r"\s+(?:(?P<description>that|which|with)|for|in|and|using|on|at|as|to)\s+(?P<rest>.*)",
    re.DOTALL,
)
_DEFAULT_PRODUCT = {"en": "our new product", "hi": "हमारा नया उत्पाद"}


@dataclass(frozen=True)
class Occasion:
    """A day that a campaign is made for.

    Attributes:
        names: As in messages; the first in English, the second in Hindi.
        sights: Typical sights, in English.
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
    """One product to advertise.

    Attributes:
        product: As the message names it.
        details: Short phrases of the message, such as ``quiet evening``; may be empty.
        language: ``en`` or ``hi``.
        words: How long a narration should be.
        occasion: The day it is for, or None.
        topic: Whether it is a matter to speak about, and no product to sell.
        seed: Chooses among equivalent wordings.
        named: False if no message names a product.
        audience: In the words of the message, or None.
        tone: In the words of the message, or None.
        price: In any currency, or None.
        per_cent: A discount, or None.
    """

    product: str
    details: tuple[str, ...]
    language: str
    words: int
    occasion: Occasion | None
    seed: int
    named: bool = True
    topic: bool = False
    audience: str | None = None
    tone: str | None = None
    price: float | None = None
    per_cent: float | None = None


def understand(message: str, earlier: Sequence[str] = (), fields: Sequence[str] = ()) -> Brief:
    """The brief of a message; missing parts come from the latest message of `earlier` that has them.

    Args:
        message: Without the instruction about the shape of the answer.
        earlier: User messages of the session, oldest first.
        fields: Names of the requested schema, which a message may quote; they are not products.
    """
    texts = [
        _SPACE.sub(lambda run: "\n" if "\n" in run[0] else " ", _without_fields(text, fields))
        for text in (message, *reversed(earlier))
    ]
    # Quotation marks or asterisks alone are not a product.
    found = next((about for text in texts if (about := _about(text)) and about[0].strip()), None)
    language = "hi" if any(map(_speaks_hindi, texts)) else "en"
    product, details = found or (_DEFAULT_PRODUCT[language], ())
    count = _COUNT.search(message)
    length = 8 if re.search(r"\bshorter\b", message) else 20 if "longer" in message else 12
    everything = "\n".join(texts)
    return Brief(
        product=product,
        details=details,
        language=language,
        words=min(max(int(count[1]), 4), 120) if count else length,
        occasion=_occasion(" ".join(texts)),
        seed=int.from_bytes(hashlib.sha256(f"{product}\x1f{details}".encode()).digest()[:4]),
        named=found is not None,
        topic=_is_topic(product, texts),
        audience=_first(_AUDIENCE, everything) or _audience(everything),
        tone=_first(_TONE, everything),
        price=_number(_first(_PRICE, everything)),
        per_cent=_number(_first(_PER_CENT, everything)),
    )


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1].strip() if found else None


def _is_topic(product: str, texts: Sequence[str]) -> bool:
    """Whether a product is a matter: a question, or what "an episode about bees" is about."""
    if product.endswith("?"):
        return True
    matter = re.compile(rf"\b{_WORK} (?:about|on)\s+{re.escape(product)}", re.IGNORECASE)
    return product.islower() and any(map(matter.search, texts))


def _number(text: str | None) -> float | None:
    return float(text.replace(",", "")) if text else None


def _audience(text: str) -> str | None:
    """The audience of a product: "an app for young families"."""
    found = re.search(
        r"\bfor ((?:young|busy|new|small|working|urban|first|city)\b[^.;,:\n]{2,40}"
        r"|(?:students|kids|children|men|women|parents|families|commuters)\b)",
        text,
        re.IGNORECASE,
    )
    return found[1].strip() if found else None


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
    if match := _ABOUT_HINDI.search(text):
        # A quoted product wins over the words around it.
        inside = quoted is not None and quoted.start() < match.end("product")
        named = _inner(quoted) if quoted and inside else match["product"]
        return _without_occasion(named), _details(match["rest"])
    for lead in (*(label.search(text) for label in _LABELLED), *_LEAD.finditer(text)):
        if lead is None or _CHANNEL.match(text, lead.end()):
            continue
        if quoted and quoted.start() < lead.start() < quoted.end():
            continue
        if quoted and lead.end() <= quoted.start() <= lead.end() + 1:
            return _inner(quoted), _details(text[quoted.end() :])
        product, details = _split_details(text[lead.end() :])
        return _add_brand(product, text), details
    if quoted:
        before = text[: quoted.start()].rpartition(":")[2]
        return _inner(quoted), _details(f"{before}, {text[quoted.end() :]}")
    _, colon, rest = text.partition(":")
    if colon and re.match(r"\s+\S", rest) and not text.rstrip().endswith("?"):
        return _split_details(rest)
    if _is_question(text):
        return None
    names = [
        found
        for found in _NAME.finditer(text)
        if not _TALK.search(found[0]) and (" " in found[0] or not _starts_sentence(text, found))
    ]
    if not names:
        return _bare(text)
    name = max(names, key=lambda found: len(found[0]))
    return _split_details(name[0] + text[name.end() :])


def _add_brand(product: str, text: str) -> str:
    """The product with the brand that a list of labels names before it."""
    brand = _first(_BRAND, text)
    return f"{brand} {product}" if brand and brand.lower() not in product.lower() else product


def _bare(text: str) -> tuple[str, tuple[str, ...]] | None:
    """A message that is only a product and its description: "a lamp, warm light"."""
    end = re.search(_STOP, text)
    phrase = text[: end.start()] if end else text
    phrase = re.sub(r"^(?:a|an|the|our|my|new)\s+|\s+(?:launch|campaign|ad)$", "", phrase.strip())
    if not re.search(r"[^\W\d_]{3}", phrase) or len(phrase.split()) > 5:
        return None
    if _TALK.search(phrase) or _GREETING.match(phrase):
        return None
    return _split_details(f"{phrase}, {text[end.end() :]}" if end else phrase)


def _inner(quoted: re.Match[str]) -> str:
    return (quoted[1] or quoted[2]).strip()


def _is_question(text: str) -> bool:
    return text.rstrip().endswith("?") and not re.search(r"\b(?:you|write|copy|ad)\b", text)


def _starts_sentence(text: str, found: re.Match[str]) -> bool:
    before = text[: found.start()].rstrip(" \"'“‘(")
    return not before or before[-1] in ".!?:\n"


def _without_occasion(product: str) -> str:
    """The product without a leading "on Diwali", which the occasion covers."""
    names = "|".join(name for one in _OCCASIONS for name in one.names)
    return re.sub(rf"^(?:{names})\s+(?:पर|में)\s+", "", product.strip(" '‘’*\"“”"))


def _split_details(text: str) -> tuple[str, tuple[str, ...]]:
    """The product that a text begins with, and the details that follow."""
    end = re.search(_STOP, text)
    phrase, rest = (text[: end.start()], text[end.end() :]) if end else (text, "")
    product = " ".join(re.sub(r"(?<!\w)['‘]|['’](?!\w)|[*\"“”]", "", phrase).split())
    product = re.split(r"\s+(?:from|out of)\s+\d|\s+and\s+(?:say|give|tell|write|add)\b", product)[
        0
    ]
    if named := re.fullmatch(r"(.+?)\s+(?:called|named)\s+(.+)", product):
        product = f"{named[2]} {named[1]}"
    if parted := _PARTED.search(product):
        if parted["description"] and len(parted["rest"].split()) <= 7:
            rest = f"{parted['rest']}, {rest}"
        product = product[: parted.start()]
    return " ".join(product.split()[:8]), _details(rest)


def _details(rest: str) -> tuple[str, ...]:
    """Phrases of at most seven words that describe the product."""
    # Whose values are found elsewhere.
    rest = _TONE.sub(" ", _AUDIENCE.sub(" ", rest))
    sentences = re.split(r"(?<=[.!?।])\s+|\n", rest)
    details = ", ".join(one for one in sentences if not _INSTRUCTS.search(one))
    pieces = re.split(rf"(?:{_STOP})+|\s+and\s+(?=\w+\s+\w+\s*[,.])", details)
    phrases = [_LABEL.sub("", piece.strip(" '\"*-•")).strip() for piece in pieces]
    phrases = [_SUBJECT.sub("", phrase) for phrase in phrases]
    return tuple(
        phrase
        for phrase in phrases
        if phrase
        and len(phrase.split()) <= 7
        and not _TALK.search(phrase)
        and not _ASKED_THING.match(phrase)
    )[:4]
