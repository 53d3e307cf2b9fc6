"""The errors of the client beyond those of a status, and what they say about the request."""

from __future__ import annotations

from rivya_flows.errors import APIConnectionError, APIError, APIStatusError


class NotSentError(APIConnectionError):
    """No attempt had a connection, so the service never saw the request."""


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
            "send the same bytes under the same key; the turn is not bought twice"
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


def may_have_been_carried_out(error: APIError) -> bool:
    """Whether the service may have carried out the request in spite of this error."""
    if isinstance(error, APIStatusError):
        return error.of_gateway or error.status == 408 or error.status >= 500
    return not isinstance(error, NotSentError)
