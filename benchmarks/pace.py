"""Measures the client against plain httpx, and its polls: ``python benchmarks/pace.py``.

Both ask the same sandbox for the same job, in turns, in one process: requests a second, and processor
time of this process for each request. Then jobs of about 7 and 40 s, whose durations spread by a fifth,
are bought and awaited: looks at each, and the part of its time until its end was known. Everything
stays on this machine; ``--json`` prints one document instead of tables.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import httpx  # noqa: TID251 - the peer

from rivya_client.client import RivyaClient
from rivya_client.job_durations import Watched
from rivya_client.request_types import GenerationRequest
from rivya_sandbox.service.admin import set_faults

REQUESTS, ROUNDS = 1_000, 3
LEARNED, JOBS = 20, 100
SPREAD = 0.2
_LAMP: GenerationRequest = {"model": "z-image", "prompt": "lamp"}


@dataclass(frozen=True)
class Overhead:
    """The best of several rounds, in milliseconds of processor time and requests a second."""

    at_once: int
    client_ms: float
    httpx_ms: float
    ratio: float
    client_per_second: float
    httpx_per_second: float


@dataclass(frozen=True)
class Polls:
    """Looks at jobs, and the parts of their time that were lost."""

    seconds: float
    jobs: int
    looks_mean: float
    looks_99: int
    looks_max: int
    lost_mean: float
    lost_90: float
    lost_max: float
    delay_seconds_mean: float


@contextmanager
def sandbox(folder: Path) -> Iterator[tuple[str, str]]:
    """Address and key of a sandbox in its own process."""
    command = [sys.executable, "-m", "rivya_sandbox", "serve", "--json", "--data", str(folder)]
    options = ["--media", "plain", "--time-scale", "0", "--credits", "100000"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        yield told["base_url"], told["api_key"]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def measured(call: Callable[[], Awaitable[object]], at_once: int) -> tuple[float, float]:
    """Processor milliseconds of a request, and requests a second."""
    turns = iter(range(REQUESTS))

    async def work() -> None:
        for _ in turns:
            await call()

    used, began = _processor_seconds(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    seconds = time.perf_counter() - began
    return (_processor_seconds() - used) / REQUESTS * 1e3, REQUESTS / seconds


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def overhead(address: str, key: str, at_once: int) -> Overhead:
    """The client and plain httpx with the same limits, in turns."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=100)
    headers = {"Authorization": f"Bearer {key}"}
    client = RivyaClient(key, address, requests_per_second=1e6)
    async with client, httpx.AsyncClient(headers=headers, limits=limits, timeout=60) as plain:
        job = await client.generations.create(_LAMP)
        url = f"{address}/api/v1/generations/{job.id}"

        async def ask() -> None:
            (await plain.get(url)).raise_for_status().json()

        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(await measured(ask, at_once))
            ours.append(await measured(lambda: client.generations.retrieve(job.id), at_once))
    client_ms, httpx_ms = min(ours)[0], min(theirs)[0]
    fastest = max(rate for _, rate in ours), max(rate for _, rate in theirs)
    return Overhead(at_once, client_ms, httpx_ms, client_ms / httpx_ms, *fastest)


async def polls(address: str, key: str, data: Path, seconds: float) -> Polls:
    """Jobs of about so many seconds, after some from which the client learned."""
    chance = random.Random(7)
    found: list[Watched] = []
    async with RivyaClient(key, address) as client:

        async def buy() -> None:
            job = await client.generations.create(_LAMP)
            await client.generations.wait(job.id, model=job.model, on_end=found.append)

        for jobs in (LEARNED, JOBS):
            takes = [seconds * chance.uniform(1 - SPREAD, 1 + SPREAD) for _ in range(jobs)]
            delay = "  - {{on: generation, do: delay, times: 1, seconds: {:.3f}}}\n"
            set_faults(data, "faults:\n" + "".join(map(delay.format, takes)))
            found.clear()
            await asyncio.gather(*(buy() for _ in range(jobs)))
    looks = sorted(one.looks for one in found)
    late = [one.late or 0.0 for one in found]
    lost = sorted((one.late or 0.0) / one.seconds for one in found if one.seconds)
    most = looks[len(looks) * 99 // 100 - 1]
    delays = mean(lost), lost[len(lost) * 9 // 10], lost[-1], mean(late)
    return Polls(seconds, len(found), mean(looks), most, looks[-1], *delays)


def main() -> None:
    """Print the tables, or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument(
        "--seconds", type=float, action="append", help="of a job; default: 7 and 40"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as (address, key):
        costs = [asyncio.run(overhead(address, key, at_once)) for at_once in (10, 100)]
        waits = [
            asyncio.run(polls(address, key, Path(folder), seconds))
            for seconds in options.seconds or (7.0, 40.0)
        ]
    if options.as_json:
        print(json.dumps({"overhead": list(map(asdict, costs)), "polls": list(map(asdict, waits))}))
        return
    print("| requests at once | client | httpx | ratio | client | httpx |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for one in costs:
        print(
            f"| {one.at_once} | {one.client_ms:.2f} ms | {one.httpx_ms:.2f} ms | {one.ratio:.2f} "
            f"| {one.client_per_second:,.0f}/s | {one.httpx_per_second:,.0f}/s |"
        )
    print("\n| job | jobs | looks | 99 of 100 | most | lost | 90 of 100 | most | end to known |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for wait in waits:
        print(
            f"| {wait.seconds:g} s | {wait.jobs} | {wait.looks_mean:.1f} | {wait.looks_99} "
            f"| {wait.looks_max} | {wait.lost_mean:.1%} | {wait.lost_90:.1%} | {wait.lost_max:.1%} "
            f"| {wait.delay_seconds_mean:.2f} s |"
        )


if __name__ == "__main__":
    main()
