"""Addresses of downloads: which are private, and how messages show them."""

from __future__ import annotations

import pickle

import pytest

from rivya_client.addresses import is_private, shown
from rivya_client.errors import RefusedAddressError


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
    assert shown("https://me:pw@cdn.example/a.png?sig=1#x") == "https://cdn.example/a.png"


def test_a_refused_address_survives_pickling() -> None:
    error = RefusedAddressError("https://a/b", "no")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.hint) == (str(error), error.hint)
