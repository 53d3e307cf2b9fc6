"""A flow as one writes it by hand: three tasks for each purchase, gathered; on ``PREFECT_API_URL``.

``python -m benchmarks.bench.peers.prefect_flow WORK FOLDER``. Nothing survives a kill but the task
runs' states, and a restart buys again.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from benchmarks.bench.peers import work as service
from prefect import flow, task

_http: Any = None


@task
async def submit(purchase: service.Purchase, reference: str | None, key: str) -> str:
    """Buy."""
    return await service.submit(_http, purchase, reference, key)


@task
async def wait(job: str) -> dict[str, Any]:
    """Poll."""
    return await service.wait(_http, job)


@task
async def download(ended: dict[str, Any], folder: Path, name: str) -> str:
    """Keep the result."""
    return await service.download(_http, ended, folder, name)


@flow(name="bench")
async def campaign(file: Path, place: service.Place) -> int:
    """Buy all of a work; returns how many results there are."""
    global _http
    todo = service.read(file)
    async with service.client(todo.limit) as _http:

        async def buy(purchase: service.Purchase, reference: str | None) -> str:
            job = await submit(purchase, reference, f"{place.nonce}-{purchase.name}")
            if purchase.chat:
                return job
            return await download(await wait(job), place.folder, purchase.name)

        return len(await service.walk(todo, buy))


if __name__ == "__main__":
    asyncio.run(campaign(Path(sys.argv[1]), service.Place(Path(sys.argv[2]))))
