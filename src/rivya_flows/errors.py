"""Exceptions that several modules raise; `docs/reference/errors.md` has the tree of all.

Those that only one module raises are defined there. Each carries `hint`: what to do next, or None. Arguments are all passed to
``super().__init__`` because Prefect pickles exceptions, and pickle replays them.
"""

from __future__ import annotations

from datetime import datetime

from rivya_flows.diagnostics import Diagnostic as Diagnostic  # part of `SpecError`


class RivyaFlowsError(Exception):
    """Base of all errors of this library."""

    code = "error"
    hint: str | None = None


class SpecError(RivyaFlowsError):
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


class _Told(RivyaFlowsError):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")  # at the end of a traceback, as in the log of a flow run

    def __str__(self) -> str:
        return self.message


class UsageError(_Told):
    """The call, the configuration or the machine is wrong."""

    code = "usage"


class BudgetError(_Told):
    """The credits or the budget do not suffice; nothing more was bought."""

    code = "over_budget"


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


class QuoteError(BudgetError):
    """A quote does not hold any more, was changed, or was used; nothing was bought."""

    code = "quote"


class StoreError(_Told):
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


class MediaError(_Told):
    """A media file is missing, broken, too large, or of another kind than it says."""

    code = "media"


class APIError(RivyaFlowsError):
    """The service did not give what was asked for.

    Attributes:
        retryable: The same request may succeed later.
        idempotency_key: The key that the request had. The same bytes under it do not buy twice.
    """

    code = "api"
    retryable = False
    idempotency_key: str | None = None


class APIConnectionError(APIError):
    """No whole answer arrived; the service may or may not have carried out the request."""

    code = "connection"
    retryable = True

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = "check RIVYA_BASE_URL and the network, then try again"

    def __str__(self) -> str:
        return self.message


# The next step for an error code. Source: contract, section 2.2.
_NEW_KEY = (
    "create a new key in Settings, API Keys, and set RIVYA_API_KEY to it;"
    " then `rivya-flows down` and `up` if that runs, since its worker has the old one"
)
ADVICE = {
    "public_api_disabled": "the Public API is off for now; try again later",
    "api_key_missing": "set RIVYA_API_KEY",
    "api_key_invalid": "correct RIVYA_API_KEY, or create a key in Settings, API Keys",
    "api_key_revoked": _NEW_KEY,
    "api_key_expired": _NEW_KEY,
    "api_scope_denied": "set RIVYA_API_KEY to a new key with the scope that the message names",
    "rate_limited": "wait, then resume",
    "insufficient_credits": "add credits, or pick a cheaper model, then resume",
}


class APIStatusError(APIError):
    """A 4xx or 5xx answer arrived; `of_status` gives the class of a status.

    Attributes:
        status: HTTP status code.
        code: The stable code of the error envelope, or ``http_<status>`` without one.
        detail: The service's own words.
        request_id: ``req_…`` of the answer; quote it when asking for help. None if absent.
        retry_after_seconds: What ``Retry-After`` asked for; None if absent.

    Source: contract, sections 2.1 and 2.2.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(status, code, detail, request_id, retry_after_seconds)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        self.retryable = status in (408, 429) or status >= 500
        self.hint = ADVICE.get(code)

    def __str__(self) -> str:
        quoted = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.code}: {self.detail} [HTTP {self.status}]{quoted}"

    @property
    def of_gateway(self) -> bool:
        """Whether the response had no error envelope, so that the service may not have sent it."""
        return self.code == f"http_{self.status}"

    @classmethod
    def of_status(cls, status: int) -> type[APIStatusError]:
        """The class of a status; `APIStatusError` for one without a class of its own."""
        return InternalServerError if status >= 500 else CLASS_OF_STATUS.get(status, APIStatusError)


class BadRequestError(APIStatusError):
    """400: the request is not valid; change it."""


class AuthenticationError(APIStatusError):
    """401: the key is missing, wrong, revoked or expired."""


class InsufficientCreditsError(APIStatusError):
    """402: the balance does not cover the price."""


class PermissionDeniedError(APIStatusError):
    """403: the key lacks a scope."""


class NotFoundError(APIStatusError):
    """404: it does not exist, or it belongs to another account."""


class ConflictError(APIStatusError):
    """409: the idempotency key or the chat session is in use for another request."""


class RateLimitError(APIStatusError):
    """429: too many requests."""


class InternalServerError(APIStatusError):
    """500 and above: the service failed; a purchase may have been made."""


CLASS_OF_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
}
