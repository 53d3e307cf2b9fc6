"""The password of the Prefect server of a data folder: made once, readable by its owner alone."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from base64 import b64encode
from pathlib import Path

from rivya_flows.errors import UsageError

FILE = "auth"
"""Beside Prefect's database; `curl -u "$(cat FILE)"` is what it is good for."""

OPEN = "/open"
"""Path of the page that lets a browser in; what is below it is ours and not Prefect's."""

_USER = "rivya"


def server_auth(home: Path) -> str:
    """``user:password`` of the server in `home`; made when it is asked for the first time.

    It stays the same over `down` and `up`, so a browser that was let in once stays in. Deleting
    the file after `down` makes another one.

    Args:
        home: Prefect's home of the server, ``<data>/prefect``; it exists.

    Raises:
        UsageError: The file is empty: its disk was full when it was made.
        OSError: The folder cannot be used.
    """
    path = home / FILE
    if not path.exists():
        part = home / f".{FILE}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{_USER}:{secrets.token_urlsafe(32)}")
        try:
            # Of two processes that come here at once the first one's file counts.
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
        finally:
            part.unlink()
    auth = path.read_text().strip()
    if not auth:
        raise UsageError(f"{path}: the password of the Prefect server is empty", "delete the file")
    return auth


def basic(auth: str) -> str:
    """The `Authorization` header of ``user:password``."""
    return f"Basic {b64encode(auth.encode()).decode()}"


def proof_of(auth: str, nonce: str) -> str:
    """What only a server that knows the password can answer to a nonce, in hex."""
    return hmac.new(auth.encode(), f"proof:{nonce}".encode(), hashlib.sha256).hexdigest()
