"""Numbers of options that are not counted."""

from __future__ import annotations

import math
from typing import Any

import click


class AtLeastZero(click.FloatRange):
    """A number from 0 on; neither infinity nor "not a number", which compares with nothing."""

    def __init__(self, most: float | None = None) -> None:
        super().__init__(0, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number.

        Raises:
            click.BadParameter: It is none, or out of range.
        """
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number that can be used.", param, ctx)
        return number
