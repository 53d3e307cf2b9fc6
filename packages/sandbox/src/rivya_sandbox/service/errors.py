"""Refused requests, in the contract's envelope, and errors at start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATUSES = {
    "validation_failed": 400,
    "webhook_url_rejected": 400,
    "chat_model_not_supported": 400,
    "chat_attachment_not_supported": 400,
    "api_key_missing": 401,
    "api_key_invalid": 401,
    "api_key_revoked": 401,
    "api_key_expired": 401,
    "insufficient_credits": 402,
    "api_scope_denied": 403,
    "not_found": 404,
    "chat_session_conflict": 409,
    "idempotency_conflict": 409,
    "rate_limited": 429,
    "internal_error": 500,
    "public_api_disabled": 503,
}
"""HTTP status of each error code.

Source: contract, section 2.2; `insufficient_credits` and `internal_error` are its suggestions.
"""


class Refusal(Exception):
    """A refused request; becomes the error envelope.

    Attributes:
        code: A key of `STATUSES`.
        message: Text for people.
        status: HTTP status.
        headers: Further response headers, such as ``Retry-After``.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = STATUSES[code] if status is None else status
        self.headers = dict(headers or {})

    def envelope(self, request_id: str) -> dict[str, Any]:
        """The body of the answer (contract, section 2.1)."""
        return {"error": {"code": self.code, "message": self.message, "requestId": request_id}}


def invalid(message: str) -> Refusal:
    """The refusal of a wrong body, model, prompt or parameter."""
    return Refusal("validation_failed", message)


class SandboxError(Exception):
    """The sandbox cannot start, or its data folder cannot be used.

    Attributes:
        message: Where, and what is wrong.
        hint: What to do next, or None.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message
