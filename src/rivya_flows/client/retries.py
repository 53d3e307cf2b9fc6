"""Whether and when a request is repeated: the one place that decides it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from rivya_flows.client.errors import (
    NotSentError,
    RefusedAfterSilenceError,
    may_have_been_carried_out,
)
from rivya_flows.client.runtime import Runtime
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError

FIRST_BACKOFF_SECONDS = 1.0


MAX_BACKOFF_SECONDS = 30.0


LAG_SECONDS = 6.0
"""How long a part of the service may not know a job or a result that another part has just named."""


LAG_PAUSES = 4
"""Pauses within that time."""


SUSPENDED_SECONDS = 60.0
"""The machine was suspended if the time of day advanced by this much more than the clock, or than a pause."""


T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How long to repeat one request. Repeating is free: it is the same paid job.

    Attributes:
        attempts: Requests in all, the first included.
        patience_seconds: No repetition starts later than this after the first request. A wait
            for a job gives up when the service was silent for so long.
    """

    attempts: int = 5
    patience_seconds: float = 300.0


ONCE = RetryPolicy(attempts=1)


def backoff_seconds(error: BaseException | None, attempt: int, chance: float) -> float:
    """Seconds between this failed attempt and the next.

    Args:
        error: The failure; its ``Retry-After`` is never shortened.
        attempt: Number of the failed attempt, from 1.
        chance: From 0 to 1; spreads clients that failed at the same moment.
    """
    requested = error.retry_after_seconds if isinstance(error, APIStatusError) else None
    if requested is not None:
        return requested + FIRST_BACKOFF_SECONDS * chance / 2
    longest = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(attempt - 1, 10))
    return longest * (1 + chance) / 2


def retrying(
    policy: RetryPolicy, runtime: Runtime, *, repeatable: bool, ages: bool = False
) -> tenacity.AsyncRetrying:
    """Calls a coroutine function until it returns, fails for good, or patience ends.

    The last error is raised unchanged. Without `repeatable` there is one call.

    Args:
        policy: How long to repeat.
        runtime: Sleep, clocks and chance.
        repeatable: Whether a second call does no harm.
        ages: It does no harm for a limited time, while the service remembers the key. So there is
            no further call after the machine was suspended, or the process stopped, as by Ctrl-Z:
            only the caller knows how old the request is.
    """
    started, began = runtime.clock(), runtime.now()
    last: list[BaseException] = []

    def suspended() -> bool:
        # The monotonic clock stands still while a machine is suspended.
        elapsed = runtime.now() - began
        return ages and elapsed - (runtime.clock() - started) > SUSPENDED_SECONDS

    async def sleep(seconds: float) -> None:
        due = runtime.now() + seconds
        await runtime.sleep(seconds)
        if ages and last and runtime.now() - due > SUSPENDED_SECONDS:
            raise last[-1]

    def over(state: tenacity.RetryCallState) -> bool:
        waited = runtime.clock() - started + state.upcoming_sleep
        impatient = state.attempt_number >= policy.attempts or waited > policy.patience_seconds
        if state.outcome and (error := state.outcome.exception()):
            last.append(error)
        return impatient or suspended()

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return backoff_seconds(error, state.attempt_number, runtime.chance())

    def again(error: BaseException) -> bool:
        return repeatable and isinstance(error, APIError) and error.retryable

    return tenacity.AsyncRetrying(
        sleep=sleep,
        stop=over,
        wait=pause,
        retry=tenacity.retry_if_exception(again),
        reraise=True,
    )


def remembering(
    attempt: Callable[[], Awaitable[T]], *, changes: bool
) -> Callable[[], Awaitable[T]]:
    """The same attempt, whose error covers what earlier attempts of the call may have done."""
    unsure = False

    async def remembered() -> T:
        nonlocal unsure
        try:
            return await attempt()
        except APIError as exc:
            if changes and unsure and isinstance(exc, APIStatusError) and not exc.retryable:
                raise RefusedAfterSilenceError(*exc.args[:5]) from exc  # not the text of a stream
            if unsure and isinstance(exc, NotSentError):
                # This attempt had no connection, but an earlier one of the same call did.
                raise APIConnectionError(exc.message) from exc
            unsure = unsure or may_have_been_carried_out(exc)
            raise

    return remembered
