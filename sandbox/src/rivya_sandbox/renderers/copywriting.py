"""Short advertising copy in English and Hindi, by rules, from the words of a brief."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rivya_sandbox.renderers.brief import DEVANAGARI, Brief
from rivya_sandbox.renderers.palettes import COLOURS

_OPENINGS = {
    "en": ("Meet {product}.", "Introducing {product}.", "Say hello to {product}."),
    "hi": ("पेश है {product}।", "मिलिए {product} से।", "यह है {product}।"),
}
# By length, so that a narration can reach the requested number of words exactly.
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
_SCENES = (
    "A bright scene that stands for {product}, {details}, natural light, shallow depth of field",
    "Wide view of {product}, {details}, calm background, clear sky of one colour",
    "A quiet moment with {product}, {details}, light falling from the left, generous empty space",
)
# What cannot stand on a table.
_NO_OBJECTS = frozenset(
    [
        "app",
        "bank",
        "brand",
        "cafe",
        "campaign",
        "class",
        "club",
        "company",
        "course",
        "event",
        "festival",
        "hotel",
        "insurance",
        "loan",
        "offer",
        "platform",
        "plan",
        "resort",
        "restaurant",
        "sale",
        "school",
        "service",
        "shop",
        "show",
        "store",
        "subscription",
        "studio",
        "tour",
        "trip",
        "website",
        "workshop",
        "दुकान",
        "सेल",
        "ऐप",
        "सेवा",
        "कोर्स",
        "स्कूल",
        "होटल",
    ]
)
_UNSEEN = re.compile(
    r"[\d₹$€£%]|\b(?:price|off|order|free|deliver\w*|discount|offer|warranty|guarantee|launch|call"
    r"|book|visit|download|whatsapp|message|range|hours?)\b",
    re.IGNORECASE,
)
_DEED = re.compile(
    r"(?:order|call|book|visit|download|shop|buy|join|sign up|register|subscribe|try)\b"
    r"|अभी |आज ही ",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"^(?:keeps|makes|lasts|gives|helps|works|comes|saves|fits|feels|stays|is|has)\b"
)
_TAGLINES = {
    "en": ("{detail}. Made for you.", "Say yes to {lower}.", "{detail}, and nothing less."),
    "hi": ("{detail}, हर दिन।", "{detail}। आपके लिए।", "{detail}, बस और क्या चाहिए।"),
}
_ACTIONS = {
    "en": ("Discover more today", "Order yours now", "See for yourself"),
    "hi": ("आज ही देखिए", "अभी मंगाइए", "अपने घर ले आइए"),
}
# By a word of the product, the verb for using it.
_SPECIAL_ACTIONS = (
    ("app", ("Download it today", "Get the app", "Try it free today")),
    ("sale offer store shop", ("Shop the offer today", "Visit us today", "Save now")),
    ("club class course event festival school workshop show",
     ("Join us today", "Save your place", "Be part of it")),
    ("hotel resort restaurant cafe tour trip", ("Book your table", "Plan your visit", "Book now")),
    ("bank insurance loan plan platform service subscription website",
     ("Find out more", "Start today", "Talk to us today")),
    ("दुकान सेल", ("आज ही आइए", "अभी खरीदिए", "आपका इंतज़ार है")),
)  # fmt: skip
_MOODS = {"en": ("warm and calm", "bright and lively", "quiet and elegant"),
          "hi": ("शांत और गर्मजोश", "चमकदार और जीवंत", "सादा और सुंदर")}  # fmt: skip
_MUSIC = ("calm piano and soft pads", "warm lo-fi with a light beat", "upbeat pop with plucks")
_COLOURS = ("gold", "teal", "coral", "navy", "cream", "emerald")
_MATERIALS = ("oak", "brass", "linen", "glass", "ceramic", "paper")
_KNOWN_MATERIALS = (
    *_MATERIALS,
    "wood",
    "steel",
    "silk",
    "cotton",
    "leather",
    "wool",
    "clay",
    "gold",
    "silver",
    "copper",
    "marble",
    "bamboo",
    "plastic",
    "stone",
    "jute",
)
_KEYWORDS = (
    "new",
    "today",
    "design",
    "everyday",
    "madewithcare",
    "discover",
    "ideas",
    "inspiration",
)
_PLACES = ("a quiet room with a large window", "a street in the early morning",
           "a kitchen table", "a garden in the evening")  # fmt: skip
# Of later rounds of shots, so that a long list repeats none.
_LIGHTS = ("", "in morning light", "at dusk", "under an overcast sky", "lit from behind",
           "by candlelight", "in hard noon light")  # fmt: skip
_PLAIN_SIGHTS = ("warm light", "honest materials", "quiet moments")
_TOPIC_OPENINGS = (
    "Let us talk about {product}.",
    "A closer look at {product}.",
    "This is about {product}.",
)
_TOPIC_ACTIONS = ("Find out more", "Try it yourself", "Start today")
_TOPIC_DETAILS = ("small steps every day", "what matters most", "where to begin")
# Details that an English brief often has, for its copy in Hindi.
_IN_HINDI = {
    "warm light": "गुनगुनी रोशनी", "soft light": "मद्धम रोशनी", "quiet evening": "शांत शाम",
    "oak": "ओक की लकड़ी", "brass": "पीतल की चमक", "oak and brass": "ओक और पीतल", "silk": "रेशम का स्पर्श",
    "clay cup": "मिट्टी का कुल्हड़", "clay cups": "मिट्टी के कुल्हड़", "steam": "उठती भाप",
    "rainy evening": "बारिश की शाम", "deep bass": "गहरा बेस", "dark roast": "गहरा भुना स्वाद",
    "handmade": "हाथ से बना", "made by hand": "हाथ से बना", "natural": "प्राकृतिक", "organic": "जैविक",
    "no added sugar": "बिना चीनी", "fresh": "ताज़गी", "fast": "तेज़ रफ़्तार", "free delivery": "मुफ़्त डिलीवरी",
    "no paperwork": "बिना काग़ज़ी काम", "instant loans": "तुरंत लोन", "quiet": "बिना शोर",
}  # fmt: skip
_PLAIN_DETAILS = {"en": ("good things every day", "honest care", "moments that stay"),
                  "hi": ("छोटी-छोटी खुशियाँ", "सच्ची कारीगरी", "सुकून के पल")}  # fmt: skip


def narration(brief: Brief, index: int = 0) -> str:
    """A spoken text of `brief.words` words, or as near as whole phrases allow."""
    opening = _opening(brief, index)
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


def _opening(brief: Brief, index: int) -> str:
    topic = brief.topic and brief.language == "en"
    choices = _TOPIC_OPENINGS if topic else _OPENINGS[brief.language]
    return _pick(choices, brief, index).format(product=_spoken(brief))


def shot(brief: Brief, index: int = 0) -> str:
    """A scene for an image model, in English: the product, the details of the brief, the light.

    A product name in another script is quoted, so that it is lettered and not translated.
    """
    details = ", ".join(map(_lower_first, _sights(brief) or _PLAIN_SIGHTS))
    foreign = DEVANAGARI.search(brief.product)
    product = f"'{brief.product}'" if foreign else _spoken(replace(brief, language="en"))
    unseen = brief.topic or _NO_OBJECTS & set(brief.product.lower().split())
    kinds = _SCENES if unseen else _SHOTS
    light = _LIGHTS[index // len(kinds) % len(_LIGHTS)]
    scene = _capital(_rotated(kinds, index)[0].format(product=product, details=details))
    return f"{scene}, {light}" if light else scene


def _sights(brief: Brief) -> tuple[str, ...]:
    """Visible details of the brief and its occasion, in English; may be empty."""
    sights = tuple(
        text
        for text in brief.details
        if not (DEVANAGARI.search(text) or _UNSEEN.search(text) or _VERB.match(text.lower()))
    )
    return (*sights[:2], *brief.occasion.sights) if brief.occasion else sights


def movement(brief: Brief, index: int = 0) -> str:
    """How the camera moves."""
    return f"{_rotated(_MOVES, index)[0]} towards {_spoken(brief)}"


def headline(brief: Brief, index: int = 0) -> str:
    """The product, followed by a promise from the second headline on."""
    return _capital(brief.product) if index == 0 else tagline(brief, index)


def tagline(brief: Brief, index: int = 0) -> str:
    """One short sentence on a detail of the brief."""
    detail = _rotated(_details_of(brief), index)[0]
    choices: Sequence[str] = _TAGLINES[brief.language]
    if _VERB.match(detail.lower()):
        choices = choices[:1]
    chosen = _pick(choices, brief, index + index // len(_details_of(brief)))
    return _capital(chosen.format(detail=_capital(detail), lower=_lower_first(detail)))


def caption(brief: Brief, index: int = 0) -> str:
    """Two short sentences for a post."""
    stop = "।" if brief.language == "hi" else "."
    return (
        f"{_capital(brief.product)}: {tagline(brief, index)} {call_to_action(brief, index)}{stop}"
    )


def subject_line(brief: Brief, index: int = 0) -> str:
    """The subject line of an email: the product and one detail."""
    detail = _rotated(_details_of(brief), index)[0]
    return f"{_capital(brief.product)}: {_lower_first(detail)}"


def description(brief: Brief, index: int = 0) -> str:
    """Three sentences: what it is, what it has, what to do."""
    stop = "।" if brief.language == "hi" else "."
    opening = _opening(brief, index)
    middle = _capital(", ".join(map(_lower_first, _rotated(_details_of(brief), index))))
    return f"{opening} {middle}{stop} {call_to_action(brief, index)}{stop}"


def summary(brief: Brief, index: int = 0) -> str:
    """The product and all its details."""
    stop = "।" if brief.language == "hi" else "."
    return f"{_capital(brief.product)}: {', '.join(map(_lower_first, _details_of(brief)))}{stop}"


def benefit(brief: Brief, index: int = 0) -> str:
    """One benefit of the product."""
    return _capital(_rotated([*_details_of(brief), *_FILLERS[brief.language]], index)[0])


def audience(brief: Brief, index: int = 0) -> str:
    """The target audience."""
    if brief.audience:
        return _capital(brief.audience)
    if brief.language == "hi":
        return f"जिन्हें {brief.product} पसंद आए"
    return f"People who would enjoy {_with_article(brief.product)}"


def picture_text(brief: Brief, index: int = 0) -> str:
    """Alternative text of a picture."""
    return ", ".join([_capital(brief.product), *map(_lower_first, _sights(brief))])


def greeting(brief: Brief, index: int = 0) -> str:
    """A greeting for the occasion of the brief, or a plain welcome."""
    hindi = brief.language == "hi"
    if brief.occasion is None:
        return "आपका स्वागत है।" if hindi else "Welcome, and enjoy."
    english, devanagari = brief.occasion.names[:2]
    return f"{devanagari} की हार्दिक शुभकामनाएँ।" if hindi else f"Happy {english} to all."


def call_to_action(brief: Brief, index: int = 0) -> str:
    """The call to action."""
    if asked := next(filter(_DEED.match, brief.details), None):
        return _capital(asked)  # the brief has its own
    if brief.topic and brief.language == "en":
        return _pick(_TOPIC_ACTIONS, brief, index)
    words = set(brief.product.lower().split())
    for names, actions in _SPECIAL_ACTIONS:
        if words.intersection(names.split()):
            return _pick(actions, brief, index)
    return _pick(_ACTIONS[brief.language], brief, index)


def overlay(brief: Brief, index: int = 0) -> str:
    """A few words to letter on a picture."""
    detail = _rotated([brief.product, *_details_of(brief)], index)[0]
    return " ".join(_capital(detail).split()[:5])


def question(brief: Brief, index: int = 0) -> str:
    """A question about the product."""
    detail = _lower_first(_rotated(_details_of(brief), index)[0])
    if brief.language == "hi":
        return f"{brief.product}: क्या आपने देखा?"
    return f"What would you do with {detail}?"


def material(brief: Brief, index: int = 0) -> str:
    """A material: one that the brief names, or another."""
    words = re.findall(r"[a-z]+", " ".join(brief.details).lower())
    named = [word for word in _KNOWN_MATERIALS if word in words]
    others = [one for one in _rotated(_MATERIALS, brief.seed) if one not in named]
    return _rotated([*named, *others], index)[0]


def place(brief: Brief, index: int = 0) -> str:
    """Where a scene is."""
    return _pick(_PLACES, brief, index)


def keyword(brief: Brief, index: int = 0) -> str:
    """One keyword, without spaces or ``#``."""
    parts = [word for word in brief.product.split() if len(word) > 3]
    texts = [brief.product, *_details_of(brief), "campaign", *parts, *_KEYWORDS]
    words = [re.sub(r"[^\w\u0900-\u097f]+", "", text.title()) for text in texts]
    # A price alone is none.
    kept = dict.fromkeys(word for word in words if re.search(r"[^\W\d_]{2}", word))
    return _rotated(list(kept), index)[0]


def mood(brief: Brief, index: int = 0) -> str:
    """The mood."""
    if brief.tone:
        return brief.tone
    return _pick(_MOODS[brief.language], brief, index)


def music(brief: Brief, index: int = 0) -> str:
    """The music, in words that `music.compose` knows."""
    return _pick(_MUSIC, brief, index)


def colour(brief: Brief, index: int = 0) -> str:
    """The name of a colour: one that the brief names, or another."""
    words = re.findall(r"[a-z]+", f"{brief.product} {' '.join(brief.details)}".lower())
    named = list(dict.fromkeys(word for word in words if word in COLOURS))
    others = [one for one in _rotated(_COLOURS, brief.seed) if one not in named]
    return _rotated([*named, *others], index)[0]


def _details_of(brief: Brief) -> tuple[str, ...]:
    """Details that fit a sentence in the brief's language."""
    hindi = brief.language == "hi"
    details = brief.details
    if hindi:
        details = tuple(_IN_HINDI.get(text.lower(), text) for text in details)
    fitting = tuple(
        text for text in details if bool(DEVANAGARI.search(text)) == hindi and not _DEED.match(text)
    )
    if brief.occasion:
        fitting += brief.occasion.hindi_sights if hindi else brief.occasion.sights
    if not fitting and brief.topic and not hindi:
        return _TOPIC_DETAILS
    return fitting or _PLAIN_DETAILS[brief.language]


def _spoken(brief: Brief) -> str:
    if brief.topic:
        return brief.product.rstrip("?!. ")
    return brief.product if brief.language == "hi" else _with_article(brief.product)


def _with_article(product: str) -> str:
    """The product with an article where English wants one: before a common noun."""
    words = product.split()
    known = words[0].lower() in ("our", "your", "the", "a", "an", "my")
    return product if known or not words[-1].islower() else f"the {product}"


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
