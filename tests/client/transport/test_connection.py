"""The pool: no cookies, no logged addresses, proxies and certificates of the environment."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

import httpx
import pytest

from rivya_flows.client.client import RivyaClient
from rivya_flows.client.transport.connection import _trust
from rivya_flows.errors import UsageError
from rivya_flows.version import __version__
from support.api_stage import KEY, Stage
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


async def test_the_user_agent_names_the_version_python_and_the_platform() -> None:
    stage = Stage(httpx.Response(200, json={"current_credits": 1}))
    async with stage.client() as client:
        await client.credits.retrieve()
    told = stage.requests[0].headers["user-agent"]
    assert told.startswith(f"rivya-flows/{__version__} python/{platform.python_version()} (")
