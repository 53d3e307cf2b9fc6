from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rivya_flows.processes.guard import owns


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not tell")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connection_is_known_by_its_user(family: socket.AddressFamily) -> None:
    address = "127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as client:
        port = server.getsockname()[1]
        client.connect((address, port))
        ends = ("127.0.0.1", client.getsockname()[1]), ("127.0.0.1", port)
        assert owns(os.getuid(), *ends)
        assert not owns(os.getuid() + 1, *ends)


def test_the_same_port_on_another_address_belongs_to_another_user(tmp_path: Path) -> None:
    rest = "00000000:00000000 00:00000000 00000000"
    table = tmp_path / "tcp"
    table.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        f"   0: 0100007F:C738 0100007F:1068 01 {rest}  1000        0 1\n"
        f"   1: 0200007F:C738 0100007F:1068 01 {rest}  1001        0 2\n"
    )
    server = ("127.0.0.1", 4200)
    assert owns(1000, ("127.0.0.1", 51000), server, [table])
    assert not owns(1000, ("127.0.0.2", 51000), server, [table])
    assert not owns(1000, ("127.0.0.1", 51001), server, [table])  # not a connection of anybody
    assert owns(1000, ("127.0.0.2", 51000), server, [tmp_path / "none"])  # nothing is told
