"""What the peers share: the work as JSON, its order, and the requests of one purchase.

Runs in two virtual environments, so it imports httpx and nothing of rivya-flows.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx  # noqa: TID251  # a peer is what a user writes without our client

POLL_SECONDS = (0.4, 0.6)
"""Between two looks at a job, at random: at a fixed 0.5 s the fourth look would always fall just after
the end of a job of 2 s."""


@dataclass(frozen=True)
class Purchase:
    """One job, or one chat turn.

    Attributes:
        name: Unique in the work.
        body: Of the POST, without references.
        after: Names of purchases that end before.
        reference: One of them whose result is uploaded and referred to.
        chat: A chat turn, which has no job.
    """

    name: str
    body: dict[str, Any]
    after: tuple[str, ...] = ()
    reference: str | None = None
    chat: bool = False


@dataclass(frozen=True)
class Work:
    """All purchases; each comes later than what it waits for.

    Attributes:
        limit: Jobs in flight at once.
    """

    purchases: Sequence[Purchase]
    limit: int


@dataclass
class Place:
    """Where a peer works.

    Attributes:
        folder: Gets the results.
        nonce: Makes idempotency keys of this execution unique.
    """

    folder: Path
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)


def read(file: Path) -> Work:
    """The work of a JSON file."""
    document = json.loads(file.read_text())
    purchases = [
        Purchase(**{**one, "after": tuple(one.get("after", ()))}) for one in document["purchases"]
    ]
    return Work(purchases, document["limit"])


async def walk(work: Work, buy: Callable[[Purchase, str | None], Awaitable[str]]) -> list[str]:
    """Buy everything in order, with the limit of jobs in flight.

    Args:
        work: What to buy.
        buy: Buys one with the path of its reference; returns the path of the result.
    """
    slots = asyncio.Semaphore(work.limit)
    tasks: dict[str, asyncio.Task[str]] = {}

    async def one(purchase: Purchase) -> str:
        for name in purchase.after:
            await tasks[name]
        reference = None if purchase.reference is None else await tasks[purchase.reference]
        async with slots:
            return await buy(purchase, reference)

    for purchase in work.purchases:
        tasks[purchase.name] = asyncio.create_task(one(purchase))
    return await asyncio.gather(*tasks.values())


def client(limit: int) -> httpx.AsyncClient:
    """A client of the service in the environment."""
    return httpx.AsyncClient(
        base_url=os.environ["RIVYA_BASE_URL"],
        headers={"Authorization": f"Bearer {os.environ['RIVYA_API_KEY']}"},
        timeout=60,
        limits=httpx.Limits(max_connections=min(limit, 100), max_keepalive_connections=100),
        verify=False,  # loopback without TLS; reading certificates would count as work
    )


async def submit(
    http: httpx.AsyncClient, purchase: Purchase, reference: str | None, key: str
) -> str:
    """Buy; returns the id of the job, or the answer of a chat turn."""
    body = dict(purchase.body)
    if reference is not None:
        url = await _upload(http, Path(reference), body["model"])
        items = [{"url": url, "kind": "image"}]
        body["params"] = {**body.get("params", {}), "referenceMediaItems": items}
    path = "/api/v1/chat/completions" if purchase.chat else "/api/v1/generations"
    response = await http.post(path, json=body, headers={"Idempotency-Key": key})
    response.raise_for_status()
    answer = response.json()
    return json.dumps(answer) if purchase.chat else str(answer["id"])


async def wait(http: httpx.AsyncClient, job: str) -> dict[str, Any]:
    """Poll until the job ended; returns it."""
    while True:
        await asyncio.sleep(random.uniform(*POLL_SECONDS))
        response = await http.get(f"/api/v1/generations/{job}")
        response.raise_for_status()
        found: dict[str, Any] = response.json()
        if found["status"] == "succeeded":
            return found
        if found["status"] not in ("queued", "processing"):
            raise RuntimeError(f"{job}: {found['status']}")


async def download(http: httpx.AsyncClient, ended: dict[str, Any], folder: Path, name: str) -> str:
    """Write the first result to the folder; returns its path."""
    url = ended["result"]["primary_url"]
    path = folder / f"{name}{Path(urlsplit(url).path).suffix}"
    async with http.stream("GET", url) as response:
        response.raise_for_status()
        with path.open("wb") as file:
            async for chunk in response.aiter_bytes():
                file.write(chunk)
    return str(path)


async def _upload(http: httpx.AsyncClient, path: Path, model: str) -> str:
    files = {"file": (path.name, path.read_bytes(), "image/png")}
    response = await http.post("/api/v1/files", data={"kind": "image", "model": model}, files=files)
    response.raise_for_status()
    return str(response.json()["url"])
