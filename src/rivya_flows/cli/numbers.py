"""Options that are real numbers."""

from __future__ import annotations

import math
from typing import Any

import click


class AtLeastZero(click.FloatRange):
    """A finite number of at least 0."""

    def __init__(self, most: float | None = None) -> None:
        super().__init__(0, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; anything else, infinity included, is a `click.BadParameter`."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number
