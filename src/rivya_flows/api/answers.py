"""Bytes of an answer -> a wire model or an error; nothing here sends or waits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import ValidationError

from rivya_flows.api.retries import retry_after_seconds
from rivya_flows.api.wire import WireModel
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError

Shape = TypeVar("Shape", bound=WireModel)

_LONGEST_DETAIL = 500  # characters; a proxy's page must not fill a log


class NotSentError(APIConnectionError):
    """There was no connection in any attempt, so the service never saw the request."""


class RefusedAfterSilenceError(APIStatusError):
    """A purchase was refused, but an earlier attempt under the same key got no answer.

    That attempt may have bought: a refusal for the key, the scope or the pace comes before the
    service looks the purchase up. So this refusal does not close the purchase.
    """


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
    try:
        return shape.model_validate_json(body)
    except ValidationError as exc:
        # Not str(exc), which quotes the answer.
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise APIConnectionError(
            f"{asked}: HTTP {status} with an unreadable answer: {where}: {first['msg']}"
        ) from None


def refusal(status: int, headers: Mapping[str, str], body: bytes, now: float) -> APIStatusError:
    """The error that an answer other than 2xx stands for.

    Args:
        status: HTTP status.
        headers: The answer's headers; looked up in lower case.
        body: The answer's body; the error envelope, or whatever a proxy wrote.
        now: Seconds since 1970, to read an HTTP date in ``Retry-After`` with.

    Source: contract, section 2.1.
    """
    envelope = _envelope(body)
    return APIStatusError(
        status,
        _text(envelope.get("code")) or f"http_{status}",
        (_text(envelope.get("message")) or _reason(status, headers))[:_LONGEST_DETAIL],
        _text(envelope.get("requestId"))
        or _text(envelope.get("request_id"))
        or request_id(headers),
        retry_after_seconds(headers.get("retry-after"), now),
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """The request id of an answer's headers, if it has one."""
    return headers.get("x-request-id") or None


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _reason(status: int, headers: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        # An API does not redirect; most likely the base URL names a web site.
        return f"redirected to {headers.get('location', 'nowhere')!r}, which is not followed"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
