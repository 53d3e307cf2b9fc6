"""URLs of media and reports at the receiver, which nobody can guess.

A URL contains what it names, signed with the store's secret. So the receiver needs no list of what
it may show, and every worker can create URLs by itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from rivya_client.mime_types import mime_type_of_suffix, suffix_of

SECRET_NAME = "addresses"
"""Name of the shared secret that signs URLs."""

REPORT_NAME = "report.html"

_CODE_BYTES = 16
_HASH_BYTES = 32


@dataclass(frozen=True)
class ServedMedium:
    """The medium that a URL names."""

    sha256: str
    mime_type: str


def asset_address(public_url: str, secret: str, sha256: str, mime_type: str | None) -> str:
    """The URL of a medium for browsers, such as ``https://…/media/<token>/image-9f86d081.png``.

    The same content has the same URL, so browsers can cache it. `secret`: that of `SECRET_NAME`.
    """
    kind = (mime_type or "").partition("/")[0] or "medium"
    name = f"{kind}-{sha256[:8]}{suffix_of(mime_type)}"
    code = _code(secret, "media", sha256, name)
    return f"{public_url.rstrip('/')}/media/{_text(bytes.fromhex(sha256) + code)}/{name}"


def named_medium(secret: str, token: str, name: str) -> ServedMedium | None:
    """The medium that a path of `asset_address` names; None unless its signature is valid."""
    decoded = _bytes(token)
    if len(decoded) != _HASH_BYTES + _CODE_BYTES:
        return None
    sha256 = decoded[:_HASH_BYTES].hex()
    if not hmac.compare_digest(decoded[_HASH_BYTES:], _code(secret, "media", sha256, name)):
        return None
    mime_type = mime_type_of_suffix("." + name.rpartition(".")[2])
    return None if mime_type is None else ServedMedium(sha256, mime_type)


def report_address(public_url: str, secret: str, run_id: str) -> str:
    """The URL of a run's current contact sheet for browsers."""
    return f"{public_url.rstrip('/')}/runs/{_token(secret, 'runs', run_id)}/{REPORT_NAME}"


def named_run(secret: str, token: str) -> str | None:
    """The id of the run that a token of `report_address` names; None for any other token."""
    return _named(secret, "runs", token)


def upload_address(public_url: str, secret: str) -> str:
    """The URL of the page that takes files for run forms. It does not expire; an open page does."""
    return f"{public_url.rstrip('/')}/upload/{upload_token(secret, 0)}"


def upload_token(secret: str, until: int) -> str:
    """Names the page that takes files until then, in Unix seconds; 0 names the page without an end,
    which itself takes none.
    """
    return _token(secret, "upload", str(until))


def named_upload(secret: str, token: str) -> int | None:
    """The time in a token of `upload_token`, valid or over; None for any other token."""
    until = _named(secret, "upload", token)
    return int(until) if until else None


def medium_at(secret: Callable[[], str], url: str) -> ServedMedium | None:
    """The medium that a URL of `asset_address` names, under whatever host; None for any other URL."""
    folder, *named = urlsplit(url).path.split("/")[-3:]
    return named_medium(secret(), *named) if folder == "media" and len(named) == 2 else None


def _token(secret: str, kind: str, name: str) -> str:
    return _text(_code(secret, kind, name) + name.encode())


def _named(secret: str, kind: str, token: str) -> str | None:
    """What a token of that kind names; None unless its signature is valid."""
    decoded = _bytes(token)
    try:
        name = decoded[_CODE_BYTES:].decode()
    except UnicodeDecodeError:
        return None
    is_valid = hmac.compare_digest(decoded[:_CODE_BYTES], _code(secret, kind, name))
    return name if is_valid and name else None


def _code(secret: str, *named: str) -> bytes:
    # No part contains a line break, so no two lists of parts have the same message.
    message = "\n".join(named).encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()[:_CODE_BYTES]


def _text(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _bytes(token: str) -> bytes:
    """The content of a token; empty if it is invalid or not in its canonical spelling."""
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return decoded if _text(decoded) == token else b""
