"""What a client is made with: its key, address, pace, proxy and certificates."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rivya_flows.client.client import RivyaClient
from rivya_flows.client.transport.connection import _trust
from rivya_flows.errors import (
    UsageError,
)
from support.api_stage import KEY


@pytest.mark.parametrize(
    "url",
    [
        *("rivya.ai", "ftp://rivya.ai", "https://", "http://a:b", "http://a/?k"),
        *("https://ri\nvya.ai", "https://rivya .ai", "https://rivya.ai\\x", "https://xn--a"),
    ],
)
def test_a_base_url_has_to_be_an_address(url: str) -> None:
    with pytest.raises(UsageError, match="RIVYA_BASE_URL"):
        RivyaClient(KEY, url)


@pytest.mark.parametrize("rest", ["", "?k=1", ":port", "/a b"])
def test_a_password_in_the_base_url_is_refused_and_not_repeated(rest: str) -> None:
    with pytest.raises(UsageError) as caught:
        RivyaClient(KEY, "https://me:hunter2@rivya.ai" + rest)
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("number", [0, -1, math.inf, math.nan])
def test_a_pace_is_a_number_that_can_be_kept(number: float) -> None:
    with pytest.raises(UsageError, match="finite and above 0"):
        RivyaClient(KEY, poll_seconds=number)
    with pytest.raises(UsageError, match="finite and above 0"):
        RivyaClient(KEY, requests_per_second=number)


@pytest.mark.parametrize("proxy", ["odd://me:hunter2@proxy", "http://me:hunter2@[::1"])
def test_a_proxy_that_cannot_be_used_is_told(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UsageError, match="ALL_PROXY") as caught:
        RivyaClient(KEY)
    assert "hunter2" not in repr(caught.value)


def test_certificates_that_cannot_be_read_are_told(
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


@pytest.mark.parametrize("key", ["rvya_sk_12\n34", "rvya_sk_ 1234", "rvya_sk_é"])
def test_a_broken_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        RivyaClient(key)
    assert key not in str(caught.value) + repr(caught.value)


async def test_the_base_url_may_end_like_the_api() -> None:
    async with RivyaClient(KEY, " http://127.0.0.1:8000/api/v1/ ") as client:
        assert client.base_url == "http://127.0.0.1:8000"
        assert KEY not in repr(client)
