"""The account balance."""

from __future__ import annotations

from prefect import task

from rivya_flows.tasks.session import PLAIN, session


async def balance() -> int:
    """Current credits. Not a task: a run reads it often and shares the answers."""
    return (await session().client.credits.retrieve()).current_credits


@task(name="credits", **PLAIN)
async def read_credits() -> int:
    """`balance` as a task, for custom flows."""
    return await balance()
