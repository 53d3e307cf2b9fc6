"""Values for a map of names and types, chosen by the names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rivya_sandbox.renderers import copywriting
from rivya_sandbox.renderers.brief import Brief

Writer = Callable[[Brief, int], str]

_LIST_LENGTH = 3
# Names joined by "+" belong together.
_WRITERS: tuple[tuple[str, Writer], ...] = (
    ("subject+line email preheader", copywriting.subject_line),
    ("audience persona target", copywriting.audience),
    ("alt", copywriting.picture_text),
    ("benefit feature reason highlight usp point advantage", copywriting.benefit),
    ("subtitle subheading subhead subheadline", copywriting.tagline),
    ("description body paragraph intro blurb", copywriting.description),
    ("summary overview", copywriting.summary),
    ("link url website", lambda brief, index: "https://example.com"),
    ("narration voiceover voice vo script speech spoken line", copywriting.narration),
    ("visual shot scene image picture still frame prompt", copywriting.shot),
    ("motion camera movement", copywriting.movement),
    ("title headline heading name", copywriting.headline),
    ("tagline slogan hook claim", copywriting.tagline),
    ("greeting wish welcome", copywriting.greeting),
    ("cta action button", copywriting.call_to_action),
    ("tag hashtag keyword topic", copywriting.keyword),
    ("product brand subject", lambda brief, index: brief.product),
    ("language lang locale", lambda brief, index: brief.language),
    ("mood tone style feeling", copywriting.mood),
    ("music sound soundtrack audio", copywriting.music),
    ("color colour palette", copywriting.colour),
)
_NUMBERS = {"second": 5, "duration": 5, "score": 8, "rating": 8, "price": 49, "year": 2026}


def fill(shape: Mapping[str, Any], brief: Brief) -> dict[str, Any]:
    """A value of the requested type for every name of `shape`.

    Args:
        shape: Names with ``string integer number boolean``, ``[type]`` or a nested map. An
            unknown type name is taken for text.
        brief: Of the copy.
    """
    return {name: _value(kind, name, brief, 0) for name, kind in shape.items()}


def _value(kind: Any, name: str, brief: Brief, index: int) -> Any:
    """One value; `index` counts from 0 within a list, so that neighbours differ."""
    brief = _in_language(name, brief)
    if isinstance(kind, Mapping):
        return {inner: _value(of, inner, brief, index) for inner, of in kind.items()}
    if isinstance(kind, list):
        return [_value(kind[0], name, brief, each) for each in range(_LIST_LENGTH)] if kind else []
    if kind == "boolean":
        return True
    if kind == "integer":
        return int(_told(name, brief) or _number(name) + index)
    if kind == "number":
        return _told(name, brief) or _number(name) + index + 0.5
    return _text(name, brief, index)


def _in_language(name: str, brief: Brief) -> Brief:
    """The brief in the language that a name ends with, such as ``title_hi``."""
    language = {"hi": "hi", "hindi": "hi", "en": "en", "english": "en"}.get(
        (_words(name) or [""])[-1]
    )
    return replace(brief, language=language) if language else brief


def _told(name: str, brief: Brief) -> float | None:
    """A number from the brief, or None."""
    words = set(_words(name))
    if words & {"price", "cost", "amount", "mrp"}:
        return brief.price
    if words & {"discount", "percent", "percentage", "reduction"}:
        return brief.per_cent
    return None


def _number(name: str) -> int:
    return next((_NUMBERS[word] for word in _words(name) if word in _NUMBERS), 3)


def _text(name: str, brief: Brief, index: int) -> str:
    words = set(_words(name))
    for names, write in _WRITERS:
        if any(words.issuperset(one.split("+")) for one in names.split()):
            return write(brief, index)
    return copywriting.caption(brief, index)


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.removesuffix("s") for word in re.findall(r"[a-z]+", spaced.lower())]
