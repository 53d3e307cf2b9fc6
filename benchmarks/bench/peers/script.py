"""A script: asyncio and httpx, nothing durable. ``python -m benchmarks.bench.peers.script WORK FOLDER``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from benchmarks.bench.peers import work as service


async def main(file: Path, place: service.Place) -> None:
    """Buy all of a work."""
    todo = service.read(file)
    async with service.client(todo.limit) as http:

        async def buy(purchase: service.Purchase, reference: str | None) -> str:
            key = f"{place.nonce}-{purchase.name}"
            job = await service.submit(http, purchase, reference, key)
            if purchase.chat:
                return job
            ended = await service.wait(http, job)
            return await service.download(http, ended, place.folder, purchase.name)

        await service.walk(todo, buy)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), service.Place(Path(sys.argv[2]))))
