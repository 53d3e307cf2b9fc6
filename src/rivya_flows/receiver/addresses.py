"""Addresses under which the receiver shows media and reports: nobody can guess one.

An address carries what it names and a code that only holders of the store's secret can make, so
the receiver needs no list of what it may show, and every worker can write addresses by itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rivya_flows.media.suffixes import mime_type_of, suffix_of

SECRET_NAME = "addresses"
"""Of the shared secret that addresses are made with."""

REPORT_NAME = "report.html"

_CODE_BYTES = 16
_HASH_BYTES = 32


@dataclass(frozen=True)
class ServedMedium:
    """What an address of a medium names."""

    sha256: str
    mime_type: str


def asset_address(public_url: str, secret: str, asset: Mapping[str, Any]) -> str:
    """Where a browser finds a medium, such as ``https://…/media/<token>/image-9f86d081.png``.

    The same for the same content, so a browser keeps what it has once fetched.

    Args:
        public_url: Where browsers reach the receiver; it may have a path.
        secret: `shared_secret` of `SECRET_NAME`.
        asset: At least ``sha256``, ``kind`` and ``mime_type``.
    """
    sha256, mime_type = str(asset["sha256"]), str(asset.get("mime_type") or "")
    kind = mime_type.partition("/")[0] or "medium"
    name = f"{kind}-{sha256[:8]}{suffix_of(mime_type)}"
    code = _code(secret, "media", sha256, name)
    return f"{public_url.rstrip('/')}/media/{_text(bytes.fromhex(sha256) + code)}/{name}"


def named_medium(secret: str, token: str, name: str) -> ServedMedium | None:
    """What a path of `asset_address` names; None for a path that was never given out."""
    told = _bytes(token)
    if len(told) != _HASH_BYTES + _CODE_BYTES:
        return None
    sha256 = told[:_HASH_BYTES].hex()
    if not hmac.compare_digest(told[_HASH_BYTES:], _code(secret, "media", sha256, name)):
        return None
    mime_type = mime_type_of("." + name.rpartition(".")[2])
    return None if mime_type is None else ServedMedium(sha256, mime_type)


def report_address(public_url: str, secret: str, run_id: str) -> str:
    """Where a browser finds the contact sheet of a run, as it is at that moment."""
    token = _text(_code(secret, "runs", run_id) + run_id.encode())
    return f"{public_url.rstrip('/')}/runs/{token}/{REPORT_NAME}"


def named_run(secret: str, token: str) -> str | None:
    """The id of the run that a token of `report_address` names; None for any other token."""
    told = _bytes(token)
    try:
        run_id = told[_CODE_BYTES:].decode()
    except UnicodeDecodeError:
        return None
    good = hmac.compare_digest(told[:_CODE_BYTES], _code(secret, "runs", run_id))
    return run_id if good and run_id else None


def _code(secret: str, *named: str) -> bytes:
    # No part holds a line break, so no two lists of parts are signed alike.
    message = "\n".join(named).encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()[:_CODE_BYTES]


def _text(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _bytes(token: str) -> bytes:
    """What a token holds; nothing for what is no token, and only one spelling is one."""
    try:
        told = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return told if _text(told) == token else b""
