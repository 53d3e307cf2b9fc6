"""A service for tests of the client: prepared answers, and no time passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest

from rivya_client.client import RivyaClient, SyncRivyaClient
from rivya_client.errors import RivyaError
from rivya_client.runtime import Runtime
from rivya_client.types import ChatAnswer, Credits, Generation

KEY = "rvya_sk_0123456789abcdef"
JOB = {"id": "task_1", "status": "queued", "reserved_credits": 1, "final_credits": 0}
BODY = b'{ "model":"z-image", "prompt" : "\xc3\xa9"}'

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
Call = Callable[[RivyaClient], Awaitable[Any]]
E = TypeVar("E", bound=RivyaError)


class Stage:
    """A service with one prepared answer for each request; sleeping takes no time.

    Attributes:
        asleep: Seconds that the machine was suspended; its monotonic clock does not count them.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.sleeps: list[float] = []
        self.time = 0.0
        self.asleep = 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds

    def client(self, api_key: str | None = KEY, **more: Any) -> RivyaClient:
        return RivyaClient(api_key, "https://rivya.test", **self._runtime(), **more)

    def sync_client(self, api_key: str | None = KEY, **more: Any) -> SyncRivyaClient:
        return SyncRivyaClient(api_key, "https://rivya.test", **self._runtime(), **more)

    async def answered(self, call: Call, **more: Any) -> Any:
        """What one call of a client returns."""
        async with self.client(**more) as client:
            return await call(client)

    async def error(self, kind: type[E], call: Call, match: str | None = None, **more: Any) -> E:
        """The error of one call of a client."""
        with pytest.raises(kind, match=match) as caught:
            await self.answered(call, **more)
        return caught.value

    def _runtime(self) -> dict[str, Any]:
        runtime = Runtime(
            sleep=self.sleep,
            clock=lambda: self.time,
            now=lambda: 1000 + self.time + self.asleep,
            chance=lambda: 0.0,
        )
        return {"runtime": runtime, "transport": httpx.MockTransport(self.answer)}


def refused(status: int, code: str, **headers: str) -> httpx.Response:
    envelope = {"error": {"code": code, "message": "No.", "requestId": "req_1"}}
    return httpx.Response(status, json=envelope, headers=headers)


def job(**fields: object) -> httpx.Response:
    return httpx.Response(202, json={**JOB, **fields})


async def balance(client: RivyaClient) -> Credits:
    return await client.credits.retrieve()


async def buy(client: RivyaClient) -> Generation:
    return await client.generations.create(BODY, idempotency_key="k1")


async def stream(client: RivyaClient) -> ChatAnswer:
    async with client.chat.stream(BODY, idempotency_key="k1") as opened:
        return await opened.complete()
