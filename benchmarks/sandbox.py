"""Measures the sandbox with 1,000 jobs in flight: ``python benchmarks/sandbox.py``.

Prints a table and the memory of the sandbox; exits with 1 after any error. The peer is a bare Starlette
application that answers a constant JSON: a separate process under the same HTTP server, called in the
same run by the same client. Linux only; everything stays on this machine.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

JOBS = 1_000
CONNECTIONS = 8
PACE = 200.0
"""Paced reads each second."""
PACED, UNPACED = 3_000, 3_000
TIME_SCALE = 10
"""Pictures start after 10 s, so that all are drawn during the reads, and end after 70 s."""
LIMIT = 20.0
"""Time limit of a phase in seconds."""
_PATH = "/api/v1/generations"
_CONSTANT = {"object": "generation", "id": "task_0", "status": "processing", "model": "z-image"}


@dataclass(frozen=True)
class Server:
    """A server in its own process."""

    address: str
    api_key: str
    pid: int

    def processor_time(self) -> float:
        """Processor seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name: str = "VmRSS") -> float:
        """MiB in memory now, or at peak with ``VmHWM``."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


@dataclass(frozen=True)
class Call:
    """A request and its expected status."""

    method: str
    path: str
    expected: int
    body: bytes | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Phase:
    """The results of many requests.

    Attributes:
        answers: In order of arrival; None for errors.
        rate: Requests each second.
        waits: Seconds from each request to its answer.
        processor: Seconds of the server's processor time for each request.
    """

    answers: Sequence[dict[str, object] | None]
    rate: float
    waits: Sequence[float]
    processor: float

    @property
    def errors(self) -> int:
        """Number of errors."""
        return sum(answer is None for answer in self.answers)


def ask(server: Server, calls: Sequence[Call], *, pace: float | None = None) -> Phase:
    """Make calls over a few persistent connections, at the rate `pace` or as fast as possible."""
    turns, lock = itertools.count(), threading.Lock()
    answers: list[dict[str, object] | None] = []
    waits: list[float] = []
    used, begun = server.processor_time(), time.perf_counter()

    def work() -> None:
        connection = http.client.HTTPConnection(server.address, timeout=LIMIT)
        try:
            while True:
                with lock:
                    turn = next(turns)
                if turn >= len(calls) or time.perf_counter() - begun > LIMIT:
                    return
                if pace is not None:
                    time.sleep(max(0.0, begun + turn / pace - time.perf_counter()))
                sent = time.perf_counter()
                answer = _answer(connection, server.api_key, calls[turn])
                with lock:
                    waits.append(time.perf_counter() - sent)
                    answers.append(answer)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - begun
    processor = (server.processor_time() - used) / len(answers)
    return Phase(answers, len(answers) / taken, waits, processor)


def _answer(
    connection: http.client.HTTPConnection, api_key: str, call: Call
) -> dict[str, object] | None:
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    if call.idempotency_key is not None:
        headers["Idempotency-Key"] = call.idempotency_key
    try:
        connection.request(call.method, call.path, call.body, headers)
        response = connection.getresponse()
        payload = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        connection.close()  # the next request reconnects
        return None
    in_flight = payload.get("status") in ("queued", "processing")
    return payload if response.status == call.expected and in_flight else None


def measured(server: Server) -> tuple[Phase, Phase, Phase]:
    """The jobs' creation, paced reads of them and reads as fast as they come."""
    creates = [
        Call(
            "POST",
            _PATH,
            202,
            json.dumps({"model": "z-image", "prompt": f"lamp {n}"}).encode(),
            f"benchmark-{n}",
        )
        for n in range(JOBS)
    ]
    ask(server, [Call("GET", f"{_PATH}/none", 404)])  # it has started once this is answered
    created = ask(server, creates)
    ids = [str(answer["id"]) for answer in created.answers if answer is not None]
    if not ids:
        raise SystemExit("nothing could be created")
    reads = [
        Call("GET", f"{_PATH}/{one}", 200)
        for one in itertools.islice(itertools.cycle(ids), max(PACED, UNPACED))
    ]
    return created, ask(server, reads[:PACED], pace=PACE), ask(server, reads[:UNPACED])


@contextmanager
def started(command: Sequence[str]) -> Iterator[Server]:
    """A server that prints its address in a line of JSON; stopped with the block."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        yield Server(urlsplit(told["base_url"]).netloc, told["api_key"], process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def serve_peer() -> None:
    """Serve the constant JSON until SIGTERM."""

    async def create(request: Request) -> JSONResponse:
        await request.json()
        return JSONResponse(_CONSTANT, 202)

    async def read(request: Request) -> JSONResponse:
        return JSONResponse(_CONSTANT)

    routes = [
        Route(_PATH, create, methods=["POST"]),
        Route(_PATH + "/{task_id}", read, methods=["GET"]),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    # With an explicit protocol asyncio sends at once; otherwise an answer in two parts waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        print(json.dumps({"base_url": f"http://127.0.0.1:{port}", "api_key": "none"}), flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def main() -> int:
    """Print the table; returns the exit code."""
    with started([__file__, "--peer"]) as peer:
        bare = measured(peer)
        bare_memory = peer.memory("VmHWM")
    with tempfile.TemporaryDirectory() as folder:
        options = ["--data", folder, "--media", "plain", "--credits", str(10 * JOBS)]
        command = ["-m", "rivya_sandbox", "serve", "--json", "--time-scale", str(TIME_SCALE)]
        with started([*command, *options]) as sandbox:
            before = sandbox.memory()
            full = measured(sandbox)
            after, most = sandbox.memory(), sandbox.memory("VmHWM")
    distinct = len({str(answer["id"]) for answer in full[0].answers if answer is not None})
    names = ("create", f"read, {PACE:.0f}/s", "read, as fast as possible")
    head = ("", "requests", "errors", "each second", "peer", "ratio", "median", "99 of 100")
    print("| " + " | ".join((*head, "processor", "peer", "ratio")) + " |")
    print("| --- |" + " ---: |" * 10)
    for name, ours, theirs in zip(names, full, bare, strict=True):
        print(
            f"| {name} | {len(ours.answers):,} | {ours.errors} "
            f"| {ours.rate:,.0f} | {theirs.rate:,.0f} | {ours.rate / theirs.rate:.2f} "
            f"| {median(ours.waits) * 1e3:.1f} ms | {_late(ours) * 1e3:.1f} ms "
            f"| {ours.processor * 1e3:.2f} ms | {theirs.processor * 1e3:.2f} ms "
            f"| {ours.processor / theirs.processor:.1f} |"
        )
    print(
        f"\nMemory: {before:.0f} MiB at the start, {after:.0f} MiB with {distinct:,} jobs in "
        f"flight, {most:.0f} MiB at most; the peer {bare_memory:.0f} MiB at most."
    )
    errors, peer_errors = (sum(phase.errors for phase in phases) for phases in (full, bare))
    print(f"Errors: {errors}; of the peer: {peer_errors}.")
    return 1 if errors or peer_errors or distinct != JOBS else 0


def _late(phase: Phase) -> float:
    return sorted(phase.waits)[len(phase.waits) * 99 // 100]


if __name__ == "__main__":
    action: Callable[[], int | None] = serve_peer if sys.argv[1:] == ["--peer"] else main
    sys.exit(action())
