"""Looks from another thread whether the event loop of a host turns, and where it stands."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from types import FrameType

from rivya_flows.flows.worker.messages import LONGEST_TEXT, Alive
from rivya_flows.tasks import functions

_LINES = 12
"""Calls of a stack that are shown, from the innermost outwards."""

_OURS = "rivya_flows."


class LoopWatch:
    """Watches one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        self._loop = loop
        self._thread = thread
        self._unanswered_since: float | None = None

    def look(self) -> Alive:
        """Whether the loop has turned since the last look; call it every few seconds."""
        asked, now = self._unanswered_since, time.monotonic()
        if asked is None:
            self._unanswered_since = now
            self._loop.call_soon_threadsafe(self._answer)
            return Alive()
        frame = sys._current_frames().get(self._thread)
        return Alive(now - asked, _stack(frame), _step(frame))

    def _answer(self) -> None:
        self._unanswered_since = None


def _stack(frame: FrameType | None) -> str:
    lines = traceback.format_list(traceback.extract_stack(frame)[-_LINES:])
    return "".join(lines)[-LONGEST_TEXT:]


def _step(frame: FrameType | None) -> str | None:
    """The line of a step function at which the loop stands; None if it stands elsewhere."""
    called: FrameType | None = None
    while frame is not None and frame.f_globals.get("__name__") != functions.__name__:
        called, frame = frame, frame.f_back
    if frame is None or called is None:
        return None
    if str(called.f_globals.get("__name__")).startswith(_OURS):  # it prepares a call, as a download
        return None
    code = called.f_code
    return f"{code.co_qualname}, {code.co_filename}:{called.f_lineno}"[-LONGEST_TEXT:]
