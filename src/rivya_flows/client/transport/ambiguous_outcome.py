"""What all attempts of one call together know about whether it was carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from rivya_flows.client.transport.response_parsing import (
    NotSentError,
    RefusedAfterSilenceError,
    may_have_been_carried_out,
)
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError

Given = TypeVar("Given")


def remembering(
    attempt: Callable[[], Awaitable[Given]], *, changes: bool
) -> Callable[[], Awaitable[Given]]:
    """The same attempt, whose error also tells what earlier ones may have done.

    Args:
        attempt: Called once for each attempt of one call.
        changes: The request buys, makes, changes or removes something.
    """
    unsure = False

    async def known() -> Given:
        nonlocal unsure
        try:
            return await attempt()
        except APIError as exc:
            if changes and unsure and isinstance(exc, APIStatusError) and not exc.retryable:
                told = (exc.status, exc.code, exc.detail, exc.request_id, exc.retry_after_seconds)
                raise RefusedAfterSilenceError(*told) from exc
            if unsure and isinstance(exc, NotSentError):
                # This attempt never left, but an earlier one of the same call did.
                raise APIConnectionError(exc.message) from exc
            unsure = unsure or may_have_been_carried_out(exc)
            raise

    return known
