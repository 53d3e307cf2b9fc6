"""Guards a Prefect server of our own against other pages, hosts and users.

Prefect's password alone does not keep other pages out: any origin may call its API, and a socket
without the subprotocol was accepted. Here each request and each WebSocket must name this server as
its host and, if it comes from a page, that page must be the server's own.

A browser gets in with a ticket: valid once, sent in the fragment of a URL, exchanged for the
password by the page `/open`. Other users of the machine may see the URL with a ticket (in the list
of processes, when a terminal passes it to a browser), but never the password. Nor can they redeem
it first: a ticket is for programs of the server's own user, if the system tells whose program it
is (Linux does).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import socket
import struct
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from rivya_flows.flows.prefect_internals import UI_PASSWORD_KEY
from rivya_flows.flows.server.local_api import OPEN, basic, proof_of

Address = tuple[str, int]
"""IPv4 address and port."""

# A program may use either for 127.0.0.1.
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def owns(user: int, client: Address, server: Address, tables: Sequence[Path] = _TABLES) -> bool:
    """Whether a connection to a server on this machine is from a program of a user.

    Compares both whole addresses: another user can take the port of a connection on 127.0.0.2.
    True if the system does not tell, as on macOS.

    Source: proc(5), ``/proc/net/tcp``: columns 2 and 3 are the two ends, column 8 is the user.
    """
    ends = {*zip(_written(client), _written(server), strict=True)}
    known = False
    for table in tables:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        known = True
        for words in map(str.split, lines):
            if (words[1], words[2]) in ends:
                return int(words[7]) == user
    return not known


def _written(address: Address) -> tuple[str, str]:
    """An address as the tables write it: ``0100007F:1068``, and the IPv6 address that maps to it.

    Each word of 32 bits is in the byte order of the machine.
    """
    host, port = address
    packed = bytes(10) + b"\xff\xff" + socket.inet_aton(host)
    mapped = "".join(f"{word:08X}" for word in struct.unpack("=4I", packed))
    return f"{mapped[-8:]}:{port:04X}", f"{mapped}:{port:04X}"


_SCRIPTS_OF_OTHERS = frozenset({"/docs", "/redoc"})
"""Pages of Prefect that load scripts from another host into the origin that holds the password."""

MOST_TICKETS = 1000
"""Unredeemed tickets; one more drops the oldest."""

LONGEST_NONCE = 128
"""Characters of the nonce that a server proves its identity with."""

_SCRIPT = """
const ticket = location.hash.slice(1);
const asked = new URL(new URLSearchParams(location.search).get('to') || '/v2', location.origin);
const target = asked.origin === location.origin ? asked.href : '/v2';
history.replaceState(null, '', location.pathname + location.search);
async function enter() {
  if (ticket) {
    const answer = await fetch('/open/redeem', {
      method: 'POST', headers: {Authorization: 'Ticket ' + ticket}});
    if (answer.ok) localStorage.setItem('PASSWORD_KEY', btoa((await answer.json()).auth));
  }
  const kept = localStorage.getItem('PASSWORD_KEY');
  const known = kept && await fetch('/api/admin/version', {headers: {Authorization: 'Basic ' + kept}});
  if (known && known.ok) location.replace(target);
  else document.querySelector('main').hidden = false;
}
enter();
""".replace("PASSWORD_KEY", UI_PASSWORD_KEY)
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 32rem; margin: 20vh auto; padding: 0 1rem; }
"""
_PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Prefect</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>
<main hidden><h1>This link no longer works</h1>
<p>Each link opens one browser, once, until the server ends. Run <code>rivya-flows up</code> again
for a new link. Everything that already runs stays as it is.</p></main>
<script>{_SCRIPT}</script></html>
"""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)};"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
_EVERYWHERE = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Guard:
    """An ASGI application in front of Prefect's, on a port of 127.0.0.1."""

    def __init__(
        self,
        app: ASGIApp,
        port: int,
        auth: str,
        owns: Callable[[int, Address, Address], bool] = owns,
    ) -> None:
        self._owns = owns
        self._app = app
        self._auth = auth
        self._port = port
        self._address = f"127.0.0.1:{port}"
        # Browsers are redirected to the address. Programs are refused: one that uses the name
        # may send the password to another user's server on [::1], which is looked up first.
        self._name = f"localhost:{port}"
        self._tickets: OrderedDict[str, None] = OrderedDict()
        self._own = Starlette(
            routes=[
                Route(OPEN, self._page),
                Route(f"{OPEN}/tickets", self._new_ticket, methods=["POST"]),
                Route(f"{OPEN}/redeem", self._redeem, methods=["POST"]),
                Route(f"{OPEN}/proof", self._proof),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                sent.update(_EVERYWHERE)
                # Version 2 of Prefect's pages calls Amplitude whatever the setting for analytics is.
                only_here = f"connect-src 'self' ws://{self._address}"
                sent.setdefault("Content-Security-Policy", only_here)
            await send(message)

        await self._app_for(scope, Headers(scope=scope))(scope, receive, safely)

    def _app_for(self, scope: Scope, headers: Headers) -> ASGIApp:
        """What answers a request: a refusal, a page of ours, or Prefect."""
        browses = scope["type"] == "http" and "text/html" in headers.get("accept", "")
        by_name = browses and headers.get("host") == self._name
        if headers.getlist("host") != [self._name if by_name else self._address]:
            return _refused(scope, f"this server answers only as {self._address}")
        if any(origin != f"http://{self._address}" for origin in headers.getlist("origin")):
            return _refused(scope, "the request comes from a page of another origin")
        if by_name:
            query = scope["query_string"].decode("latin-1")
            url = f"http://{self._address}{scope['raw_path'].decode('latin-1')}"
            return RedirectResponse(url + (f"?{query}" if query else ""))
        path = scope["path"]
        if path.rstrip("/") in _SCRIPTS_OF_OTHERS:
            return PlainTextResponse("Not served here: it loads scripts from another host.\n", 404)
        return self._own if path == OPEN or path.startswith(f"{OPEN}/") else self._app

    # --- letting a browser in ------------------------------------------------------------------

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(_PAGE, headers=_PAGE_HEADERS)

    async def _new_ticket(self, request: Request) -> Response:
        login = request.headers.get("authorization", "")
        if not hmac.compare_digest(login.encode(), basic(self._auth).encode()):
            return JSONResponse({"exception_message": "Unauthorized"}, 401)
        ticket = secrets.token_urlsafe(32)
        self._tickets[ticket] = None
        if len(self._tickets) > MOST_TICKETS:
            self._tickets.popitem(last=False)
        return JSONResponse({"ticket": ticket}, 201)

    async def _redeem(self, request: Request) -> Response:
        client = request.client
        is_own = client is not None and await run_in_threadpool(
            self._owns, os.getuid(), (client.host, client.port), ("127.0.0.1", self._port)
        )
        kind, _, ticket = request.headers.get("authorization", "").partition(" ")
        # Looked up by hash, so the time it takes reveals nothing of a ticket.
        if kind != "Ticket" or ticket not in self._tickets or not is_own:
            return JSONResponse({"exception_message": "Unauthorized"}, 401)
        del self._tickets[ticket]
        return JSONResponse({"auth": self._auth}, headers={"Cache-Control": "no-store"})

    async def _proof(self, request: Request) -> Response:
        nonce = request.query_params.get("nonce", "")
        if not 0 < len(nonce) <= LONGEST_NONCE:
            return JSONResponse({"exception_message": "nonce required"}, 400)
        return JSONResponse({"proof": proof_of(self._auth, self._port, nonce)})


def _refused(scope: Scope, why: str) -> ASGIApp:
    words = f"Refused: {why}."
    if scope["type"] == "websocket":
        return WebSocketClose(1008, words)
    return PlainTextResponse(f"{words}\n", 403)
