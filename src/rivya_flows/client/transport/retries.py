"""When a request is repeated and how long before: the one place that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import tenacity

from rivya_flows.client.transport.runtime import Runtime
from rivya_flows.errors import APIError, APIStatusError

FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
ASLEEP_SECONDS = 60.0
"""By so much the time of day must run ahead before the machine counts as having been asleep."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long one request is worth repeating. Repeating is free: it is the same paid job.

    Attributes:
        attempts: Requests in all, the first included.
        patience_seconds: No repetition starts later than this after the first request. A wait
            for a job gives up when the service was silent for so long.
    """

    attempts: int = 5
    patience_seconds: float = 300.0


ONCE = RetryPolicy(attempts=1)


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for; None when it is absent or unreadable.

    Args:
        value: Whole or broken seconds, or an HTTP date.
        now: Seconds since 1970.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    # A comparison that is false for "nan" and "inf" too.
    return max(0.0, seconds) if seconds < float("inf") else None


def backoff_seconds(error: BaseException | None, attempt: int, chance: float) -> float:
    """Seconds between this failed attempt and the next.

    Args:
        error: What went wrong; its ``Retry-After`` is obeyed and never shortened.
        attempt: Number of the failed attempt, from 1.
        chance: From 0 to 1; spreads clients that failed at the same moment.
    """
    asked = error.retry_after_seconds if isinstance(error, APIStatusError) else None
    if asked is not None:
        return asked + FIRST_BACKOFF_SECONDS * chance / 2
    longest = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(attempt - 1, 10))
    return longest * (1 + chance) / 2


def retrying(
    policy: RetryPolicy,
    runtime: Runtime,
    *,
    repeatable: bool,
    ages: bool = False,
) -> tenacity.AsyncRetrying:
    """Calls a coroutine function until it gives an answer, a final error, or patience ends.

    The last error is raised as it is. Without `repeatable` there is one call.

    Args:
        policy: How long it is worth repeating.
        runtime: Sleep, clocks and chance.
        repeatable: Whether a second call does no harm.
        ages: That holds for a while only, as long as the service remembers a key. So there is no
            further call after the machine was asleep: only who asked knows how old the request is.
    """
    started, began = runtime.clock(), runtime.now()
    last: list[BaseException] = []

    def asleep() -> bool:
        # The clock that never goes back stands still while a machine is suspended.
        passed = runtime.now() - began
        return ages and passed - (runtime.clock() - started) > ASLEEP_SECONDS

    async def sleep(seconds: float) -> None:
        await runtime.sleep(seconds)
        if asleep() and last:
            raise last[-1]

    def over(state: tenacity.RetryCallState) -> bool:
        waited = runtime.clock() - started + state.upcoming_sleep
        impatient = state.attempt_number >= policy.attempts or waited > policy.patience_seconds
        if state.outcome and (error := state.outcome.exception()):
            last.append(error)
        return impatient or asleep()

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
