"""Addresses of services and downloads: which are private or the same, and how messages show them."""

from __future__ import annotations

import pytest

from rivya_client.addresses import is_private, redact_url
from rivya_client.hosts import host_in, is_known, one_spelling


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("100.64.0.1", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:192.168.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("::127.0.0.1", True),
        ("fec0::1", True),
        ("64:ff9b::10.0.0.1", True),
        ("64:ff9b::8.8.8.8", False),  # every IPv4 host, where there is IPv6 alone
        ("2002:7f00:1::", True),
        ("2001:0:53aa:64c:0:0:3fff:fffe", True),  # a tunnel to 192.0.0.1
    ],
)
def test_every_address_that_is_not_public_is_private(address: str, private: bool) -> None:
    assert is_private(address) is private


def test_an_address_is_shown_without_its_secret_parts() -> None:
    assert redact_url("https://me:pw@cdn.example/a.png?sig=1#x") == "https://cdn.example/a.png"


def test_a_request_without_a_host_is_answered_and_an_invalid_url_has_none() -> None:
    assert is_known(None, ())
    assert host_in("https://[") is None


@pytest.mark.parametrize(
    ("url", "same"),
    [
        (" https://Rivya.ai:443/ ", "https://rivya.ai"),
        ("HTTP://localhost:80/api/v1", "http://localhost"),
        ("https://rivya.ai:8443/Team", "https://rivya.ai:8443/Team"),
        ("sandbox:Ab12", "sandbox:Ab12"),
        ("https://[", "https://["),
    ],
)
def test_a_service_is_one_however_its_address_is_spelled(url: str, same: str) -> None:
    assert one_spelling(url) == same
