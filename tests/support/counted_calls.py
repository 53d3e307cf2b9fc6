"""What a piece of work costs in calls of Python functions: the same on a slow machine and a busy one."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class TooManyCallsError(AssertionError):
    pass


class _TakenError(BaseException):
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
    _take_what_waits_for_others()
    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    if calls > limit:  # pydantic makes a problem of a value of an assertion in its validators
        raise TooManyCallsError(f"over {limit:,} calls")
    return calls


def _take_what_waits_for_others() -> None:
    """Lets Python 3.11 trace while an exception waits for a thread that sleeps.

    Prefect sends threads exceptions (`PyThreadState_SetAsyncExc`). Until the thread wakes, all threads
    are asked to look for it, and a traced function of 3.11 looks for ever as it begins. An exception
    of one's own clears that question; the other thread looks again as it wakes.
    """
    thread = ctypes.c_ulong(threading.get_ident())
    try:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_TakenError))
        while True:
            pass
    except _TakenError:
        return
