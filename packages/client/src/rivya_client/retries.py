"""Whether and when a request is repeated: the one place that decides it."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from rivya_client.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    NotSentError,
    RefusedAfterSilenceError,
    UsageError,
    may_have_been_carried_out,
)
from rivya_client.runtime import Runtime

FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
LAG_SECONDS = 6.0
"""How long a part of the service may not know a job or a result that another part has just named."""

LAG_PAUSES = 4  # pauses within that time
SUSPENDED_SECONDS = 60.0
"""The machine was suspended if the time of day advanced by this much more than the clock, or than a pause."""
MAX_TURN_SECONDS = 3600.0
"""How long after its call a request that changes something may be sent, where the call names no time: a
process that was stopped may continue after the service has forgotten the key."""

T = TypeVar("T")


def is_count(value: object, least: int) -> bool:
    """Whether a value is a whole number from `least` on."""
    return isinstance(value, int) and value >= least


@dataclass(frozen=True)
class RetryPolicy:
    """How long to repeat one request. Repeating is free: it is the same paid job.

    Attributes:
        attempts: Requests in all, the first included.
        patience_seconds: No repetition starts later than this after the first request. A wait
            for a job gives up when the service was silent for so long.

    Raises:
        UsageError: `attempts` is not a whole number above 0.
    """

    attempts: int = 5
    patience_seconds: float = 300.0

    def __post_init__(self) -> None:
        if not is_count(self.attempts, 1):
            raise UsageError(
                f"attempts: {self.attempts!r} is not a whole number above 0",
                "write 1 to send a request once: the first counts too",
            )


ONCE = RetryPolicy(attempts=1)


def backoff_seconds(error: APIError, attempt: int, chance: float) -> float:
    """Seconds between this failed attempt, counted from 1, and the next.

    A ``Retry-After`` is never shortened. `chance`, from 0 to 1, spreads clients that failed at the
    same moment.
    """
    requested = error.retry_after_seconds if isinstance(error, APIStatusError) else None
    if requested is not None:
        return requested + FIRST_BACKOFF_SECONDS * chance / 2
    longest = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(attempt - 1, 10))
    return longest * (1 + chance) / 2


async def repeat(
    attempt: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    runtime: Runtime,
    *,
    repeatable: bool = True,
    changes: bool = False,
) -> T:
    """The result of the first good attempt; else the last error.

    Without `repeatable` there is one attempt. A request that `changes` something is safe to repeat
    while the service remembers the key, so it is not repeated after the machine was suspended, or the
    process stopped, as by Ctrl-Z: only the caller knows how old the request is. A refusal after an
    attempt without an answer is a RefusedAfterSilenceError.
    """
    started, began = runtime.clock(), runtime.now()
    unsure = False
    for number in itertools.count(1):
        try:
            return await attempt()
        except APIError as exc:
            error: APIError = exc
            if changes and unsure and isinstance(exc, APIStatusError) and not exc.retryable:
                raise RefusedAfterSilenceError(*exc.args[:5]) from exc  # not the text of a stream
            if unsure and isinstance(exc, NotSentError):
                # This attempt had no connection, but an earlier one of the same call did.
                error = APIConnectionError(exc.message)
                error.__cause__ = exc
        except UsageError as exc:  # such as a client that was closed in the pause
            if unsure:
                raise APIConnectionError(exc.message) from exc
            raise
        unsure = unsure or may_have_been_carried_out(error)
        if not (repeatable and error.retryable) or number >= policy.attempts:
            raise error
        pause = backoff_seconds(error, number, runtime.chance())
        waited, passed = runtime.clock() - started, runtime.now() - began
        # The monotonic clock stands still while a machine is suspended.
        suspended = changes and passed - waited > SUSPENDED_SECONDS
        if suspended or waited + pause > policy.patience_seconds:
            raise error
        due = runtime.now() + pause
        await runtime.sleep(pause)
        if changes and runtime.now() - due > SUSPENDED_SECONDS:
            raise error
    raise AssertionError("unreachable")
