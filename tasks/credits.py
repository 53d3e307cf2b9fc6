"""The wallet."""

from __future__ import annotations

from prefect import task

from rivya_flows.tasks.session import PLAIN, session


async def balance() -> int:
    """Credits of the account now. A plain call: a run reads it often, and shares one answer."""
    return (await session().client.credits.retrieve()).current_credits


@task(name="credits", **PLAIN)
async def read_credits() -> int:
    """`balance` as a task, for flows of your own."""
    return await balance()
