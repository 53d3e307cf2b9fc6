"""Signing secrets of webhook endpoints, which are not stored.

A secret is derived from the server's secret (a file that only its owner can read) and a random number
of each rotation, so the database has nothing that signs.
Source: contract, section 8.5, its suggested convention.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

_MARK = "whsec_"


def signing_secret(server_secret: str, endpoint_id: str, draw: str) -> str:
    """The secret of an endpoint: ``whsec_`` and 43 characters."""
    message = f"webhook\n{endpoint_id}\n{draw}".encode()
    digest = hmac.new(server_secret.encode(), message, hashlib.sha256).digest()
    return _MARK + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def preview(secret: str) -> str:
    """The first two and the last six characters, for display."""
    return f"{secret[: len(_MARK) + 2]}...{secret[-6:]}"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of ``X-Rivya-Signature``.

    Args:
        secret: With its ``whsec_``.
        timestamp: Unix seconds, as in ``X-Rivya-Timestamp``.
        body: The raw bytes that are sent.
    """
    signed = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
