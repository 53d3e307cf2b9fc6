"""A chat turn as server-sent events.

Source: contract, section 6.4, its suggested convention; ``bare`` is another form that
clients must accept.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.idempotency import Stored
from rivya_sandbox.service.turns import Running, in_pieces

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def live(running: Running, *, bare: bool, request_id: str) -> AsyncIterator[str]:
    """The events of a turn in progress."""
    yield _opening(running.turn.opening, bare)
    async for piece in running.pieces():
        yield _delta(piece, bare)
    try:
        stored = await running.answer()
    except Exception as problem:
        refusal = problem if isinstance(problem, Refusal) else _FAILED
        yield _event("error", refusal.envelope(request_id))
    else:
        yield _ending(json.loads(stored.body), bare)


async def again(stored: Stored, *, bare: bool) -> AsyncIterator[str]:
    """The events of a replayed turn."""
    answer = json.loads(stored.body)
    yield _opening({key: answer[key] for key in ("id", "session_id", "model", "created_at")}, bare)
    for piece in in_pieces(answer["message"]["content"]):
        yield _delta(piece, bare)
    yield _ending(answer, bare)


_FAILED = Refusal("internal_error", "The sandbox failed; its log says why.")


def _opening(fields: Mapping[str, Any], bare: bool) -> str:
    return ": ping\n\n" + _data(fields) if bare else _event("session", fields)


def _delta(piece: str, bare: bool) -> str:
    return _data({"delta": {"content": piece}}) if bare else _event("delta", {"content": piece})


def _ending(answer: Mapping[str, Any], bare: bool) -> str:
    if bare:
        return _data({key: answer[key] for key in ("usage", "credits")}) + "data: [DONE]\n\n"
    return _event("completed", answer)


def _event(name: str, fields: Mapping[str, Any]) -> str:
    return f"event: {name}\n{_data(fields)}"


def _data(fields: Mapping[str, Any]) -> str:
    # In ASCII, since some readers treat U+2028 and the like as the end of a line.
    return f"data: {json.dumps(fields)}\n\n"
