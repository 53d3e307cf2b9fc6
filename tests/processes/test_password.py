from __future__ import annotations

from pathlib import Path

from rivya_flows.processes.local_api import new_auth, proof_of, server_auth


def test_each_server_has_a_new_password_that_only_its_owner_can_read(tmp_path: Path) -> None:
    first = new_auth(tmp_path)
    assert server_auth(tmp_path) == first
    assert len(first) > 40
    assert new_auth(tmp_path) != first
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]


def test_a_proof_is_valid_for_one_port_only() -> None:
    """A program on another port may fetch one from the server."""
    assert proof_of("rivya:secret", 4200, "n") != proof_of("rivya:secret", 4201, "n")
