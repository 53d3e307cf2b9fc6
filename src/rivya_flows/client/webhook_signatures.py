"""Whether a delivery really comes from the service; pure, for receivers of any kind.

How Rivya signs is not documented. This is the convention of the contract, section 8.5, and every
name in it can be set.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr, ValidationError

from rivya_flows.client.wire.webhooks import WebhookEvent
from rivya_flows.errors import RivyaFlowsError, UsageError


@dataclass(frozen=True)
class SignatureScheme:
    """Where a signature stands.

    Attributes:
        timestamp_header: Holds whole seconds since 1970.
        signature_header: Holds ``<version>=<hex>``, several with commas between.
        version: Of the signatures that count; others are passed over.
    """

    timestamp_header: str = "X-Rivya-Timestamp"
    signature_header: str = "X-Rivya-Signature"
    version: str = "v1"


CONVENTION = SignatureScheme()


class WebhookError(RivyaFlowsError):
    """A delivery is not to be believed; answer it with 400 and do nothing."""

    code = "webhook"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class WebhookHeaderError(WebhookError):
    """The headers of a signature are missing or unreadable."""

    code = "webhook_headers"
    hint = "the sender is not the service, or something on the way removed its headers"


class WebhookSignatureError(WebhookError):
    """No signature fits: another secret, or another body than was signed."""

    code = "webhook_signature"
    hint = "check the secret of the endpoint, and verify the raw body, not one that was parsed"


class WebhookReplayError(WebhookError):
    """The signature is right, but it was made too long ago, or in the future."""

    code = "webhook_replay"
    hint = "check the clock of this machine; else it is a repetition of an old delivery"


class WebhookPayloadError(WebhookError):
    """The signature is right, but the body is no event that this client can read."""

    code = "webhook_payload"
    hint = "update this client"


def sign_webhook(body: bytes, secret: str | SecretStr, timestamp: int | str) -> str:
    """The signature of a delivery, in lower-case hex.

    Args:
        body: The raw body.
        secret: The whole text, ``whsec_`` included.
        timestamp: Whole seconds since 1970, as the header has it.
    """
    key = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    return hmac.new(key.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str | SecretStr],
    now: float,
    *,
    tolerance_seconds: float = 300,
    scheme: SignatureScheme = CONVENTION,
) -> WebhookEvent:
    """The event of a delivery, once it is sure that a holder of a secret sent it now.

    A repetition inside the window passes: remember the `id` of each event.

    Args:
        body: The raw body, as it came.
        headers: Of the request; upper and lower case do not matter.
        secrets: ``whsec_…``; several while a secret is changed, and any of them may have signed.
        now: Seconds since 1970.
        tolerance_seconds: How old a signature may be, and how far ahead its clock.
        scheme: Names of the headers and of the signatures that count.

    Raises:
        UsageError: There is no secret, or an empty one, or `body` is a text.
        WebhookHeaderError: The headers are missing or unreadable.
        WebhookSignatureError: No signature fits.
        WebhookReplayError: It is older, or further ahead, than `tolerance_seconds`.
        WebhookPayloadError: The body is no event.

    Source: contract, section 8.5, "Suggested convention".
    """
    known = _checked_secrets(secrets)
    if not isinstance(body, bytes | bytearray | memoryview):
        raise UsageError("webhook body: is no bytes", "pass the raw body, before it is decoded")
    raw = bytes(body)
    timestamp = _timestamp(headers, scheme)
    given = _signatures(headers, scheme)
    # Every pair is compared, whatever fits first, so that the time tells nothing.
    fits = False
    for secret in known:
        expected = sign_webhook(raw, secret, timestamp).encode()
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise WebhookSignatureError("webhook: no signature fits the body")
    # Not the other way round: NaN is outside every window.
    if not abs(now - int(timestamp)) <= tolerance_seconds:
        raise WebhookReplayError(
            f"webhook: signed {now - int(timestamp):.0f} s before now,"
            f" at most {tolerance_seconds:g} s are allowed"
        )
    try:
        return WebhookEvent.from_json(raw)
    except ValidationError:
        raise WebhookPayloadError("webhook: the body is signed but is no event") from None


def _checked_secrets(secrets: Sequence[str | SecretStr]) -> tuple[str, ...]:
    # One text is a sequence of texts too: each of its letters would be a secret.
    if isinstance(secrets, str | SecretStr) or not secrets:
        raise UsageError("webhook secrets: are no list of secrets", "write [secret]")
    known = [one.get_secret_value() if isinstance(one, SecretStr) else one for one in secrets]
    # Anybody can sign with an empty secret; the message shows none.
    if not all(re.fullmatch(r"\s*[\x21-\x7e]+\s*", one) for one in known):
        raise UsageError(
            "webhook secrets: one of them is empty or no secret", "copy it again, without quotes"
        )
    return tuple(one.strip() for one in known)


def _values(headers: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(value for key, value in headers.items() if key.lower() == name.lower())


def _timestamp(headers: Mapping[str, str], scheme: SignatureScheme) -> str:
    values = _values(headers, scheme.timestamp_header)
    if len(values) != 1 or not re.fullmatch(r"[0-9]{1,15}", values[0].strip()):
        raise WebhookHeaderError(
            f"webhook: {scheme.timestamp_header} is not one number of seconds since 1970"
        )
    return values[0].strip()


def _signatures(headers: Mapping[str, str], scheme: SignatureScheme) -> tuple[bytes, ...]:
    parts = ",".join(_values(headers, scheme.signature_header)).split(",")
    pairs = (part.strip().partition("=") for part in parts)
    found = [value for version, _, value in pairs if version == scheme.version and value]
    if not found:
        raise WebhookHeaderError(
            f"webhook: {scheme.signature_header} has no signature {scheme.version}=…"
        )
    return tuple(value.lower().encode(errors="replace") for value in found)
