"""The password of the Prefect server of a data folder, readable by its owner only.

Each server creates a new password when it starts. A browser, a command or a worker that still calls
the port of a server that has ended may send the password to another user's program. That password
is no longer valid.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from base64 import b64encode
from pathlib import Path

FILE = "auth"
"""Beside Prefect's database, for `curl -u "$(cat FILE)"`."""

OPEN = "/open"
"""Path of the page that lets a browser in; paths below it are ours, not Prefect's."""

_USER = "rivya"


def new_auth(home: Path) -> str:
    """Write a new ``user:password``, and replace the old file of any kind.

    Only the server of `home` may call this, while it holds the lock of the folder.
    """
    auth = f"{_USER}:{secrets.token_urlsafe(32)}"
    part = home / f".{FILE}.{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(auth)
        part.replace(home / FILE)
    finally:
        part.unlink(missing_ok=True)
    return auth


def server_auth(home: Path) -> str:
    """``user:password`` of the server in `home`; "" if none has started yet.

    Not validated: a server that does not know it fails `Loopback.healthy`.
    """
    try:
        return (home / FILE).read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""


def basic(auth: str) -> str:
    """The `Authorization` header of ``user:password``."""
    return f"Basic {b64encode(auth.encode()).decode()}"


def proof_of(auth: str, port: int, nonce: str) -> str:
    """The answer to a nonce that only a server on this port with the password can give, in hex.

    It includes the port, or a program on another port could fetch the proof from the server.
    """
    return hmac.new(auth.encode(), f"proof:{port}:{nonce}".encode(), hashlib.sha256).hexdigest()
