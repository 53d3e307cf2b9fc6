from __future__ import annotations

import socket
from contextlib import closing

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.receiver import server


def test_the_port_is_taken_before_the_receiver_starts() -> None:
    with closing(server.listen("127.0.0.1", 0)) as bound, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(bound.getsockname())


def test_a_taken_port_and_a_foreign_host_are_usage_errors() -> None:
    with closing(server.listen("127.0.0.1", 0)) as bound:
        with pytest.raises(UsageError, match="is taken"):
            server.listen("127.0.0.1", bound.getsockname()[1])
        with pytest.raises(UsageError, match="is not an address of this machine"):
            server.listen("300.0.0.1", 0)


def test_a_receiver_on_all_addresses_is_reached_on_loopback() -> None:
    with closing(server.listen("0.0.0.0", 0)) as bound:
        assert server.url_of(bound, "0.0.0.0").startswith("http://127.0.0.1:")
        assert server.url_of(bound, "fe80::1").startswith("http://[fe80::1]:")
