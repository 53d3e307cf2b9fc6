"""The receiver by raw sockets: requests that trickle, that are two in one, and strange hosts."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest

from rivya_flows.receiver.app import WEBHOOK_PATH
from rivya_flows.receiver.server import Bounded
from support.receiver_stage import METRICS, METRICS_LOGIN, Stage, receiving
from support.sandbox_calls import PATIENCE, until

POST = f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: localhost\r\n".encode()
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSE = b"Connection: close\r\n"
LAST = HEALTH.replace(b"\r\n\r\n", b"\r\n" + CLOSE + b"\r\n")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("receiver")
    with receiving(f"sqlite:///{folder / 'journal.sqlite'}", folder, metrics=METRICS) as opened:
        yield opened


class Hasty(Bounded):
    seconds = 0.15
    most = 8


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One that waits so short a time that on a busy machine an honest request may be late too."""
    folder = tmp_path_factory.mktemp("hasty")
    store = f"sqlite:///{folder / 'journal.sqlite'}"
    with receiving(store, folder, protocol=Hasty) as opened:
        yield opened


def connected(stage: Stage) -> socket.socket:
    where = urlsplit(stage.url)
    return socket.create_connection((where.hostname, where.port), timeout=PATIENCE)


def ended(connection: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    came = b""
    try:
        while piece := connection.recv(2**16):
            came += piece
    except ConnectionError:
        pass
    return came


def said(stage: Stage, request: bytes) -> bytes:
    """What is answered to these bytes, up to the end of the connection."""
    with closing(connected(stage)) as connection:
        connection.sendall(request)
        return ended(connection)


def test_an_incomplete_request_is_ended(hasty: Stage) -> None:
    for begun in (
        b"",
        b"POST",
        POST + b"X-Half: ",
        POST + b"Content-Length: 100\r\n\r\n{",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ):
        assert said(hasty, begun).startswith(b"HTTP/1.1 408 "), begun


def test_a_body_that_trickles_is_ended(hasty: Stage) -> None:
    with closing(connected(hasty)) as connection:
        connection.sendall(POST + b"Content-Length: 1000000\r\n\r\n")
        connection.settimeout(0.02)
        came = b""
        for _ in range(PATIENCE * 50):
            try:
                connection.sendall(b"x")
                piece = connection.recv(2**16)
            except TimeoutError:
                continue
            except ConnectionError:  # it was ended while this was sent
                came += ended(connection)
                break
            came += piece
            if not piece:
                break
        else:
            raise AssertionError("it still goes on")
    assert came.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_trickles_after_its_answer_is_ended_too(hasty: Stage) -> None:
    begun = HEALTH.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000\r\n\r\n")
    until(lambda: said(hasty, begun).startswith(b"HTTP/1.1 200 ") or None)


def test_the_second_request_of_a_connection_has_a_time_limit_too(hasty: Stage) -> None:
    def statuses() -> list[bytes]:
        came = said(hasty, HEALTH + POST + b"Content-Length: 10\r\n\r\n{")
        return re.findall(rb"HTTP/1\.1 (\d+) ", came)

    until(lambda: statuses() == [b"200", b"408"] or None)


def test_a_complete_request_is_answered_while_waiting_connections_take_all_places(
    hasty: Stage,
) -> None:
    with ExitStack() as opened:
        slow = [opened.enter_context(closing(connected(hasty))) for _ in range(40)]
        until(lambda: said(hasty, LAST).startswith(b"HTTP/1.1 200 ") or None)
        for connection in slow:
            ended(connection)


def test_a_client_of_http_1_0_needs_no_host(stage: Stage) -> None:
    assert said(stage, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


SMUGGLED = (
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
    + f"Authorization: {METRICS_LOGIN}\r\n\r\n".encode()
)


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        POST + b"Content-Length: +5\r\n\r\nhello",
        POST + b"Content-Length: 5, 5, 6\r\n\r\nhello",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\nhello",
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\nhello",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n Folded: x\r\nX\x00: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 2**18 + b"\r\n\r\n",
        b"GET /" + b"x" * 2**18 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\nhello",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=range(18),
)
def test_an_ambiguous_request_is_refused_once(stage: Stage, request_bytes: bytes) -> None:
    came = said(stage, request_bytes + SMUGGLED)
    assert came.startswith(b"HTTP/1.1 4")
    assert came.count(b"HTTP/1.1 ") == 1
    assert b"credits" not in came


def test_pipelined_requests_are_answered_in_order_and_an_absolute_target_is_not_a_path(
    stage: Stage,
) -> None:
    absolute = SMUGGLED.replace(b"/metrics", b"http://evil.example/metrics")
    came = said(stage, HEALTH + absolute + HEALTH + LAST)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", came) == [b"200", b"404", b"200", b"200"]
    assert b"credits" not in came


def test_a_client_that_expects_100_continue_gets_it_before_its_body(stage: Stage) -> None:
    with closing(connected(stage)) as connection:
        connection.sendall(
            POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n" + CLOSE + b"\r\n"
        )
        assert connection.recv(2**16).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert ended(connection).startswith(b"HTTP/1.1 ")
