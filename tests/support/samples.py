"""Sweeps over many places: all of them in `scripts/test`, a sample in the inner loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")


def is_thorough() -> bool:
    """Whether ``--hypothesis-profile=thorough`` is set."""
    chosen = settings.default
    return chosen is not None and chosen.max_examples >= 200


def sample(values: Iterable[T], share: int) -> list[T]:
    """All values if `is_thorough`, else one in `share`, the first included."""
    return list(values)[:: 1 if is_thorough() else share]
