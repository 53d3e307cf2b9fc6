"""Signing secrets of webhook endpoints, which are stored nowhere.

A secret is computed from the server's own (a file that only its owner reads) and a number that is drawn anew
at every rotation, so the state holds nothing that signs.
Source: contract, section 8.5, its suggested convention.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

_MARK = "whsec_"


def signing_secret(server_secret: str, endpoint_id: str, draw: str) -> str:
    """The secret of an endpoint, such as ``whsec_…`` with 43 characters behind it."""
    message = f"webhook\n{endpoint_id}\n{draw}".encode()
    digest = hmac.new(server_secret.encode(), message, hashlib.sha256).digest()
    return _MARK + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def preview(secret: str) -> str:
    """What may be shown of it: the first two and the last six characters."""
    return f"{secret[: len(_MARK) + 2]}...{secret[-6:]}"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of ``X-Rivya-Signature``.

    Args:
        secret: Whole, with its ``whsec_``.
        timestamp: Unix seconds, as in ``X-Rivya-Timestamp``.
        body: The raw bytes that are sent.
    """
    signed = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
