"""Guards a Prefect server of our own against other pages, hosts and users.

Prefect's password alone does not: any origin may call its API, and it accepted a socket without the
subprotocol. Here each request and each WebSocket must name this server as its host, and a page that sends one
must be the server's own.

A browser gets in with a ticket: valid once, sent in the fragment of a URL, exchanged for the password by the
page `/open`. Other users of the machine may see that URL, in the list of processes, but cannot redeem the
ticket first: it is for programs of the server's own user, if the system tells whose they are (Linux does).
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from importlib import resources
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

from rivya_flows.processes.local_api import BOARD, OPEN, basic, proof_of

Address = tuple[str, int]  # IPv4 address and port
# A program may use either for 127.0.0.1.
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def owns(user: int, client: Address, server: Address, tables: Sequence[Path] = _TABLES) -> bool:
    """Whether a connection on this machine is from a program of a user; True if the system does not tell.

    Compares both whole addresses: another user can take the port of a connection on 127.0.0.2.
    Source: proc(5), ``/proc/net/tcp``: columns 2 and 3 are the two ends, column 8 is the user.
    """
    ends = {*zip(_in_tables(client), _in_tables(server), strict=True)}
    known = False
    for table in tables:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        known = True
        for columns in map(str.split, lines):
            if (columns[1], columns[2]) in ends:
                return int(columns[7]) == user
    return not known


def _in_tables(address: Address) -> tuple[str, str]:
    """As the tables write it: ``0100007F:1068``, and the IPv6 address that maps to it."""
    host, port = address
    packed = bytes(10) + b"\xff\xff" + socket.inet_aton(host)
    mapped = "".join(f"{word:08X}" for word in struct.unpack("=4I", packed))
    return f"{mapped[-8:]}:{port:04X}", f"{mapped}:{port:04X}"


_SCRIPTS_OF_OTHERS = frozenset({"/docs", "/redoc"})  # in the origin that holds the password
MOST_TICKETS = 1000  # unredeemed ones; one more drops the oldest
_EVERYWHERE = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Guard:
    """An ASGI application in front of Prefect's, whose pages look for `auth` at `password_key`."""

    def __init__(
        self,
        app: ASGIApp,
        port: int,
        auth: str,
        password_key: str,
        owns: Callable[[int, Address, Address], bool] = owns,
        *,
        board: ASGIApp | None = None,
    ) -> None:
        self._app, self._port, self._auth, self._board = app, port, auth, board
        self._password_key, self._owns = password_key, owns
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
        browses = scope["type"] == "http" and "text/html" in headers.get("accept", "")
        by_name = browses and headers.get("host") == self._name
        if headers.getlist("host") != [self._name if by_name else self._address]:
            return _refusal(scope, f"this server answers only as {self._address}")
        if any(origin != f"http://{self._address}" for origin in headers.getlist("origin")):
            return _refusal(scope, "the request comes from a page of another origin")
        if by_name:
            query = scope["query_string"].decode("latin-1")
            url = f"http://{self._address}{scope['raw_path'].decode('latin-1')}"
            return RedirectResponse(url + (f"?{query}" if query else ""))
        path = scope["path"]
        if path.rstrip("/") in _SCRIPTS_OF_OTHERS:
            return PlainTextResponse("Not served here: it loads scripts from another host.\n", 404)
        if self._board and path.startswith(f"{BOARD}/"):
            return self._board
        return self._own if path == OPEN or path.startswith(f"{OPEN}/") else self._app

    async def _page(self, _: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        html = resources.files(__package__).joinpath("entrance.html").read_text("utf-8")
        html = html.replace("{{nonce}}", nonce).replace("{{password_key}}", self._password_key)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}';"
            " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
        return HTMLResponse(html, headers=headers)

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
        return JSONResponse({"proof": proof_of(self._auth, self._port, nonce)})


def _refusal(scope: Scope, why: str) -> ASGIApp:
    reason = f"Refused: {why}."
    if scope["type"] == "websocket":
        return WebSocketClose(1008, reason)
    return PlainTextResponse(f"{reason}\n", 403)
