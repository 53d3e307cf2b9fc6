"""Chat turns: paid, and answered at once."""

from __future__ import annotations

from typing import Any

from prefect import task

from rivya_flows.tasks.generations import policy
from rivya_flows.tasks.session import PLAIN, dumped, session


@task(name="chat", **PLAIN)
async def complete_chat(
    body: str, idempotency_key: str, attempts: int = 5, patience: float | None = None
) -> dict[str, Any]:
    """Buys one answer.

    Args:
        body: The exact JSON text of the request.
        idempotency_key: Names the purchase; the service charges once for it.
        attempts: Requests in all.
        patience: Seconds in all, or None for the client's own.

    Raises:
        APIStatusError: The service refused it.
        APIConnectionError: No answer; it may have been taken.
    """
    answered = await session().client.chat.complete(
        body.encode(), idempotency_key=idempotency_key, retry=policy(attempts, patience)
    )
    return dumped(answered)
