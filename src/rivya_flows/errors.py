"""Every exception this library raises.

RivyaFlowsError
├── SpecError                 the spec or its inputs are wrong; edit them (exit code 2)
├── UsageError                the call, the configuration or the machine is wrong (exit code 2)
├── BudgetError               credits or budget do not suffice; nothing more was bought (exit code 3)
├── StoreError                the journal cannot be read or written, or another driver holds the run
│   ├── LeaseLostError        another process took the run over; this one must stop
│   └── LostMediumError       a medium is gone or damaged, in a store that can be read
├── MediaError                a media file is not what it says it is
├── APIError                  the service did not give what was asked for
│   ├── APIConnectionError    no answer arrived
│   │   ├── NotSentError      nothing reached the service, so nothing was bought
│   │   └── BrokenStreamError a streamed answer was cut
│   ├── APIStatusError        a 4xx or 5xx answer arrived
│   │   ├── RefusedAfterSilenceError  an attempt without an answer stands before the refusal
│   │   └── StreamFailedError the service ended a stream with an error
│   ├── JobTimeoutError       a job was not done in time; it goes on
│   ├── JobStatusError        a job ended in a way that this version does not know
│   ├── RefusedAddressError   a download led to an address that it may not lead to
│   └── CallbackError         a callback was not taken
├── WebhookError              a delivery is not what it says it is
├── CollectError              a job's results could not be brought home
├── JobFailedError            a job was accepted, ran, and failed
└── RunEndedError             a flow run did not complete; it carries the outcome

Those that only one module raises are defined there. Each carries `hint`: what to do next, or None. Arguments are all passed to
``super().__init__`` because Prefect pickles exceptions, and pickle replays them.
"""

from __future__ import annotations

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

    def __str__(self) -> str:
        return self.message


class UsageError(_Told):
    """The call, the configuration or the machine is wrong."""

    code = "usage"


class BudgetError(_Told):
    """The credits or the budget do not suffice; nothing more was bought."""

    code = "over_budget"


class StoreError(_Told):
    """The journal cannot be read or written."""

    code = "store"


class LeaseLostError(StoreError):
    """Another process drives this run now."""

    code = "lease_lost"


class LostMediumError(StoreError):
    """A medium is not in its store any more, or its content is another one."""


class MediaError(_Told):
    """A media file is missing, broken, too large, or of another kind than it says."""

    code = "media"


class APIError(RivyaFlowsError):
    """The service did not give what was asked for.

    Attributes:
        retryable: The same request may succeed later.
    """

    code = "api"
    retryable = False


class APIConnectionError(APIError):
    """No whole answer arrived; the request may or may not have been carried out."""

    code = "connection"
    retryable = True

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = "check RIVYA_BASE_URL and the network, then try again"

    def __str__(self) -> str:
        return self.message


# What to do about the error codes of the contract, section 2.2.
_ADVICE = {
    "public_api_disabled": "the Public API is switched off for now; try again later",
    "api_key_missing": "set RIVYA_API_KEY",
    "api_key_invalid": "check RIVYA_API_KEY; a key is made in Settings, API Keys",
    "api_key_revoked": "make a new key in Settings, API Keys",
    "api_key_expired": "make a new key in Settings, API Keys",
    "api_scope_denied": "make a new key with the scope that the message names",
    "rate_limited": "wait, then resume",
    "insufficient_credits": "add credits, or pick a cheaper model, then resume",
}


class APIStatusError(APIError):
    """A 4xx or 5xx answer arrived.

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
        self.hint = _ADVICE.get(code)

    def __str__(self) -> str:
        quoted = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.code}: {self.detail} [HTTP {self.status}]{quoted}"
