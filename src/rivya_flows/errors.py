"""Exceptions that several modules raise, with those of the client; `docs/reference/errors.md` has the tree of all.

Those that only one module raises are defined there. Each carries `hint`: what to do next, or None; what a command shows is
`hint_of`. Arguments are all passed to ``super().__init__`` because Prefect pickles exceptions, and pickle replays them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from rivya_client.errors import (
    ADVICE as SERVICE_ADVICE,
    SAME_PURCHASE,
    APIConnectionError as APIConnectionError,
    APIError as APIError,
    APIStatusError as APIStatusError,
    AuthenticationError as AuthenticationError,
    BadRequestError as BadRequestError,
    ConflictError as ConflictError,
    ExplainedError,
    InsufficientCreditsError as InsufficientCreditsError,
    InternalServerError as InternalServerError,
    MediaError as MediaError,
    NotFoundError as NotFoundError,
    NotSentError as NotSentError,
    PermissionDeniedError as PermissionDeniedError,
    RateLimitError as RateLimitError,
    RefusedAddressError as RefusedAddressError,
    RefusedAfterSilenceError as RefusedAfterSilenceError,
    RivyaError as RivyaError,
    UsageError as UsageError,
)
from rivya_flows.diagnostics import Diagnostic as Diagnostic  # part of `SpecError`

_NEW_KEY = (
    f"{SERVICE_ADVICE['api_key_revoked']};"
    " then `rivya-flows down` and `up` if that runs, since its worker has the old one"
)
ADVICE = {
    **SERVICE_ADVICE,
    "api_key_revoked": _NEW_KEY,
    "api_key_expired": _NEW_KEY,
    "rate_limited": "wait, then resume",
    "insufficient_credits": f"{SERVICE_ADVICE['insufficient_credits']}, then resume",
}
"""What to do about an error code of the service: what the client says, and what is different for a run."""


def hint_of(error: BaseException) -> str | None:
    """What to do next about an error, for somebody who runs campaigns; None if it does not say."""
    hint: str | None = getattr(error, "hint", None)
    if hint:  # a run sends the same bytes again by itself
        hint = hint.removeprefix(SAME_PURCHASE).removeprefix("; ") or None
    return ADVICE.get(error.code, hint) if isinstance(error, APIStatusError) else hint


class SpecError(RivyaError):
    """A spec or its inputs are wrong.

    Attributes:
        diagnostics: All mistakes found in one pass, in the order of the file.
    """

    code = "spec_invalid"

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return "\n".join(map(str, self.diagnostics))


class BudgetError(ExplainedError):
    """The credits or the budget do not suffice; nothing more was bought.

    Attributes:
        options: With these the same command continues; empty if none helps.
    """

    code = "over_budget"
    options: tuple[str, ...] = ()


class PoolExceededError(BudgetError):
    """A pool of credits of the store does not cover a purchase, which was not made.

    Attributes:
        until: End of its period, UTC; None for one that covers all time.
    """

    def __init__(self, pool: str, needs: int, left: int, until: datetime | None) -> None:
        super().__init__(
            f"needs {needs} credit{'s' * (needs != 1)}; the pool {pool} has {left} left",
            f"raise it with `rivya-flows budgets set {pool} --credits N`"
            + (", or wait for its next period" if until else ""),
        )
        self.args = (pool, needs, left, until)  # what pickle calls it with
        self.pool = pool
        self.needs = needs
        self.left = left
        self.until = until


class NotConfirmedError(BudgetError):
    """A purchase from a real wallet without a cap was not confirmed; nothing was bought."""

    code = "not_confirmed"
    options = ("--yes",)


class QuoteError(BudgetError):
    """A quote does not hold any more, was changed, or was used; nothing was bought."""

    code = "quote"


class StoreError(ExplainedError):
    """The journal cannot be read or written."""

    code = "store"


class LeaseLostError(StoreError):
    """Another process drives this run now."""

    code = "lease_lost"


class StoreLostError(StoreError):
    """The file of the journal was deleted or replaced while this process used it."""


class StoreUnreachableError(StoreError):
    """The database server of the journal is away; the same may succeed when it is back."""


class LostMediumError(StoreError):
    """A medium is not in its store any more, or its content is another one."""


@contextmanager
def explain_os_error(
    what: object, hint: str, kind: Callable[[str, str], RivyaError] = UsageError
) -> Iterator[None]:
    """Makes an error of ours of an `OSError` in the block: what cannot be used, the reason, and what to do."""
    try:
        yield
    except OSError as error:
        raise kind(f"{what}: {error.strerror or error}", hint) from error
