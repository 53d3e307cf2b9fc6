"""Bytes of a response -> a wire model or an error; nothing here sends or waits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import ValidationError

from rivya_flows.client.transport.addresses import shown as shown_address
from rivya_flows.client.transport.key_masking import body_without_key, without_key
from rivya_flows.client.wire.wire_model import WireModel
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError

Shape = TypeVar("Shape", bound=WireModel)

# HTTP status of each code, for an error inside a stream. Source: contract, section 2.2.
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


class Nothing(WireModel):
    """The shape of an answer that is not read."""


def may_have_been_carried_out(error: APIError) -> bool:
    """Whether the service may have carried out the request in spite of this error."""
    if isinstance(error, APIStatusError):
        return error.of_gateway or error.status == 408 or error.status >= 500
    return not isinstance(error, NotSentError)


def read_answer(
    asked: str, status: int, body: bytes, shape: type[Shape], api_key: str | None = None
) -> Shape:
    """A 2xx answer as a model without the API key; messages name the request as `asked`.

    Raises:
        APIConnectionError: The body is cut or has another shape. The request may have been carried
            out; the same request under the same key finds out.
    """
    if shape is Nothing:
        return shape()
    try:
        return shape.from_json(body_without_key(body, api_key) or b"{}")
    except ValidationError as exc:
        # Not str(exc), which quotes the body.
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
    *,
    about: str = "",
) -> APIStatusError:
    """The error of a response other than 2xx.

    Args:
        status: HTTP status.
        headers: Of the response; looked up in lower case.
        body: The error envelope, or whatever a proxy wrote.
        now: Seconds since 1970, for an HTTP date in ``Retry-After``.
        api_key: Masked where the response quotes it, as a proxy's page may do.
        about: What the message begins with, where the request alone does not say what was asked for.

    Source: contract, section 2.1.
    """
    envelope = _envelope(body)
    return APIStatusError.of_status(status)(
        status,
        _shown(_text(envelope.get("code")) or f"http_{status}", api_key),
        about + _shown(_text(envelope.get("message")) or _reason(status, headers), api_key),
        _request_id(envelope, api_key) or request_id(headers),
        retry_after_seconds(headers.get("retry-after"), now),
    )


def error_of_stream(data: str, text: str, api_key: str | None = None) -> StreamFailedError:
    """The error of an event: an envelope, the object inside it, or plain text; the key is masked.

    Source: contract, section 6.4.
    """
    envelope = _envelope(data.encode(), bare=True)
    code = _shown(_text(envelope.get("code")) or "stream_failed", api_key)
    return StreamFailedError(
        _STATUS.get(code, 500),
        code,
        _shown(_text(envelope.get("message")) or "no reason given", api_key),
        _request_id(envelope, api_key),
        None,
        text,
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """The request id in the headers of a response, if there is one."""
    return _shown(headers.get("x-request-id", ""))[:_MAX_REQUEST_ID_LENGTH] or None


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header requests; None if absent or unreadable.

    It is a number, or an HTTP date after `now`, in seconds since 1970.
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
    # A comparison that is false for NaN and infinity too.
    return max(0.0, seconds) if seconds < float("inf") else None


def _request_id(envelope: Mapping[str, Any], api_key: str | None = None) -> str | None:
    found = _text(envelope.get("requestId")) or _text(envelope.get("request_id"))
    return None if found is None else _shown(found, api_key)[:_MAX_REQUEST_ID_LENGTH]


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
    """The service's words, short, on one line, and without any key or secret."""
    shown = _SECRET.sub(r"\1***", without_key(text, api_key)[:_MAX_DETAIL_LENGTH])
    # Control characters could control a terminal or forge a line of a log.
    return "".join(
        one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in shown
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _reason(status: int, headers: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        # An API does not redirect; the base URL is probably that of a web site.
        where = shown_address(headers.get("location", "nowhere"))
        return f"redirected to {where!r}, which is not followed"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
