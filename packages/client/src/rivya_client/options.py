"""What a caller may say of a request, checked before anything is sent."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import IO, Any, Final, TypedDict
from urllib.parse import quote

from rivya_client.errors import UsageError
from rivya_client.retries import RetryPolicy, is_count

_OWN_HEADERS = {
    "accept-encoding": "the client reads gzip only",
    "authorization": "pass api_key to the client",
    "content-length": "the client computes it",
    "content-type": "the client sets it",
    "host": "pass base_url to the client",
    "idempotency-key": "pass idempotency_key to the call",
    "transfer-encoding": "the client sets it",
}


_LATEST = "write datetime.now(UTC) + timedelta(hours=1)"


class NotGiven(enum.Enum):
    """The type of `NOT_GIVEN`, for arguments whose None has a meaning of its own."""

    NOT_GIVEN = "not given"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN

IdempotencyKey = str | NotGiven | None
"""The key of one purchase, 1 to 255 printable ASCII characters.

`NOT_GIVEN` makes a random key, so that the client's own retries are safe. It does not outlive the
call: to repeat a purchase yourself, pass a key that you stored. After a failure it is
`APIError.idempotency_key`. None sends no key, and the request once.
"""


class RequestOptions(TypedDict, total=False):
    """Options that every call, `with_options` and the client itself take.

    A call overrides `with_options`, which overrides the client. None changes nothing.

    Attributes:
        timeout: Seconds for one attempt, the whole response included; of a streamed response, for
            its start and for each further piece. Default: 120, chat 600, files 1,800.
        retry: Attempts and patience. Default: 5 attempts, 300 seconds.
        max_retries: Attempts after the first one; a shorter way to change `retry`.
        extra_headers: Sent to the service, and to no host of a download.
        send_before: No attempt is sent after this time, with a time zone: the service may have forgotten
            the key by then. Default: an hour after the call if it changes something, else none.
    """

    timeout: float | None
    retry: RetryPolicy | None
    max_retries: int | None
    extra_headers: Mapping[str, str] | None
    send_before: datetime | None


@dataclass(frozen=True)
class RequestSettings:
    """Checked options."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float | None = None  # seconds for one attempt; None is the default of the route
    # Further headers, names in lower case.
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    send_before: datetime | None = None

    def merge(
        self,
        *,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
        send_before: datetime | None = None,
        **unknown: object,
    ) -> RequestSettings:
        """These settings with some options changed; see `RequestOptions`."""
        if unknown:
            raise UsageError(
                f"{next(iter(unknown))}: no call has an option of this name",
                f"the options are {', '.join(RequestOptions.__annotations__)}",
            )
        if timeout is not None and not 0 < checked_seconds("timeout", timeout) < math.inf:
            raise UsageError(f"timeout: {timeout!r} is not a number of seconds above 0")
        policy = self.retry if retry is None else retry
        if not isinstance(policy, RetryPolicy):
            raise UsageError(f"retry: {retry!r} is not a RetryPolicy", "write RetryPolicy(5, 300)")
        if max_retries is not None:
            if not is_count(max_retries, 0):
                raise UsageError(
                    f"max_retries: {max_retries!r} is not a whole number from 0 on",
                    "write max_retries=2",
                )
            policy = dataclasses.replace(policy, attempts=max_retries + 1)
        headers = {**self.headers, **_checked_headers(extra_headers or {})}
        limit = self.timeout if timeout is None else timeout
        if not isinstance(send_before, datetime | None):
            raise UsageError(f"send_before: {send_before!r} is not a datetime", _LATEST)
        if send_before is not None and send_before.tzinfo is None:
            raise UsageError("send_before: it has no time zone", _LATEST)
        before = self.send_before if send_before is None else send_before
        return RequestSettings(policy, limit, MappingProxyType(headers), before)

    def limit(self, default_seconds: float) -> float:
        """Seconds for one attempt."""
        return default_seconds if self.timeout is None else self.timeout


def checked_seconds(name: str, value: object) -> float:
    """The number, which NaN is not; anything else is a UsageError."""
    if not isinstance(value, int | float) or math.isnan(value):
        raise UsageError(f"{name}: {value!r} is not a number of seconds", f"write {name}=60")
    return value


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if hint := _OWN_HEADERS.get(name.lower()):
            raise UsageError(f"extra_headers: {name} cannot be set", hint)
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise UsageError(f"extra_headers: {name!r} is not the name of a header")
        if not re.fullmatch(r"[\x20-\x7e\t]*", value):  # the message shows no value
            raise UsageError(f"extra_headers: the value of {name} is not printable ASCII text")
    return {name.lower(): value for name, value in headers.items()}


def checked_api_key(api_key: str | None) -> str | None:
    """The key without surrounding blanks; None if it is empty."""
    if not isinstance(api_key, str | None):  # the message shows no value
        raise UsageError("api_key: is not a string", "pass the key as text, like rvya_sk_…")
    key = (api_key or "").strip()
    if key and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise UsageError(
            "RIVYA_API_KEY: contains a blank or a character that no key has",
            "copy the key again, without quotes",
        )
    return key or None


def checked_idempotency_key(key: IdempotencyKey) -> str | None:
    """The key to send. Source: contract, section 2.4."""
    if key is NOT_GIVEN:
        return secrets.token_hex(16)
    given: object = key
    if key is None or (isinstance(given, str) and re.fullmatch(r"[\x21-\x7e]{1,255}", given)):
        return key
    raise UsageError(f"idempotency key: {key!r} is not 1 to 255 printable ASCII characters")


def path_of(resource: str, name: str) -> str:
    """The path of one object; an id is an opaque string with any characters."""
    try:
        quoted = quote(name, safe="")
    except (TypeError, UnicodeError):  # None, or half a character
        quoted = ""
    if quoted in ("", ".", ".."):
        raise UsageError(f"{resource}: {name!r} is not an id")
    return f"/api/v1/{resource}/{quoted}"


@dataclass(frozen=True)
class Form:
    """One multipart request."""

    content: bytes | IO[bytes]  # an open file is read from its start by each attempt
    name: str  # of the file
    mime_type: str
    fields: Mapping[str, str]  # the text parts

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments for the HTTP client."""
        file = (self.name, self.content, self.mime_type)
        return {"files": {"file": file}, "data": dict(self.fields)}


Body = bytes | Mapping[str, object] | Form | None  # of a request; bytes are sent unchanged


def purchase_body(body: bytes | Mapping[str, object]) -> bytes | Mapping[str, object]:
    """The body of a purchase; anything else is a UsageError."""
    if isinstance(body, bytes | Mapping):
        return body
    raise UsageError(
        f"request body: {type(body).__name__} is neither bytes nor a dictionary",
        'pass {"model": …}, or the bytes of its JSON: text.encode()',
    )


def sendable(body: Body) -> bytes | Form | None:
    """A mapping as compact JSON in UTF-8, always the same bytes; another body unchanged."""
    if not isinstance(body, Mapping):
        return body
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as exc:
        raise UsageError(f"request body: {exc}") from exc
