"""A log of requests, for measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rivya_sandbox.service.errors import SandboxError


@dataclass(frozen=True)
class RequestLog:
    """Writes a line when an answer starts: Unix seconds, status, method and path, without query.

    Lines are buffered until the server ends, so that they cost it little.
    """

    app: ASGIApp
    file: TextIO
    clock: Callable[[], float]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def log_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                words = f"{message['status']} {scope['method']} {scope['path']}"
                self.file.write(f"{self.clock():.6f} {words}\n")
            await send(message)

        await self.app(scope, receive, log_and_send)


@contextmanager
def logging_requests(
    app: ASGIApp, path: Path | None, clock: Callable[[], float]
) -> Iterator[ASGIApp]:
    """An application that writes to `path` inside the block; `app` itself if `path` is None.

    Raises:
        SandboxError: The file cannot be written.
    """
    if path is None:
        yield app
        return
    try:
        file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1 << 20)
    except OSError as problem:
        raise SandboxError(
            f"--request-log: {path}: {problem.strerror}", "give a file that can be written"
        ) from problem
    with file:
        yield RequestLog(app, file, clock)
