"""Bytes of an answer -> a wire model or an error; nothing here sends or waits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import ValidationError

from rivya_flows.client.transport.addresses import shown as shown_address
from rivya_flows.client.transport.requests import without_key
from rivya_flows.client.transport.retries import retry_after_seconds
from rivya_flows.client.wire.api_objects import WireModel
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError

Shape = TypeVar("Shape", bound=WireModel)

# HTTP status of each code of the contract, section 2.2, for an error that comes inside a stream.
# fmt: off
_STATUS = {
    "validation_failed": 400, "webhook_url_rejected": 400, "chat_model_not_supported": 400,
    "chat_attachment_not_supported": 400, "api_key_missing": 401, "api_key_invalid": 401,
    "api_key_revoked": 401, "api_key_expired": 401, "insufficient_credits": 402,
    "api_scope_denied": 403, "not_found": 404, "chat_session_conflict": 409,
    "idempotency_conflict": 409, "rate_limited": 429, "internal_error": 500,
    "public_api_disabled": 503,
}
# fmt: on

_SECRET = re.compile(r"(?i)(rvya(?:_|%5f)sk(?:_|%5f)|whsec(?:_|%5f))[^\s\"'<>,]+")
_MAX_DETAIL_LENGTH = 500  # characters; a proxy's page must not fill a log
_MAX_REQUEST_ID_LENGTH = 128  # characters


class NotSentError(APIConnectionError):
    """There was no connection in any attempt, so the service never saw the request."""


class RefusedAfterSilenceError(APIStatusError):
    """A purchase was refused, but an earlier attempt under the same key got no answer.

    That attempt may have bought: a refusal for the key, the scope or the pace comes before the
    service looks the purchase up. So this refusal does not close the purchase. The same holds
    for a change or a removal.
    """


class StreamFailedError(APIStatusError):
    """The service ended a stream with an error, after it had answered with a 2xx status.

    Attributes:
        status: The status that the contract gives to `code`; 500 for a code that it does not know.
        text: What had come of the answer.
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
    """A streamed answer broke off after its first piece. It may have been bought all the same.

    Attributes:
        text: What had come of the answer.
        session_id: Of the chat; None if it was not told.
        repeatable: There was an idempotency key.
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
            else "look at the session and the balance before it is sent again"
        )


class Nothing(WireModel):
    """The shape of an answer that is not read, whatever it holds."""


def may_have_been_carried_out(error: APIError) -> bool:
    """Whether the service may have done what was asked, though it answered with this error."""
    if isinstance(error, APIStatusError):
        return error.status == 408 or error.status >= 500
    return not isinstance(error, NotSentError)


def read_answer(asked: str, status: int, body: bytes, shape: type[Shape]) -> Shape:
    """A 2xx answer as a model.

    Args:
        asked: What was asked, such as ``POST /api/v1/generations``, for the message.
        status: HTTP status, 2xx.
        body: The answer's body.
        shape: What it has to be.

    Raises:
        APIConnectionError: The body is cut or is something else. The request was carried out or
            was not; the same request under the same key finds out.
    """
    if shape is Nothing:
        return shape()
    try:
        return shape.from_json(body or b"{}")
    except ValidationError as exc:
        # Not str(exc), which quotes the answer.
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise APIConnectionError(
            f"{asked}: HTTP {status} with an unreadable answer: {where}: {first['msg']}"
        ) from None


def refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    api_key: str | None = None,
) -> APIStatusError:
    """The error that an answer other than 2xx stands for.

    Args:
        status: HTTP status.
        headers: The answer's headers; looked up in lower case.
        body: The answer's body; the error envelope, or whatever a proxy wrote.
        now: Seconds since 1970, to read an HTTP date in ``Retry-After`` with.
        api_key: Masked where the answer quotes it, as a proxy's page may do.

    Source: contract, section 2.1.
    """
    envelope = _envelope(body)
    return APIStatusError.of_status(status)(
        status,
        _shown(_text(envelope.get("code")) or f"http_{status}", api_key),
        _shown(_text(envelope.get("message")) or _reason(status, headers), api_key),
        _request_id(envelope, api_key) or request_id(headers, api_key),
        retry_after_seconds(headers.get("retry-after"), now),
    )


def error_of_stream(data: str, text: str, api_key: str | None = None) -> StreamFailedError:
    """The error that an event of a stream stands for.

    Args:
        data: Of the event: the error envelope, its inside alone, or words.
        text: What had come of the answer.
        api_key: Masked where the error quotes it.

    Source: contract, section 6.4.
    """
    told = _envelope(data.encode(), bare=True)
    code = _shown(_text(told.get("code")) or "stream_failed", api_key)
    return StreamFailedError(
        _STATUS.get(code, 500),
        code,
        _shown(_text(told.get("message")) or "no reason given", api_key),
        _request_id(told, api_key),
        None,
        text,
    )


def request_id(headers: Mapping[str, str], api_key: str | None = None) -> str | None:
    """The request id of an answer's headers, if it has one; a key that it quotes is masked."""
    told = _shown(headers.get("x-request-id", ""), api_key)
    return told[:_MAX_REQUEST_ID_LENGTH] or None


def _request_id(envelope: Mapping[str, Any], api_key: str | None = None) -> str | None:
    told = _text(envelope.get("requestId")) or _text(envelope.get("request_id"))
    return None if told is None else _shown(told, api_key)[:_MAX_REQUEST_ID_LENGTH]


def _envelope(body: bytes, *, bare: bool = False) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {"message": body.decode(errors="replace")} if bare and body else {}
    error = answer.get("error") if isinstance(answer, dict) else None
    if bare and error is None:
        error = answer
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _shown(text: str, api_key: str | None = None) -> str:
    """The service's words, short, on one line, and without a key or secret that they may quote."""
    shown = _SECRET.sub(r"\1***", without_key(text, api_key)[:_MAX_DETAIL_LENGTH])
    # What is not printable might take hold of a terminal, or forge a line of a log.
    return "".join(
        one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in shown
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _reason(status: int, headers: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        # An API does not redirect; most likely the base URL names a web site.
        where = shown_address(headers.get("location", "nowhere"))
        return f"redirected to {where!r}, which is not followed"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
