"""A stub of the service for loads that the sandbox is too slow for: ``python -m benchmarks.stub [--rate 500]``.

It answers what a run of pictures asks: models, credits, generations and their one medium. A job ends after `--seconds`.
A key has `--rate` requests in each second; more are refused. All is in memory. The first line that it prints is JSON
with address and key; ``GET /counts`` tells how many requests of each kind it answered, and how many it refused.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import struct
import subprocess
import sys
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

KEY = "rvya_sk_" + "s" * 43
CREDITS = 10**9
_REASONS = {200: "OK", 202: "Accepted", 404: "Not Found", 429: "Too Many Requests"}
_REFUSED = b'{"error":{"code":"rate_limited","message":"Too many requests in this second."}}'


def picture(number: int) -> bytes:
    """A small PNG that no other number has."""
    side = 48
    row = b"\0" + os.urandom(side * 3)
    pixels = zlib.compress(row * side + struct.pack(">I", number), 1)
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")]
    made = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


class Stub:
    """The wallets and jobs; a job is a number, its model and the moment of its end."""

    def __init__(self, seconds: float, rate: float, picture: bytes) -> None:
        self.seconds, self.rate, self.picture = seconds, rate, picture
        self.models = (files("rivya_client.catalogue.data") / "models.json").read_bytes()
        self.counts: Counter[str] = Counter()
        self._jobs: dict[str, tuple[str, float]] = {}
        self._made: dict[str, str] = {}  # job of an idempotency key
        self._numbers = itertools.count(1)
        self._window, self._taken = 0, Counter[str]()

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes, host: str
    ) -> tuple[int, bytes, str]:
        """Status, body and content type of an answer."""
        if path.startswith("/media/"):
            self.counts["download"] += 1
            return 200, self.picture, "image/png"
        if path == "/counts":
            return 200, json.dumps(self.counts).encode(), "application/json"
        status, content = 429, _REFUSED
        if self._admits(headers.get("authorization", "")):
            status, content = self._route(method, path, headers, body, host)
        return status, content, "application/json"

    def _admits(self, key: str) -> bool:
        window = int(time.monotonic())
        if window != self._window:
            self._window = window
            self._taken.clear()
        self._taken[key] += 1
        admitted = not self.rate or self._taken[key] <= self.rate
        self.counts["taken" if admitted else "refused"] += 1
        return admitted

    def _route(
        self, method: str, path: str, headers: dict[str, str], body: bytes, host: str
    ) -> tuple[int, bytes]:
        what = path.removeprefix("/api/v1/")
        if method == "POST" and what == "generations":
            key = headers.get("idempotency-key", "")
            if (job := self._made.get(key)) is None:
                job = self._made[key] = f"task_{next(self._numbers)}"
                self._jobs[job] = json.loads(body)["model"], time.time() + self.seconds
                self.counts["bought"] += 1
            return 202, self._job(job, host)
        if (job := what.removeprefix("generations/")) in self._jobs:
            self.counts["look"] += 1
            return 200, self._job(job, host)
        if what == "models":
            return 200, self.models
        if what == "credits":
            return 200, b'{"current_credits":%d}' % (CREDITS - self.counts["bought"])
        return 404, b'{"error":{"code":"not_found","message":"No such route."}}'

    def _job(self, job: str, host: str) -> bytes:
        model, ends = self._jobs[job]
        found: dict[str, Any] = {"id": job, "status": "processing", "model": model}
        found |= {"reserved_credits": 1, "final_credits": 0, "result": None, "error": None}
        if time.time() >= ends:
            url = f"http://{host}/media/{job}.png"
            found |= {"status": "succeeded", "final_credits": 1}
            found["result"] = {"primary_url": url, "urls": [url]}
        return json.dumps(found).encode()


class Connection(asyncio.Protocol):
    """HTTP/1.1 without chunks, which is what the client sends."""

    def __init__(self, stub: Stub) -> None:
        self._stub, self._received = stub, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._received[:end].decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            rest = end + 4 + int(headers.get("content-length", 0))
            if len(self._received) < rest:
                return
            body, self._received = self._received[end + 4 : rest], self._received[rest:]
            method, path, _ = first.split(" ")
            self._write(*self._stub.answer(method, path, headers, body, headers["host"]))

    def _write(self, status: int, body: bytes, kind: str) -> None:
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
        head += "Retry-After: 1\r\n" if status == 429 else ""
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


@dataclass(frozen=True)
class Running:
    """A stub in a process of its own."""

    address: str
    pid: int

    def counts(self) -> Counter[str]:
        with urllib.request.urlopen(f"{self.address}/counts") as answer:
            return Counter(json.loads(answer.read()))

    def environment(self) -> dict[str, str]:
        return {"RIVYA_BASE_URL": self.address, "RIVYA_API_KEY": KEY}


@contextlib.contextmanager
def running(*options: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "benchmarks.stub", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Running(json.loads(process.stdout.readline())["address"], process.pid)
    finally:
        process.terminate()
        process.wait()


async def serve(stub: Stub, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", port, backlog=1024)
    host, bound = server.sockets[0].getsockname()
    print(json.dumps({"address": f"http://{host}:{bound}", "key": KEY}), flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a job")
    parser.add_argument("--rate", type=float, default=0, help="requests a second; 0: any number")
    options = parser.parse_args()
    stub = Stub(options.seconds, options.rate, picture(1))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(stub, options.port))


if __name__ == "__main__":
    main()
