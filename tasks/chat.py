"""Chat turns: paid, and answered at once."""

from __future__ import annotations

from prefect import task

from rivya_flows.client.wire.chat import ChatCompletion
from rivya_flows.tasks.generations import policy
from rivya_flows.tasks.session import PLAIN, session


@task(name="chat", **PLAIN)
async def complete_chat(
    body: str, idempotency_key: str, attempts: int = 5, patience: float | None = None
) -> ChatCompletion:
    """Buy one answer.

    Args:
        idempotency_key: Identifies the purchase; the service charges once per key.
        patience: Seconds in all, or None for the client's default.

    Raises:
        APIStatusError: The service refused it.
        APIConnectionError: No response; the turn may have been accepted.
    """
    return await session().client.chat.complete(
        body.encode(), idempotency_key=idempotency_key, retry=policy(attempts, patience)
    )
