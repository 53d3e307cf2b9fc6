"""A studio whose paid requests break on their way to the service, as a test plans it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx

from rivya_flows.engine.run_context import RunContext
from support.engine_runs import Bomb, Studio

BOUGHT_AT = ("/api/v1/generations", "/api/v1/chat/completions")

REFUSALS = {
    "validation_failed": 400,
    "api_key_revoked": 401,
    "insufficient_credits": 402,
    "api_scope_denied": 403,
    "not_found": 404,
    "chat_session_conflict": 409,
}
"""Answers that refuse a request without a look at its key, with their statuses."""

Send = Callable[[], Awaitable[httpx.Response]]


def refused(status: int, code: str) -> httpx.Response:
    """An error of the service."""
    envelope = {"error": {"code": code, "message": "No.", "requestId": "req_1"}}
    return httpx.Response(status, json=envelope)


async def _unsent(send: Send) -> httpx.Response:
    raise httpx.ConnectError("Connection refused")


async def _lost_before(send: Send) -> httpx.Response:
    raise httpx.ReadError("")


async def _lost_after(send: Send) -> httpx.Response:
    await send()
    raise httpx.ReadError("")


async def _cut(send: Send) -> httpx.Response:
    answer = await send()
    return httpx.Response(answer.status_code, content=answer.content[: len(answer.content) // 2])


async def _gateway(status: int, send: Send) -> httpx.Response:
    await send()
    return httpx.Response(status, text="<html>the page of a gateway</html>")


async def _answered(status: int, code: str, send: Send) -> httpx.Response:
    return refused(status, code)


BREAKS: dict[str, Callable[[Send], Awaitable[httpx.Response]]] = {
    "unsent": _unsent,
    "lost before": _lost_before,
    "lost after": _lost_after,
    "cut": _cut,
    "504 after": partial(_gateway, 504),
    "403 after": partial(_gateway, 403),
    "503": partial(_answered, 503, "public_api_disabled"),
    "429": partial(_answered, 429, "rate_limited"),
    "conflict": partial(_answered, 409, "idempotency_conflict"),
    **{code: partial(_answered, status, code) for code, status in REFUSALS.items()},
}
"""What may happen to a paid request. `send` hands it to the service, once."""


@dataclass
class Trouble(httpx.AsyncBaseTransport):
    """Does to each paid request what `plan` says.

    Attributes:
        service: The service behind it.
        plan: Gives the name of a break of `BREAKS`, ``late``, or None for a request that is left alone.
            A late request reaches the service only with the next one.
    """

    service: httpx.AsyncBaseTransport
    plan: Callable[[], str | None] = lambda: None
    _late: list[Send] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As every transport of httpx."""
        send = partial(self._sent, request)
        if request.method == "POST" and request.url.path in BOUGHT_AT:
            name = self.plan()
            if name == "late":
                self._late.append(send)
                raise httpx.ReadError("")
            answer = await (send() if name is None else BREAKS[name](send))
            await self.deliver()
            return answer
        return await send()

    async def deliver(self) -> None:
        """Hands over what is late."""
        while self._late:
            await self._late.pop(0)()

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        answer = await self.service.handle_async_request(request)
        try:
            content = b"".join([piece async for piece in answer.aiter_raw()])
            return httpx.Response(answer.status_code, headers=answer.headers, content=content)
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        """Closes nothing: the next execution needs it too."""


@dataclass
class TroubledStudio(Studio):
    """A studio behind `Trouble`, whose pauses take next to no time."""

    trouble: Trouble = field(kw_only=True)
    _opened: ExitStack = field(default_factory=ExitStack, init=False)
    _context: RunContext | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.transport, self.shortened = self.trouble, 2000

    @contextmanager
    def context(self, bomb: Bomb) -> Iterator[RunContext]:
        """As every studio; only a bomb in the journal opens everything again."""
        if bomb.write is not None:
            with super().context(bomb) as context:
                yield context
            return
        self._context = self._context or self._opened.enter_context(super().context(Bomb()))
        yield self._context

    def close(self) -> None:
        """Closes the journal."""
        self._opened.close()
