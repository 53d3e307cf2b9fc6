"""Checks of webhook URLs."""

from __future__ import annotations

import pytest

from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.webhooks.urls import is_public, target


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://hooks.example.com:8443/rivya?token=a%20b",
        "https://EXAMPLE.com./x",
        "https://8.8.8.8/hook",
        "https://[2606:4700::1111]/hook",
        "https://xn--bcher-kva.example/",
    ],
)
def test_public_https_urls_are_accepted(url: str) -> None:
    assert target(url, allow_local=False).secure


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "example.com/hook",
        "http://example.com/hook",
        "ftp://example.com",
        "HTTPS//example.com",
        "https://",
        "https:///path",
        "https://user:secret@example.com/",
        "https://user@example.com/",
        "https://@example.com/",
        "https://example.com/#part",
        "https://example.com/#",
        "https://exa mple.com/",
        "https://example.com\\@evil.example/",
        "https://example.com/\r\nX-Injected: 1",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://bücher.example/",
        "https://%6c%6fcalhost/",
        "https://localhost/",
        "https://LOCALHOST:8000/",
        "https://localhost./",
        "https://api.localhost/",
        "https://printer.local/",
        "https://db.internal/",
        "https://router.lan/",
        "https://intranet/",
        "https://-a.example/",
        "https://a..example/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://192.0.2.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fd00::1]/",
        "https://[fec0::1]/",
        "https://[::127.0.0.1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[ff02::1]/",
        "https://[::1/",
        "https://example.com/" + "x" * 2048,
    ],
)
def test_all_others_are_rejected(url: object) -> None:
    with pytest.raises(Refusal) as refused:
        target(url, allow_local=False)
    assert refused.value.code == "webhook_url_rejected"


def test_the_option_allows_http_and_loopback_only() -> None:
    for url in ("http://127.0.0.1:8000/x", "http://localhost/", "http://[::1]:1/", "http://a.com"):
        target(url, allow_local=True)
    for url in ("http://10.0.0.1/", "http://169.254.169.254/", "http://intranet/", "ftp://a.com"):
        with pytest.raises(Refusal):
            target(url, allow_local=True)


@pytest.mark.parametrize(
    ("url", "helps"),
    [("http://127.0.0.1:8000/x", True), ("http://a.com", True), ("https://10.0.0.1/", False)],
)
def test_a_refusal_names_the_option_if_it_would_help(url: str, helps: bool) -> None:
    with pytest.raises(Refusal) as refused:
        target(url, allow_local=False)
    assert ("--allow-local-webhooks" in refused.value.message) is helps


def test_private_addresses_that_look_public_are_refused() -> None:
    assert is_public("93.184.215.14", allow_local=False)
    for address in ("127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0", "nonsense"):
        assert not is_public(address, allow_local=False)
