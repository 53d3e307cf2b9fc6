"""The pool: no cookies, no logged addresses, proxies and certificates of the environment."""

from __future__ import annotations

import contextlib
import logging
import platform
import socket
import threading
from pathlib import Path

import httpx
import pytest

from rivya_client.client import RivyaClient
from rivya_client.connection import _trust, through_proxy
from rivya_client.errors import APIConnectionError, APIStatusError, UsageError
from rivya_client.retries import ONCE
from rivya_client.version import __version__
from support.api_stage import JOB, KEY, Stage, balance, buy
from support.raw_server import http, saying


@pytest.mark.parametrize("cookie", [b"session=abc; Path=/", b"\xff=\xe9"])
async def test_a_cookie_is_neither_kept_nor_sent(cookie: bytes) -> None:
    balance = httpx.Response(
        200, json={"current_credits": 5}, headers=httpx.Headers([(b"Set-Cookie", cookie)])
    )
    stage = Stage(balance, balance)
    async with stage.client() as client:
        await client.credits.retrieve()
        await client.credits.retrieve()
    assert "cookie" not in stage.requests[1].headers


async def test_signed_addresses_are_in_no_log_and_other_clients_are_logged_as_before(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore.connection", "httpcore.http11"):
        # As somebody sets it who wants to see all, whatever was set before.
        logger = logging.getLogger(name)
        for what, value in (("handlers", [caplog.handler]), ("propagate", False)):
            monkeypatch.setattr(logger, what, value)
        caplog.set_level(logging.DEBUG, name)
    away = http(b"", "Location: /b?signature=CANARY", status=302)
    with saying(away, http(b"picture")) as raw:
        async with raw.client() as client:
            url = f"{raw.url}/a?signature=CANARY"
            await client.download(url, tmp_path / "a", max_bytes=100)
        assert len(raw.heads) == 2
        assert "CANARY" not in caplog.text
        assert "rvya_sk_of" not in caplog.text
        async with httpx.AsyncClient() as other:
            await other.get(f"{raw.url}/of-another")
    assert "/of-another" in caplog.text


@pytest.mark.parametrize("proxy", ["odd://me:hunter2@proxy", "http://me:hunter2@[::1"])
def test_an_unusable_proxy_is_an_error(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UsageError, match="ALL_PROXY") as caught:
        RivyaClient(KEY)
    assert "hunter2" not in repr(caught.value)


def test_unreadable_certificates_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _trust.cache_clear()
    for content in (None, "no certificate"):
        path = tmp_path / "certificates.pem"
        if content is not None:
            path.write_text(content)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(UsageError, match="SSL_CERT_FILE"):
            RivyaClient(KEY)


async def test_the_user_agent_names_the_client_and_the_trace_the_request_without_its_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(httpx.Response(202, json=JOB, headers={"X-Request-Id": "req_9"}))
    await stage.answered(buy)
    agent = stage.requests[0].headers["user-agent"]
    assert agent.startswith(f"rivya-client/{__version__} python/{platform.python_version()} (")
    (line,) = [r.getMessage() for r in caplog.records if r.name == "rivya_client.wire"]
    assert "POST https://rivya.test/api/v1/generations" in line
    assert "rvya_sk_***" in line
    assert "202 req_9" in line
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://rivya.ai", " through the proxy http://proxy.example:3128"),
        ("http://127.0.0.1:8700", ""),
        ("https://direct.example", ""),
    ],
)
def test_a_proxy_on_the_way_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:s3cret@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    assert through_proxy(url) == words


async def test_a_refused_connection_is_told_in_the_words_of_the_system() -> None:
    with socket.socket() as bound:  # not listening
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with RivyaClient(KEY, url, retry=ONCE) as client:
            with pytest.raises(APIConnectionError) as raised:
                await client.credits.retrieve()
    assert str(raised.value) == f"GET /api/v1/credits: no connection: Connection refused ({url})"


async def test_https_to_a_port_without_tls_is_told_in_words() -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            while connection.recv(4096):  # closing with unread bytes would reset the connection
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer, args=(server,), daemon=True)
        answering.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        async with RivyaClient(KEY, url, retry=ONCE) as client:
            with pytest.raises(APIConnectionError, match="speaks no TLS at this port; is it http"):
                await client.credits.retrieve()
        answering.join()


async def test_a_page_instead_of_an_answer_is_told_with_its_address() -> None:
    stage = Stage(httpx.Response(502, html="<h1>Bad Gateway</h1>"))
    error = await stage.error(APIStatusError, balance, retry=ONCE)
    assert (
        error.hint == "https://rivya.test sent no Rivya answer; check RIVYA_BASE_URL, or try again"
    )
