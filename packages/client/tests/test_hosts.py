from __future__ import annotations

import pytest

from rivya_client.hosts import host_in, is_known, one_spelling


def test_a_request_without_a_host_is_answered() -> None:
    assert is_known(None, ())


def test_an_invalid_url_has_no_host() -> None:
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
