"""Sweeps over many places: all or most of them in `scripts/test`, a sample in the inner loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")


def is_thorough() -> bool:
    """Whether ``--hypothesis-profile=thorough`` is set."""
    chosen = settings.default
    return chosen is not None and chosen.max_examples >= 100


def sample(values: Iterable[T], share: int, thorough: int = 1, *, between: bool = False) -> list[T]:
    """One value in `thorough` if `is_thorough`, else one in `share`: the first included, or those `between`."""
    stride = thorough if is_thorough() else share
    return list(values)[stride // 2 if between else 0 :: stride]


def examples(most: int) -> int:
    """The examples of the profile, at most so many: for a property whose examples are long runs."""
    chosen = settings.default
    return min(most, chosen.max_examples) if chosen is not None else most
