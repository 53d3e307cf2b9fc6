"""Every exception of the client but those of webhooks, which are in `webhook_signatures`.

Each carries `hint`: what to do next, or None. Arguments are all passed to ``super().__init__`` so that
pickle can replay them.
"""

from __future__ import annotations


class RivyaError(Exception):
    """Base of all errors of the client, and of what builds on it."""

    code = "error"
    hint: str | None = None


class ExplainedError(RivyaError):
    """An error that is its message.

    Attributes:
        message: What is wrong.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")  # at the end of a traceback, as in the log of a flow run

    def __str__(self) -> str:
        return self.message


class UsageError(ExplainedError):
    """The call, the configuration or the machine is wrong."""

    code = "usage"


class MediaError(ExplainedError):
    """A media file is missing, broken, too large, or of another kind than it says."""

    code = "media"


class APIError(RivyaError):
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


SAME_PURCHASE = (
    "it may have been bought: wait some seconds, then send the same bytes with"
    " idempotency_key=error.idempotency_key; a new key buys again"
)
"""The hint, or its beginning, of an error that leaves open whether a request with a key has bought."""

# The next step for an error code. Source: contract, section 2.2.
_NEW_KEY = "create a new key in Settings, API Keys, and set RIVYA_API_KEY to it"
ADVICE = {
    "public_api_disabled": "the Public API is off for now; try again later",
    "api_key_missing": "set RIVYA_API_KEY",
    "api_key_invalid": "correct RIVYA_API_KEY, or create a key in Settings, API Keys",
    "api_key_revoked": _NEW_KEY,
    "api_key_expired": _NEW_KEY,
    "api_scope_denied": "set RIVYA_API_KEY to a new key with the scope that the message names",
    "rate_limited": "wait, then try again",
    "insufficient_credits": "add credits, or pick a cheaper model",
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


class NotSentError(APIConnectionError):
    """No attempt had a connection, or its turn came too late: the service has not carried it out."""


class RefusedAfterSilenceError(APIStatusError):
    """The service refused, but an earlier attempt of the same call got no answer.

    That attempt may have bought, changed or removed something: the service checks the API key, the
    scope and the pace before it looks up the purchase. So this error does not close the purchase,
    and it is none of the classes of a status.
    """


class StreamFailedError(APIStatusError):
    """The service ended a stream with an error, after it had answered with a 2xx status.

    Attributes:
        status: The status of `code` in the contract; 500 for an unknown code.
        text: The text until then.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
        text: str = "",
    ) -> None:
        super().__init__(status, code, detail, request_id, retry_after_seconds)
        self.args = (status, code, detail, request_id, retry_after_seconds, text)  # for pickle
        self.text = text

    def __str__(self) -> str:
        quoted = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.code}: {self.detail} [in the stream]{quoted}"


class BrokenStreamError(APIConnectionError):
    """A streamed answer broke after its first piece. It may have been bought nevertheless.

    Attributes:
        text: The text until then.
        session_id: Of the chat; None if unknown.
        repeatable: The request had an idempotency key.
    """

    def __init__(self, message: str, text: str, session_id: str | None, repeatable: bool) -> None:
        super().__init__(message)
        self.args = (message, text, session_id, repeatable)  # for pickle
        self.text = text
        self.session_id = session_id
        self.repeatable = repeatable
        self.hint = (
            "wait some seconds, then send the same bytes under the same key;"
            " the turn is not bought twice"
            if repeatable
            else "look at the session and the balance before you send it again"
        )


class JobTimeoutError(APIError):
    """A job did not end in time. It may still end, and it is paid for.

    Attributes:
        generation_id: The job.
        status: The last one seen; None if there was none.
        seconds: How long the wait was.
    """

    code = "job_timeout"
    retryable = True

    def __init__(self, generation_id: str, status: str | None, seconds: float) -> None:
        super().__init__(generation_id, status, seconds)
        self.generation_id = generation_id
        self.status = status
        self.seconds = seconds
        self.hint = "wait for the same job again; that costs nothing"

    def __str__(self) -> str:
        seen = f"still {self.status!r}" if self.status else "never seen"
        return f"{self.generation_id}: {seen} after {self.seconds:g} s"


class JobStatusError(APIError):
    """A job ended with a status that the contract does not have.

    Attributes:
        generation_id: The job.
        status: The service's word.
        final_credits: The cost; None if unknown.
    """

    code = "job_status_unknown"

    def __init__(self, generation_id: str, status: str, final_credits: int | None) -> None:
        super().__init__(generation_id, status, final_credits)
        self.generation_id = generation_id
        self.status = status
        self.final_credits = final_credits
        self.hint = "look at the task in Studio, and at the balance for a refund"

    def __str__(self) -> str:
        cost = "cost unknown" if self.final_credits is None else f"{self.final_credits} credits"
        return f"{self.generation_id}: ended with the unknown status {self.status!r}, {cost}"


class RefusedAddressError(APIError):
    """The address of a download is not allowed.

    Attributes:
        url: The address without its query, which may hold a signature.
        reason: Why not.
    """

    code = "address_refused"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason
        self.hint = "nothing was downloaded; check where this address comes from"

    def __str__(self) -> str:
        return f"{self.url}: {self.reason}"


def may_have_bought(error: APIError) -> bool:
    """Whether the purchase of a call with an idempotency key is open after this error, its last."""
    return (
        may_have_been_carried_out(error)
        or isinstance(error, RefusedAfterSilenceError)
        or (isinstance(error, APIStatusError) and error.code == "idempotency_conflict")
    )


def may_have_been_carried_out(error: APIError) -> bool:
    """Whether the service may have carried out the request in spite of this error."""
    if isinstance(error, APIStatusError):
        return error.of_gateway or error.status == 408 or error.status >= 500
    return not isinstance(error, NotSentError)
