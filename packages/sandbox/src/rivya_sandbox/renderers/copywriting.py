"""Short advertising copy in English and Hindi, by rules, from the words of a brief."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rivya_sandbox.renderers import phrases
from rivya_sandbox.renderers.brief import DEVANAGARI, Brief
from rivya_sandbox.renderers.palettes import COLOURS


def narration(brief: Brief, index: int = 0) -> str:
    """A spoken text of `brief.words` words, or as near as whole phrases allow."""
    opening = _opening(brief, index)
    closings = phrases.CLOSINGS[brief.language]
    left = brief.words - len(opening.split())
    parts: list[str] = []
    for phrase in [*_rotate(_details_of(brief), index), *phrases.FILLERS[brief.language]]:
        size = len(phrase.split())
        if size < left - 1:
            parts.append(phrase)
            left -= size
    closing = min(closings, key=lambda text: abs(len(text.split()) - left))
    stop = "।" if brief.language == "hi" else "."
    middle = _capital(", ".join(map(_lower_first, parts))) + stop if parts else ""
    return " ".join(part for part in (opening, middle, closing if left > 0 else "") if part)


def _opening(brief: Brief, index: int) -> str:
    topic = brief.topic and brief.language == "en"
    choices = phrases.TOPIC_OPENINGS if topic else phrases.OPENINGS[brief.language]
    return _pick(choices, brief, index).format(product=_spoken_text(brief))


def shot(brief: Brief, index: int = 0) -> str:
    """A scene for an image model, in English: the product, the details of the brief, the light.

    A product name in another script is quoted, so that it is lettered and not translated.
    """
    details = ", ".join(map(_lower_first, _sights(brief) or phrases.PLAIN_SIGHTS))
    foreign = DEVANAGARI.search(brief.product)
    product = f"'{brief.product}'" if foreign else _spoken_text(replace(brief, language="en"))
    unseen = brief.topic or phrases.NO_OBJECTS & set(brief.product.lower().split())
    kinds = phrases.SCENES if unseen else phrases.SHOTS
    light = phrases.LIGHTS[index // len(kinds) % len(phrases.LIGHTS)]
    scene = _capital(_rotate(kinds, index)[0].format(product=product, details=details))
    return f"{scene}, {light}" if light else scene


def _sights(brief: Brief) -> tuple[str, ...]:
    """Visible details of the brief and its occasion, in English; may be empty."""
    sights = tuple(
        text
        for text in brief.details
        if not (
            DEVANAGARI.search(text)
            or phrases.UNSEEN.search(text)
            or phrases.VERB.match(text.lower())
        )
    )
    return (*sights[:2], *brief.occasion.sights) if brief.occasion else sights


def movement(brief: Brief, index: int = 0) -> str:
    """How the camera moves."""
    return f"{_rotate(phrases.MOVES, index)[0]} towards {_spoken_text(brief)}"


def headline(brief: Brief, index: int = 0) -> str:
    """The product, followed by a promise from the second headline on."""
    return _capital(brief.product) if index == 0 else tagline(brief, index)


def tagline(brief: Brief, index: int = 0) -> str:
    """One short sentence on a detail of the brief."""
    detail = _rotate(_details_of(brief), index)[0]
    choices: Sequence[str] = phrases.TAGLINES[brief.language]
    if phrases.VERB.match(detail.lower()):
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
    detail = _rotate(_details_of(brief), index)[0]
    return f"{_capital(brief.product)}: {_lower_first(detail)}"


def description(brief: Brief, index: int = 0) -> str:
    """Three sentences: what it is, what it has, what to do."""
    stop = "।" if brief.language == "hi" else "."
    opening = _opening(brief, index)
    middle = _capital(", ".join(map(_lower_first, _rotate(_details_of(brief), index))))
    return f"{opening} {middle}{stop} {call_to_action(brief, index)}{stop}"


def summary(brief: Brief, index: int = 0) -> str:
    """The product and all its details."""
    stop = "।" if brief.language == "hi" else "."
    return f"{_capital(brief.product)}: {', '.join(map(_lower_first, _details_of(brief)))}{stop}"


def benefit(brief: Brief, index: int = 0) -> str:
    """One benefit of the product."""
    return _capital(_rotate([*_details_of(brief), *phrases.FILLERS[brief.language]], index)[0])


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
    if asked := next(filter(phrases.DEED.match, brief.details), None):
        return _capital(asked)  # the brief has its own
    if brief.topic and brief.language == "en":
        return _pick(phrases.TOPIC_ACTIONS, brief, index)
    words = set(brief.product.lower().split())
    for names, actions in phrases.SPECIAL_ACTIONS:
        if words.intersection(names.split()):
            return _pick(actions, brief, index)
    return _pick(phrases.ACTIONS[brief.language], brief, index)


def overlay(brief: Brief, index: int = 0) -> str:
    """A few words to letter on a picture."""
    detail = _rotate([brief.product, *_details_of(brief)], index)[0]
    return " ".join(_capital(detail).split()[:5])


def question(brief: Brief, index: int = 0) -> str:
    """A question about the product."""
    detail = _lower_first(_rotate(_details_of(brief), index)[0])
    if brief.language == "hi":
        return f"{brief.product}: क्या आपने देखा?"
    return f"What would you do with {detail}?"


def material(brief: Brief, index: int = 0) -> str:
    """A material: one that the brief names, or another."""
    words = re.findall(r"[a-z]+", " ".join(brief.details).lower())
    named = [word for word in phrases.KNOWN_MATERIALS if word in words]
    rest = [one for one in _rotate(phrases.MATERIALS, brief.seed) if one not in named]
    return _rotate([*named, *rest], index)[0]


def place(brief: Brief, index: int = 0) -> str:
    """Where a scene is."""
    return _pick(phrases.PLACES, brief, index)


def keyword(brief: Brief, index: int = 0) -> str:
    """One keyword, without spaces or ``#``."""
    parts = [word for word in brief.product.split() if len(word) > 3]
    texts = [brief.product, *_details_of(brief), "campaign", *parts, *phrases.KEYWORDS]
    words = [re.sub(r"[^\w\u0900-\u097f]+", "", text.title()) for text in texts]
    # A price alone is none.
    chosen = dict.fromkeys(word for word in words if re.search(r"[^\W\d_]{2}", word))
    return _rotate(list(chosen), index)[0]


def mood(brief: Brief, index: int = 0) -> str:
    """The mood."""
    if brief.tone:
        return brief.tone
    return _pick(phrases.MOODS[brief.language], brief, index)


def music(brief: Brief, index: int = 0) -> str:
    """The music, in words that `music.compose` knows."""
    return _pick(phrases.MUSIC, brief, index)


def colour(brief: Brief, index: int = 0) -> str:
    """The name of a colour: one that the brief names, or another."""
    words = re.findall(r"[a-z]+", f"{brief.product} {' '.join(brief.details)}".lower())
    named = list(dict.fromkeys(word for word in words if word in COLOURS))
    rest = [one for one in _rotate(phrases.COLOURS, brief.seed) if one not in named]
    return _rotate([*named, *rest], index)[0]


def _details_of(brief: Brief) -> tuple[str, ...]:
    """Details that fit a sentence in the brief's language."""
    hindi = brief.language == "hi"
    details = brief.details
    if hindi:
        details = tuple(phrases.IN_HINDI.get(text.lower(), text) for text in details)
    fitting = tuple(
        text
        for text in details
        if bool(DEVANAGARI.search(text)) == hindi and not phrases.DEED.match(text)
    )
    if brief.occasion:
        fitting += brief.occasion.hindi_sights if hindi else brief.occasion.sights
    if not fitting and brief.topic and not hindi:
        return phrases.TOPIC_DETAILS
    return fitting or phrases.PLAIN_DETAILS[brief.language]


def _spoken_text(brief: Brief) -> str:
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


def _rotate(choices: Sequence[str], index: int) -> list[str]:
    at = index % len(choices)
    return [*choices[at:], *choices[:at]]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower_first(text: str) -> str:
    # "Warm light" may continue a sentence as "warm light"; "LED light" and names keep their case.
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
