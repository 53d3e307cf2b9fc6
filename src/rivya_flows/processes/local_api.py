"""Calls a Prefect server of our own on this machine, without importing Prefect; and its password.

The password is in a file that its owner alone can read. Each server creates a new one when it starts: what
still calls the port of a server that has ended may send its password to another user's program.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import secrets
import time
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from rivya_flows.processes import registry

FILE = "auth"  # beside Prefect's database, for `curl -u "$(cat FILE)"`
BOARD = "/board"  # the contact sheets of runs at work
OPEN = "/open"  # the page that lets a browser in; paths below it are ours, not Prefect's


def new_auth(home: Path) -> str:
    """Write a new ``user:password``; only for the server of `home`, while it holds the lock of the folder."""
    auth = f"rivya:{secrets.token_urlsafe(32)}"
    part = home / f".{FILE}.{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(auth)
        part.replace(home / FILE)
    finally:
        part.unlink(missing_ok=True)
    return auth


def server_auth(home: Path) -> str:
    """``user:password`` of the server in `home`; "" if none has started yet. Not validated."""
    try:
        return (home / FILE).read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""


def basic(auth: str) -> str:
    return f"Basic {b64encode(auth.encode()).decode()}"


def proof_of(auth: str, port: int, nonce: str) -> str:
    """The answer to a nonce, in hex, that only a server with the password can give, on this port."""
    return hmac.new(auth.encode(), f"proof:{port}:{nonce}".encode(), hashlib.sha256).hexdigest()


_SETTLE_SECONDS = 10.0
# The recorder writes once a second: counts that stay the same for longer are complete.
_QUIET_SECONDS = 1.2
_POLL_SECONDS = 0.2

_FINAL = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]
_UNFINISHED = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]
_ANSWER_SECONDS = 5
_BOARD_LOOKS = 12
_MOST_BYTES = 4096  # from a program that has not proved to be ours

UNANSWERED = (OSError, http.client.HTTPException, ValueError)  # what `Loopback.ask` raises


@dataclass(frozen=True)
class Loopback:
    """A server on a port of 127.0.0.1; `auth` is ``user:password``, or "" if no server is ours."""

    port: int
    auth: str = field(repr=False)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def ask(self, method: str, path: str, body: object = None, *, login: bool = True) -> Any:
        """The JSON of an answer, a short one without `login`; raises `UNANSWERED`, also unless it is 200 or 201."""
        headers = {"Content-Type": "application/json"}
        if login:
            headers["Authorization"] = basic(self.auth)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        with closing(connection):
            connection.request(method, path, json.dumps(body), headers)
            answer = connection.getresponse()
            if answer.status not in (200, 201):
                raise http.client.HTTPException(f"{method} {path}: HTTP {answer.status}")
            return json.loads(answer.read(None if login else _MOST_BYTES))

    def healthy(self) -> bool:
        """Whether our server answers on the port, which it must prove first, and is healthy."""
        nonce = secrets.token_hex(16)
        known = proof_of(self.auth, self.port, nonce)
        try:
            proof = str(self.ask("GET", f"{OPEN}/proof?nonce={nonce}", login=False)["proof"])
            is_ours = bool(self.auth) and hmac.compare_digest(proof.encode(), known.encode())
            return is_ours and bool(self.ask("GET", "/api/health"))
        except (*UNANSWERED, LookupError, TypeError):
            return False

    def entrance(self, to: str = "/v2") -> str:
        """A URL that lets one browser in, once."""
        ticket = self.ask("POST", f"{OPEN}/tickets")["ticket"]
        where = "" if to == "/v2" else f"?to={quote(to)}"
        return f"http://127.0.0.1:{self.port}{OPEN}{where}#{ticket}"

    def board(self, run_id: str) -> str | None:
        """A URL that opens the board of a run in one browser, once; None if this server does not have the run."""
        for _ in range(_BOARD_LOOKS):
            try:
                self.ask("GET", f"{BOARD}/{quote(run_id)}/known")
                return self.entrance(f"{BOARD}/{quote(run_id)}/")
            except TimeoutError:  # it opens the store when it is first asked
                continue
            except UNANSWERED:
                break
        return None

    def settle(self, began: datetime) -> None:
        """Wait some seconds for the rows of the flow runs that began after a moment and ended.

        They reach the database through a queue, which a server that stops loses.
        """
        ended = {"state": {"type": {"any_": _FINAL}}, "start_time": {"after_": began.isoformat()}}
        unfinished = {"state": {"type": {"any_": _UNFINISHED}}}
        wanted = ({"flow_runs": ended}, {"flow_runs": ended, "task_runs": unfinished})
        now = time.monotonic()
        deadline, since, seen = now + _SETTLE_SECONDS, now, [-1]
        while (now := time.monotonic()) < deadline:
            counts = [self.ask("POST", "/api/task_runs/count", one) for one in wanted]
            if counts != seen:
                seen, since = counts, now
            # Do not wait long for open rows that nothing closes, as those of a cancelled run.
            if now - since >= _QUIET_SECONDS * (3 if counts[1] else 1):
                return
            time.sleep(_POLL_SECONDS)


def proven(home: Path, port: int | None) -> Loopback | None:
    """The server on a port (None or 0: none), once it proves that it is the one of `home`."""
    server = Loopback(port, server_auth(home)) if port else None
    return server if server is not None and server.healthy() else None


def left_running(data: Path) -> Loopback | None:
    """The server that `up` left running in a data folder; None unless it lives and proves it."""
    part = registry.read(data).part("server")
    return proven(data / "prefect", urlsplit(part.url).port) if part else None


def entrance(data: Path) -> str:
    """A URL that opens the pages of the server of `up` in one browser, once."""
    server = left_running(data)
    if server is None:
        raise ConnectionError("the Prefect server does not answer")
    return server.entrance()
