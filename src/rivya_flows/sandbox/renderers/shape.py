"""Values for a map of names and types, chosen by what the names say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from rivya_flows.sandbox.renderers import copywriting
from rivya_flows.sandbox.renderers.brief import Brief

Writer = Callable[[Brief, int], str]

_LIST_LENGTH = 3
_WRITERS: tuple[tuple[str, Writer], ...] = (
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
    """A value for every name of `shape`, of the type that it asks for.

    Args:
        shape: Names with ``string integer number boolean``, ``[type]`` or a nested map. An
            unknown type name is taken for text.
        brief: What the copy is about.
    """
    return {name: _value(kind, name, brief, 0) for name, kind in shape.items()}


def _value(kind: Any, name: str, brief: Brief, index: int) -> Any:
    """One value; `index` counts from 0 within a list, so that neighbours differ."""
    if isinstance(kind, Mapping):
        return {inner: _value(of, inner, brief, index) for inner, of in kind.items()}
    if isinstance(kind, list):
        return [_value(kind[0], name, brief, each) for each in range(_LIST_LENGTH)] if kind else []
    if kind == "boolean":
        return True
    if kind == "integer":
        return _number(name) + index
    if kind == "number":
        return _number(name) + index + 0.5
    return _text(name, brief, index)


def _number(name: str) -> int:
    return next((_NUMBERS[word] for word in _words(name) if word in _NUMBERS), 3)


def _text(name: str, brief: Brief, index: int) -> str:
    words = set(_words(name))
    for names, write in _WRITERS:
        if words.intersection(names.split()):
            return write(brief, index)
    return copywriting.caption(brief, index)


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.removesuffix("s") for word in re.findall(r"[a-z]+", spaced.lower())]
