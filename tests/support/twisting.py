"""A proxy of the sandbox that changes answers: a service that breaks its contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from support.small_server import Answer, Request, answering

Twist = Callable[[str, bytes], bytes]
"""Maps a request, such as ``GET /api/v1/models``, and the body of its answer to another body."""


@dataclass
class Twisting:
    """The proxy.

    Attributes:
        url: Where it is.
        twist: Applied to each 2xx answer.
        asked: The requests, in order.
    """

    url: str = ""
    twist: Twist = lambda asked, body: body
    asked: list[str] = field(default_factory=list)


@contextmanager
def twisting(base_url: str) -> Iterator[Twisting]:
    """A running proxy of a sandbox."""
    proxy = Twisting()

    def passed_on(request: Request) -> Answer:
        asked = f"{request.method} {request.path}"
        proxy.asked.append(asked)
        headers = {k: v for k, v in request.headers.items() if k.lower() != "host"}
        got = behind.request(request.method, request.path, content=request.body, headers=headers)
        body = proxy.twist(asked, got.content) if got.is_success else got.content
        kind = got.headers.get("Content-Type", "text/plain")
        return Answer(body, got.status_code, {"Content-Type": kind})

    with (
        httpx.Client(base_url=base_url, verify=False, timeout=240) as behind,
        answering(passed_on) as proxy.url,
    ):
        yield proxy
