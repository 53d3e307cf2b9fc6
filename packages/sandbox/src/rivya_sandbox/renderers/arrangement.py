"""Positions of title and subject in a picture, as fractions of its width and height."""

from __future__ import annotations

from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.titling import stands_beside, titled_height

_BESIDE = frozenset(("table", "gradient", "view", "poster", "print", "studio"))


def title_beside(idea: Idea, size: tuple[int, int]) -> bool:
    """True if the title is left of the subject.

    Silk and neon are composed around their centre, and panels fill a strip from left to right.
    """
    wide = stands_beside(size) and idea.layout in _BESIDE and not idea.in_panels
    return bool(idea.title) and wide


def below_title(idea: Idea, size: tuple[int, int]) -> float:
    """The lower edge of the title, or the margin if no title is above the subject."""
    above = idea.title is not None and not title_beside(idea, size)
    if above:
        return titled_height(size, idea.title or "")
    return 0.10 if size[0] > 0.7 * size[1] else 0.05


def middle(idea: Idea, size: tuple[int, int]) -> float:
    """The horizontal centre of the subject."""
    return 0.72 if title_beside(idea, size) else 0.5


def table_edge(width: int, height: int) -> float:
    """The far edge of a table from the top; higher in a story, whose lower third has captions."""
    return 0.74 if width > 0.7 * height else 0.55
