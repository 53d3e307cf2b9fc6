"""Attacks on a Prefect server of our own: another page, another user, another host name."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from rivya_flows.processes.guard import MOST_TICKETS, Guard, owns
from rivya_flows.processes.local_api import Loopback, proof_of, server_auth
from support.browser import CHROMIUM, browsing

AUTH = "rivya:secret"
PASSED = "PREFECT"
SOCKETS = [
    "/api/events/in",
    "/api/events/out",
    "/api/logs/out",
    "/api/task_runs/subscriptions/scheduled",
    "/api/work_pools/any/workers/connect",
]


async def prefect_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for Prefect: says that a request has come through."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": PASSED.encode()})


@pytest.fixture
def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Guard(prefect_app, 4200, AUTH, "password", lambda *_: True))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4200")


# --- which host, which origin -----------------------------------------------------------------


async def test_a_request_for_another_host_is_refused(client: httpx.AsyncClient) -> None:
    hosts = "evil.example:4200 127.0.0.1 127.0.0.1:4201 127.0.0.1:4200.evil.example localhost:4200"
    for host in ("", *hosts.split(" ")):
        answer = await client.get("/api/flows", headers={"Host": host})
        assert answer.status_code == 403, host
        assert "answers only as 127.0.0.1:4200" in answer.text
    twice = [("Host", "127.0.0.1:4200"), ("Host", "evil.example")]
    assert (await client.get("/", headers=twice)).status_code == 403


async def test_a_page_of_another_origin_is_refused_even_with_the_password(
    client: httpx.AsyncClient,
) -> None:
    origins = "https://evil.example null http://localhost:4200 http://127.0.0.1:3000"
    for origin in ("", *origins.split(" ")):
        headers = {"Origin": origin}
        answer = await client.post(
            "/api/flows/", auth=("rivya", "secret"), headers=headers, json={}
        )
        assert answer.status_code == 403, origin
        assert "another origin" in answer.text


async def test_programs_and_own_pages_are_served_without_framing_and_scripts_of_others(
    client: httpx.AsyncClient,
) -> None:
    for headers in ({}, {"Origin": "http://127.0.0.1:4200"}):
        answer = await client.get("/api/health", headers=headers)
        assert (answer.status_code, answer.text) == (200, PASSED)
        assert answer.headers["X-Frame-Options"] == "DENY"
    policy = (await client.get("/v2/dashboard")).headers["Content-Security-Policy"]
    assert policy == "connect-src 'self' ws://127.0.0.1:4200"
    for path in ("/docs", "/docs/", "/redoc"):  # pages with scripts of another host
        assert (await client.get(path)).status_code == 404


async def test_a_browser_that_asks_for_localhost_is_redirected_to_the_address(
    client: httpx.AsyncClient,
) -> None:
    headers = {"Host": "localhost:4200", "Accept": "text/html,*/*"}
    answer = await client.get("/v2/runs?state=a%20b", headers=headers)
    assert answer.status_code == 307
    assert answer.headers["Location"] == "http://127.0.0.1:4200/v2/runs?state=a%20b"


# --- tickets ----------------------------------------------------------------------------------


async def new_ticket(client: httpx.AsyncClient) -> str:
    answer = await client.post("/open/tickets", auth=("rivya", "secret"))
    return str(answer.json()["ticket"])


async def redeemed(client: httpx.AsyncClient, ticket: str) -> httpx.Response:
    return await client.post("/open/redeem", headers={"Authorization": f"Ticket {ticket}"})


async def test_another_user_cannot_redeem_a_ticket() -> None:
    """The list of processes shows the link while a terminal hands it to a browser."""
    user = os.getuid() + 1
    guard = Guard(prefect_app, 4200, AUTH, "password", lambda own, client, server: own == user)
    transport = httpx.ASGITransport(guard)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4200") as client:
        ticket = await new_ticket(client)
        assert (await redeemed(client, ticket)).status_code == 401
        user = os.getuid()
        assert (await redeemed(client, ticket)).json() == {"auth": AUTH}  # it was not used up


async def test_a_ticket_needs_the_password_and_is_valid_once(client: httpx.AsyncClient) -> None:
    assert (await client.post("/open/tickets")).status_code == 401
    assert (await client.post("/open/tickets", auth=("rivya", "guess"))).status_code == 401
    assert (await client.get("/open/tickets", auth=("rivya", "secret"))).status_code == 405
    for guess in ("guess", ""):
        assert (await redeemed(client, guess)).status_code == 401
    ticket = await new_ticket(client)
    assert (await redeemed(client, ticket)).json() == {"auth": AUTH}
    assert (await redeemed(client, ticket)).status_code == 401
    # A proof needs no password, and is for one port.
    fetched = (await client.get("/open/proof", params={"nonce": "n"})).json()["proof"]
    assert fetched == proof_of(AUTH, 4200, "n") != proof_of(AUTH, 4201, "n")


async def test_unredeemed_tickets_do_not_accumulate(client: httpx.AsyncClient) -> None:
    first = await new_ticket(client)
    for _ in range(MOST_TICKETS):
        last = await new_ticket(client)
    assert (await redeemed(client, first)).status_code == 401
    assert (await redeemed(client, last)).status_code == 200


async def test_the_page_that_redeems_a_ticket_contains_no_secret_and_runs_no_other_script(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/open?to=javascript:alert(1)")
    assert answer.status_code == 200
    assert "secret" not in answer.text
    assert "javascript" not in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


# --- a real server ----------------------------------------------------------------------------


@pytest.fixture
def port(prefect_server: str) -> int:
    return httpx.URL(prefect_server).port or 0


@pytest.mark.prefect
def test_another_user_of_the_machine_is_refused_on_every_route(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as other:
        routes = other.get("/openapi.json").json()["paths"]
        assert len(routes) > 100
        statuses = {
            (method, path): other.request(method.upper(), f"/api{path}", json={}).status_code
            for path, methods in routes.items()
            for method in methods
        }
    taken = [route for route, status in statuses.items() if status != 401]
    # Whether it is alive is no secret.
    assert set(taken) <= {("get", "/health"), ("get", "/ready")}


def spoken(port: int, path: str, origin: str | None, protocol: str | None) -> str | bytes:
    """What a socket answers to one who does not know the password."""
    with connect(
        f"ws://127.0.0.1:{port}{path}",
        origin=None if origin is None else Origin(origin),
        subprotocols=None if protocol is None else [Subprotocol(protocol)],
        open_timeout=120,
    ) as opened:
        opened.send(json.dumps({"type": "auth", "token": "guess"}))
        return opened.recv(timeout=120)


@pytest.mark.prefect
@pytest.mark.parametrize("path", SOCKETS)
def test_no_socket_accepts_an_event_without_the_password_or_from_another_page(
    port: int, path: str
) -> None:
    for origin in (None, "http://evil.example"):
        for protocol in (None, "prefect"):
            with pytest.raises((InvalidStatus, ConnectionClosed)):
                spoken(port, path, origin, protocol)
    # That of another page is closed even with the password, which its browser may hold.
    with pytest.raises(InvalidStatus) as caught:
        spoken(port, path, "http://evil.example", "prefect")
    assert caught.value.response.status_code == 403


@pytest.mark.prefect
def test_a_server_listens_on_loopback_only(port: int) -> None:
    with socket.socket() as probe:
        probe.settimeout(5)
        assert probe.connect_ex(("127.0.0.1", port)) == 0
    with socket.socket() as probe:
        probe.settimeout(5)
        # The whole of 127/8 is this machine; a server on all addresses would answer.
        assert probe.connect_ex(("127.0.0.2", port)) != 0


HOSTILE = """
<script>
const port = %d;
const flow = JSON.stringify({name: 'from-a-foreign-page'});
const event = {occurred: new Date().toISOString(), event: 'foreign', resource: {
  'prefect.resource.id': 'foreign.page'}, id: crypto.randomUUID?.() ?? '0192f6a0-0000-7000-8000-000000000009'};
const told = [];
const tried = [
  fetch(`http://127.0.0.1:${port}/api/flows/`, {method: 'POST', body: flow,
    headers: {'Content-Type': 'application/json'}}).then(a => told.push(a.status)).catch(() => {}),
  fetch(`http://127.0.0.1:${port}/api/flows/`, {method: 'POST', mode: 'no-cors', body: flow}).catch(() => {}),
  fetch(`http://127.0.0.1:${port}/ui-settings`).then(a => told.push(a.status)).catch(() => {}),
  ...[[], ['prefect']].map(protocols => new Promise(done => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/events/in`, protocols);
    socket.onopen = () => { told.push('opened'); socket.send(JSON.stringify(event)); setTimeout(done, 500); };
    socket.onclose = socket.onerror = done;
  })),
];
Promise.all(tried).then(() => { window.told = told; });
</script>
"""


@pytest.fixture
def hostile_page(port: int) -> Iterator[str]:
    """The address of a page of another origin, which attacks the server when it is opened."""
    body = (HOSTILE % port).encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.prefect
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_in_chromium_a_link_opens_the_ui_once_and_a_foreign_page_gets_nothing(
    port: int, prefect_data: Path, tmp_path: Path, hostile_page: str
) -> None:
    server = Loopback(port, server_auth(prefect_data / "prefect"))
    link = server.entrance()
    with browsing(tmp_path / "owner") as tab:
        tab.open(link)
        tab.until("document.body.innerText.includes('Work Pools')", "the dashboard")
        assert "login" not in tab.value("location.href")
        assert link.partition("#")[2] not in tab.value("JSON.stringify(history.state) + location")
        tab.open(f"http://127.0.0.1:{port}/v2/flows")  # and it stays in
        tab.until("document.body.innerText.includes('Work Pools')", "the dashboard again")

        # The same browser, which holds the password for the server's own pages.
        tab.open(hostile_page)
        assert tab.until("window.told && JSON.stringify(window.told)") == "[]"
    flows = {"flows": {"name": {"any_": ["from-a-foreign-page"]}}}
    assert server.ask("POST", "/api/flows/count", flows) == 0
    events = {"filter": {"event": {"name": ["foreign"]}}}
    assert server.ask("POST", "/api/events/filter", events)["total"] == 0

    with browsing(tmp_path / "other") as tab:
        tab.open(link)
        tab.until("document.body.innerText.includes('no longer works')", "what became of the link")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not tell")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connection_is_known_by_its_user(family: socket.AddressFamily) -> None:
    address = "127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as client:
        port = server.getsockname()[1]
        client.connect((address, port))
        ends = ("127.0.0.1", client.getsockname()[1]), ("127.0.0.1", port)
        assert owns(os.getuid(), *ends)
        assert not owns(os.getuid() + 1, *ends)


def test_the_same_port_on_another_address_belongs_to_another_user(tmp_path: Path) -> None:
    rest = "00000000:00000000 00:00000000 00000000"
    table = tmp_path / "tcp"
    table.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        f"   0: 0100007F:C738 0100007F:1068 01 {rest}  1000        0 1\n"
        f"   1: 0200007F:C738 0100007F:1068 01 {rest}  1001        0 2\n"
    )
    server = ("127.0.0.1", 4200)
    assert owns(1000, ("127.0.0.1", 51000), server, [table])
    assert not owns(1000, ("127.0.0.2", 51000), server, [table])
    assert not owns(1000, ("127.0.0.1", 51001), server, [table])  # not a connection of anybody
    assert owns(1000, ("127.0.0.2", 51000), server, [tmp_path / "none"])  # nothing is told
