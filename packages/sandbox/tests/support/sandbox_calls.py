"""Calls of the sandbox over plain HTTP."""

from __future__ import annotations

import hashlib
import hmac
import io
import itertools
import json
import struct
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
from PIL import Image

from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox

T = TypeVar("T")
_NUMBERS = itertools.count()
PATIENCE = 240  # seconds until a test gives up; a busy machine needs many
_PAUSE = 0.005  # seconds
_COMMAND = [sys.executable, "-m", "rivya_sandbox", "serve", "--json", "--media", "plain"]


@contextmanager
def calling(sandbox: Sandbox, api_key: str | None = None) -> Iterator[httpx.Client]:
    """A client with the sandbox's key, or another one."""
    headers = {"Authorization": f"Bearer {api_key or sandbox.api_key}"}
    # There is no TLS here, and reading the certificates would take most of a test's time.
    with httpx.Client(
        base_url=sandbox.base_url, headers=headers, timeout=PATIENCE, verify=False
    ) as client:
        yield client


@contextmanager
def customer(sandbox: Sandbox, *, credits: int = 100) -> Iterator[tuple[httpx.Client, str]]:
    """A client with its own account, and the account's name."""
    name = f"customer-{next(_NUMBERS)}"
    key = admin.create_key(sandbox.data, account=name)
    if credits:
        admin.add_credits(sandbox.data, credits, account=name)
    with calling(sandbox, key["api_key"]) as client:
        yield client, name


@contextmanager
def process(data: Path, *options: str) -> Iterator[tuple[Sandbox, subprocess.Popen[str]]]:
    """A sandbox in its own process; killed at the end if it still runs."""
    command = [*_COMMAND, "--data", str(data), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            ready = json.loads(child.stdout.readline())
            assert set(ready) == {"base_url", "api_key", "data"}
            yield Sandbox(ready["base_url"], ready["api_key"], Path(ready["data"])), child
        finally:
            child.kill()


def order(client: httpx.Client, *, key: str | None = None, **body: Any) -> httpx.Response:
    """Request a generation, by default of `z-image`."""
    headers = {} if key is None else {"Idempotency-Key": key}
    whole = {"model": "z-image", "prompt": "A brass lamp on oak", **body}
    return client.post("/api/v1/generations", json=whole, headers=headers)


def ended(client: httpx.Client, task_id: str) -> dict[str, Any]:
    """Wait until a generation succeeds or fails."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        job: dict[str, Any] = client.get(f"/api/v1/generations/{task_id}").json()
        if job["status"] in ("succeeded", "failed"):
            return job
        time.sleep(_PAUSE)
    raise AssertionError(f"{task_id} did not end")


def fetch(url: str, **headers: str) -> httpx.Response:
    """Get a URL without a key."""
    return httpx.get(url, headers=headers, verify=False, timeout=PATIENCE)


def code(response: httpx.Response) -> str:
    """Check the error envelope; returns its code."""
    error = response.json()["error"]
    assert error["message"]
    assert error["requestId"] == response.headers["X-Request-Id"]
    return str(error["code"])


def credits(client: httpx.Client) -> int:
    """The balance."""
    return int(client.get("/api/v1/credits").json()["current_credits"])


@dataclass(frozen=True)
class Received:
    """A request that a webhook receiver got.

    Attributes:
        headers: All, with their names in lower case.
    """

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def is_signed_with(self, secret: str) -> bool:
        """Whether the signature is that of the contract's convention."""
        signed = self.headers["x-rivya-timestamp"].encode() + b"." + self.body
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return self.headers["x-rivya-signature"] == f"v1={expected}"


class Receiver:
    """A webhook receiver.

    Attributes:
        url: Where it listens.
        received: All requests so far.
        statuses: What it answers, in turn; afterwards 204.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[Received] = []
        self.statuses: list[int] = []
        self._arrived = threading.Condition()

    def take(self, received: Received) -> int:
        """Record a request; returns the status to answer with."""
        with self._arrived:
            self.received.append(received)
            self._arrived.notify_all()
            return self.statuses.pop(0) if self.statuses else 204

    def wait(self, count: int) -> list[Received]:
        """Wait for a number of requests."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.received) >= count, PATIENCE)
            return list(self.received)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A webhook receiver on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Received(self.path, headers, body))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", receiver.url + "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def until(found: Callable[[], T | None]) -> T:
    """Call `found` until it returns a value."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        value = found()
        if value is not None:
            return value
        time.sleep(_PAUSE)
    raise AssertionError("it did not happen")


def png(side: int = 4) -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def wav(seconds: float = 0.5) -> bytes:
    """A silent sound."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(struct.pack("<h", 0) * int(8000 * seconds))
    return buffer.getvalue()


def upload(
    client: httpx.Client, content: bytes, name: str = "a.png", **fields: str
) -> httpx.Response:
    """Send a file, by default as an image."""
    return client.post(
        "/api/v1/files", files={"file": (name, content)}, data={"kind": "image", **fields}
    )
