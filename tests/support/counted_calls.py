"""What a piece of work costs in calls of Python functions: the same on a slow machine and a busy one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class TooManyCallsError(AssertionError):
    pass


def within(limit: int, work: Callable[[], Any]) -> int:
    """How many Python functions the work called; ends it when they are over the limit."""
    calls = 0

    def count(_frame: FrameType, _event: str, _arg: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > limit:
            raise TooManyCallsError(f"over {limit:,} calls")

    # A trace function is told of calls alone as long as it gives none for what happens in them; a
    # profile function would be told of returns and of C functions too, at three times the cost.
    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return calls
