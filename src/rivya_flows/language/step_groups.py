"""The three maps of steps in a spec, and which of them each can refer to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Part = Literal["steps", "on_failure", "finally"]

PARTS: tuple[Part, ...] = ("steps", "on_failure", "finally")
"""In the order of a run: each sees itself and those before it."""

_WHEN: Mapping[Part, str] = {
    "steps": "first",
    "on_failure": "after `steps`, if one of them failed",
    "finally": "at the very end",
}


def seen_from(part: Part) -> tuple[Part, ...]:
    """The parts whose steps a step of this part may refer to."""
    return PARTS[: PARTS.index(part) + 1]


def later(part: Part) -> str:
    """The hint for a reference to a step of a later part."""
    return f"steps of `{part}` run {_WHEN[part]}; move this step there"
