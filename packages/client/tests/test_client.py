"""Clients: key and address, HTTP clients of the caller, shared connections."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_client.client import RivyaClient
from rivya_client.errors import APIStatusError, UsageError
from support.api_stage import KEY, Stage

URLS: list[Any] = [
    *("rivya.ai", "ftp://rivya.ai", "https://", "http://a:b", "http://a/?k", 7),
    *("https://ri\nvya.ai", "https://rivya .ai", "https://rivya.ai\\x", "https://xn--a"),
    *(f"https://me:hunter2@rivya.ai{rest}" for rest in ("", "?k=1", ":port", "/a b")),
]


@pytest.mark.parametrize("url", URLS)
def test_a_base_url_is_an_address_without_a_password(url: Any) -> None:
    with pytest.raises(UsageError, match=r"RIVYA_BASE_URL|base_url") as caught:
        RivyaClient(KEY, url)
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("number", [0, -1, math.inf, math.nan])
def test_a_pace_is_finite_and_above_zero(number: float) -> None:
    with pytest.raises(UsageError, match="finite and above 0"):
        RivyaClient(KEY, poll_seconds=number)
    with pytest.raises(UsageError, match="finite and above 0"):
        RivyaClient(KEY, requests_per_second=number)


@pytest.mark.parametrize("key", ["rvya_sk_12\n34", "rvya_sk_ 1234", "rvya_sk_é", 7])
def test_an_invalid_key_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(UsageError) as caught:
        RivyaClient(key, "https://a.test")
    assert str(key) not in str(caught.value) + repr(caught.value)


async def test_the_base_url_may_end_like_the_api() -> None:
    async with RivyaClient(KEY, " http://127.0.0.1:8000/api/v1/ ") as client:
        assert client.base_url == "http://127.0.0.1:8000"
        assert KEY not in repr(client)


async def test_a_closed_client_says_so(tmp_path: Path) -> None:
    async with Stage().client() as client:
        pass
    with pytest.raises(UsageError, match="RivyaClient: is closed"):
        await client.credits.retrieve()
    with pytest.raises(UsageError, match="RivyaClient: is closed"):
        await client.download("/film", tmp_path / "film")


def test_a_client_that_is_taken_into_another_event_loop_sends_nothing() -> None:
    stage = Stage(httpx.Response(200, json={"current_credits": 5}))
    client = stage.client()
    asyncio.run(client.credits.retrieve())
    with pytest.raises(UsageError, match="another event loop"):
        asyncio.run(client.credits.retrieve())
    assert len(stage.requests) == 1


def connection(client: RivyaClient) -> tuple[str, str | None]:
    """The address and the key of a client."""
    return client.base_url, client._transport.api_key


def test_key_and_address_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RIVYA_API_KEY", "RIVYA_BASE_URL"):
        monkeypatch.setenv(name, "")
    assert connection(RivyaClient()) == ("https://rivya.ai", None)
    monkeypatch.setenv("RIVYA_API_KEY", KEY)
    assert connection(RivyaClient()) == ("https://rivya.ai", KEY)
    monkeypatch.setenv("RIVYA_BASE_URL", "https://other.test")
    assert connection(RivyaClient()) == ("https://other.test", KEY)
    assert connection(RivyaClient("k")) == ("https://other.test", "k")
    assert connection(RivyaClient(None)) == ("https://other.test", None)
    assert connection(RivyaClient(base_url="https://a.test")) == ("https://a.test", KEY)
    assert connection(RivyaClient(None, "https://a.test")) == ("https://a.test", None)


def test_a_file_of_the_folder_says_neither_key_nor_address() -> None:
    Path(".env").write_text("RIVYA_BASE_URL=https://stranger.test\nRIVYA_API_KEY=theirs")
    assert connection(RivyaClient()) == ("https://rivya.ai", None)


async def test_an_own_http_client_is_used_for_all_but_headers_of_downloads_and_left_open(
    tmp_path: Path,
) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path == "/film":
            return httpx.Response(200, content=b"film")
        return httpx.Response(302, headers={"location": "https://elsewhere.test"})

    own = httpx.AsyncClient(
        transport=httpx.MockTransport(answer),
        headers={"X-Proxy": "p", "Accept-Encoding": "br"},
        auth=("me", "hunter2"),
        follow_redirects=True,
    )
    here = "http://127.0.0.1"
    more = {"X-Team": "a"}
    client = RivyaClient(KEY, here, http_client=own, max_retries=0, extra_headers=more)
    async with own, client:
        with pytest.raises(APIStatusError, match="http_302"):
            await client.credits.retrieve()
        raw = client.with_raw_response
        response = await raw.download(f"{here}/film", tmp_path / "film", max_bytes=9)
        assert (response.status, response.value.size_bytes) == (200, 4)
        await client.aclose()
        assert not own.is_closed
    request, download = seen
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-proxy"] == "p"
    assert request.headers["accept-encoding"] == "gzip"
    assert set(download.headers) == {"accept", "accept-encoding", "host", "user-agent"}


def test_an_http_client_of_the_other_kind_is_refused() -> None:
    with httpx.Client() as own, pytest.raises(UsageError, match="http_client: is not"):
        RivyaClient(KEY, http_client=own)  # type: ignore[arg-type]  # the mistake of a caller


def test_options_and_calls_leave_the_connections_shared() -> None:
    client = RivyaClient(KEY, "https://a.test")
    other = client.with_options(timeout=3)
    assert type(other) is RivyaClient
    assert other._transport.http is client._transport.http
    assert (other._transport.settings.timeout, client._transport.settings.timeout) == (3, None)
    assert repr(other) == "RivyaClient(base_url='https://a.test')"
