from __future__ import annotations

from rivya_flows.hosts import host_in, is_known


def test_a_request_without_a_host_is_answered() -> None:
    assert is_known(None, ())


def test_an_invalid_url_has_no_host() -> None:
    assert host_in("https://[") is None
