"""The modules of ours that a call has passed through when the service is sent a purchase."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import httpx
import pytest

OURS = ("rivya_flows.", "rivya_client.")
PURCHASE = "/api/v1/generations"


class CallPath:
    """Notes the path of the first purchase of each model.

    That is the stack at the request, and the coroutine that waits for the engine's end: the
    request is sent by a task that the engine has started.
    """

    def __init__(self) -> None:
        self.modules: list[tuple[str, ...]] = []

    async def handle(
        self, transport: httpx.AsyncHTTPTransport, request: httpx.Request, send: Any
    ) -> httpx.Response:
        """Sends the request; notes the path of a purchase."""
        if request.method == "POST" and request.url.path == PURCHASE:
            self.modules.append(_path())
        response: httpx.Response = await send(transport, request)
        return response


@pytest.fixture
def call_path(monkeypatch: pytest.MonkeyPatch) -> CallPath:
    """Notes the path of each purchase of this process."""
    path, send = CallPath(), httpx.AsyncHTTPTransport.handle_async_request

    async def handle(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return await path.handle(transport, request, send)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle)
    return path


def _path() -> tuple[str, ...]:
    """Modules of ours from the outermost call to this one, each once."""
    stack: list[str] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        stack.insert(0, frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    # Behind the frames of the event loop there is the task that sends.
    loop = max(n for n, name in enumerate(stack) if name.startswith("asyncio"))
    names = [*stack[:loop], *_waiting(), *stack[loop:]]
    return tuple(dict.fromkeys(name for name in names if name.startswith(OURS)))


def _waiting() -> list[str]:
    """Modules of the coroutines that wait for the end of the engine, the outermost first.

    The tasks of the engine itself, such as its heartbeat, end in its module too: their chains are
    shorter.
    """
    chains = [
        [name for name in _chain(task.get_coro()) if name.startswith(OURS)]
        for task in asyncio.all_tasks()
    ]
    of_engine = [names for names in chains if names and names[-1].endswith(".engine.loop")]
    return max(of_engine, key=len, default=[])


def _chain(awaitable: Any) -> Iterator[str]:
    while awaitable is not None:
        frame = next(
            (f for a in ("cr_frame", "ag_frame", "gi_frame") if (f := getattr(awaitable, a, None))),
            None,
        )
        if frame is not None:
            yield frame.f_globals.get("__name__", "")
        awaitable = next(
            (
                o
                for a in ("cr_await", "ag_await", "gi_yieldfrom")
                if (o := getattr(awaitable, a, None))
            ),
            None,
        )
