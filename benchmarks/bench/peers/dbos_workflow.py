"""Durable steps in one process: DBOS on its SQLite file, a workflow for each purchase.

``python -m benchmarks.bench.peers.dbos_workflow WORK FOLDER``. A workflow that is killed goes on
after its last step; the key of a purchase is drawn from the id of its workflow, so a repeated step
buys nothing twice. The limit is a semaphore: a queue of DBOS looks for work once a second, which would
only add to its time.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bench.peers import work as service
from dbos import DBOS

_http: Any = None


@DBOS.step()
async def submit(purchase: dict[str, Any], reference: str | None, key: str) -> str:
    """Buy."""
    return await service.submit(_http, service.Purchase(**purchase), reference, key)


@DBOS.step()
async def wait(job: str) -> dict[str, Any]:
    """Poll."""
    return await service.wait(_http, job)


@DBOS.step()
async def download(ended: dict[str, Any], folder: str, name: str) -> str:
    """Keep the result."""
    return await service.download(_http, ended, Path(folder), name)


@DBOS.workflow()
async def purchased(purchase: dict[str, Any], reference: str | None, folder: str) -> str:
    """Buy one."""
    job = await submit(purchase, reference, f"key-{DBOS.workflow_id}")
    if purchase["chat"]:
        return job
    return await download(await wait(job), folder, purchase["name"])


async def main(file: Path, folder: Path) -> None:
    """Buy all of a work."""
    global _http
    todo = service.read(file)
    async with service.client(todo.limit) as _http:

        async def buy(purchase: service.Purchase, reference: str | None) -> str:
            handle = await DBOS.start_workflow_async(
                purchased, asdict(purchase), reference, str(folder)
            )
            return await handle.get_result()

        await service.walk(todo, buy)


if __name__ == "__main__":
    state = Path(sys.argv[2]) / "dbos.sqlite"
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{state}",
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
    DBOS.destroy()
