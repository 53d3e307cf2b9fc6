"""Verifies that a webhook delivery is from the service; pure, for receivers of any kind.

How Rivya signs is not documented. This is the convention of the contract, section 8.5; every
name in it can be changed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from rivya_client.errors import RivyaError, UsageError
from rivya_client.types import WebhookEvent


@dataclass(frozen=True)
class SignatureScheme:
    """Names of the headers of a signature.

    Attributes:
        timestamp_header: Has whole seconds since 1970.
        signature_header: Has ``<version>=<hex>``, several separated by commas.
        version: Of the signatures that count; others are ignored.
    """

    timestamp_header: str = "X-Rivya-Timestamp"
    signature_header: str = "X-Rivya-Signature"
    version: str = "v1"


CONVENTION = SignatureScheme()


class WebhookError(RivyaError):
    """A delivery is not authentic; answer 400 and do nothing."""

    code = "webhook"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class WebhookHeaderError(WebhookError):
    """The headers of a signature are missing or unreadable."""

    code = "webhook_headers"
    hint = "the sender is not the service, or a proxy removed its headers"


class WebhookSignatureError(WebhookError):
    """No signature matches: another secret, or a changed body."""

    code = "webhook_signature"
    hint = "check the secret of the endpoint, and verify the raw body, before it is parsed"


class WebhookReplayError(WebhookError):
    """The signature is right, but too old, or from the future."""

    code = "webhook_replay"
    hint = "check the clock of this machine; if it is right, this is an old delivery again"


class WebhookPayloadError(WebhookError):
    """The signature is right, but the body is not a readable event."""

    code = "webhook_payload"
    hint = "update this client"


def sign_webhook(body: bytes, secret: str | SecretStr, timestamp: int | str) -> str:
    """The signature of a delivery, in lower-case hex.

    Args:
        body: The raw body.
        secret: The whole secret, ``whsec_`` included.
        timestamp: Whole seconds since 1970, as in the header.
    """
    key = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    return hmac.new(key.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str | SecretStr],
    now: float | None = None,
    *,
    tolerance_seconds: float = 300,
    scheme: SignatureScheme = CONVENTION,
) -> WebhookEvent:
    """The event of a delivery that the holder of a secret has just sent.

    A repetition inside the tolerance passes: remember the `id` of each event.

    Args:
        body: The raw body.
        headers: Of the request, in any case.
        secrets: ``whsec_…``; several while a secret changes, and any of them may have signed.
        now: Seconds since 1970; None asks the clock of this machine.
        tolerance_seconds: Largest age of a signature, and how far ahead its clock may be.
        scheme: Names of the headers.

    Raises:
        UsageError: There is no secret, or an empty one, or `body` is not bytes.
        WebhookHeaderError: The headers are missing or unreadable.
        WebhookSignatureError: No signature matches.
        WebhookReplayError: The signature is outside the tolerance.
        WebhookPayloadError: The body is not an event.

    Source: contract, section 8.5, "Suggested convention".
    """
    known = _checked_secrets(secrets)
    if not isinstance(body, bytes | bytearray | memoryview):
        raise UsageError("webhook body: is not bytes", "pass the raw body, before it is decoded")
    raw = bytes(body)
    timestamp, given = _read_headers(headers, scheme)
    # Every pair is compared, so that the time reveals nothing.
    matches = False
    for secret in known:
        expected = sign_webhook(raw, secret, timestamp).encode()
        for signature in given:
            matches |= hmac.compare_digest(expected, signature)
    if not matches:
        raise WebhookSignatureError("webhook: no signature matches the body")
    # A comparison that is false for NaN too.
    age = (time.time() if now is None else now) - int(timestamp)
    if not abs(age) <= tolerance_seconds:
        raise WebhookReplayError(
            f"webhook: signed {age:.0f} s ago, more than the"
            f" {tolerance_seconds:g} s that are allowed"
        )
    try:
        return WebhookEvent.from_json(raw)
    except ValidationError:
        raise WebhookPayloadError("webhook: the body is signed but is not an event") from None


def _checked_secrets(secrets: Sequence[str | SecretStr]) -> tuple[str, ...]:
    # A string is a sequence of strings too: each of its letters would be a secret.
    if isinstance(secrets, str | SecretStr) or not secrets:
        raise UsageError("webhook secrets: not a list of secrets", "write [secret]")
    known: list[Any] = [
        one.get_secret_value() if isinstance(one, SecretStr) else one for one in secrets
    ]
    # Anybody can sign with an empty secret; the message shows none.
    if not all(isinstance(one, str) and re.fullmatch(r"\s*[\x21-\x7e]+\s*", one) for one in known):
        raise UsageError(
            "webhook secrets: one is empty or not a secret", "copy it again, without quotes"
        )
    return tuple(one.strip() for one in known)


def _read_headers(
    headers: Mapping[str, str], scheme: SignatureScheme
) -> tuple[str, tuple[bytes, ...]]:
    """The timestamp and the signatures that count."""

    def values(name: str) -> list[str]:
        return [value.strip() for key, value in headers.items() if key.lower() == name.lower()]

    times = values(scheme.timestamp_header)
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,15}", times[0]):
        raise WebhookHeaderError(
            f"webhook: {scheme.timestamp_header} is not one number of seconds since 1970"
        )
    parts = ",".join(values(scheme.signature_header)).split(",")
    pairs = (part.strip().partition("=") for part in parts)
    found = [value for version, _, value in pairs if version == scheme.version and value]
    if not found:
        raise WebhookHeaderError(
            f"webhook: {scheme.signature_header} has no signature {scheme.version}=…"
        )
    return times[0], tuple(value.lower().encode(errors="replace") for value in found)
