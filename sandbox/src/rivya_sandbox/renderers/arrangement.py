"""Where title and thing stand in a picture, in shares of its width and height."""

from __future__ import annotations

from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.titling import stands_beside, titled_height

_BESIDE = frozenset(("table", "gradient", "view", "poster", "studio"))
_UNTITLED = 0.10


def title_beside(idea: Idea, size: tuple[int, int]) -> bool:
    """True when the title stands left of the thing.

    Silk and neon are built round their middle, and panels fill a strip from left to right.
    """
    wide = stands_beside(size) and idea.layout in _BESIDE and not idea.in_panels
    return bool(idea.title) and wide


def below_title(idea: Idea, size: tuple[int, int]) -> float:
    """How far down the title reaches, or the margin where none stands above the thing."""
    above = idea.title is not None and not title_beside(idea, size)
    return titled_height(size, idea.title or "") if above else _UNTITLED


def middle(idea: Idea, size: tuple[int, int]) -> float:
    """Where the thing stands from left to right."""
    return 0.72 if title_beside(idea, size) else 0.5
