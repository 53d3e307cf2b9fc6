from __future__ import annotations

from pathlib import Path

from rivya_flows.processes.local_api import new_auth, server_auth


def test_each_server_has_a_new_password_that_only_its_owner_can_read(tmp_path: Path) -> None:
    first = new_auth(tmp_path)
    assert server_auth(tmp_path) == first
    assert len(first) > 40
    assert new_auth(tmp_path) != first
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]
