"""What a server needs before its first request: lock, port, key."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.options import Options
from rivya_sandbox.service.startup import LOCK, RECORD, SECRET_FILE, acquired


def test_the_port_is_taken_before_the_server_accepts(tmp_path: Path) -> None:
    with acquired(Options(data=tmp_path)) as site, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(site.listener.getsockname())


def test_a_folder_gets_its_last_port_again(tmp_path: Path) -> None:
    with acquired(Options(data=tmp_path)) as site:
        first = site.sandbox.base_url
    with acquired(Options(data=tmp_path)) as site:
        assert site.sandbox.base_url == first


def test_a_free_port_replaces_a_last_port_that_is_taken(tmp_path: Path) -> None:
    with acquired(Options(data=tmp_path)) as site:
        port = site.listener.getsockname()[1]
    with socket.create_server(("127.0.0.1", port)), acquired(Options(data=tmp_path)) as site:
        assert site.listener.getsockname()[1] != port


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"base_url": null}', '{"base_url": "x:y:z"}'])
def test_a_broken_record_of_the_last_port_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    with acquired(Options(data=tmp_path)) as site:
        assert json.loads((tmp_path / RECORD).read_text()) == {"base_url": site.sandbox.base_url}


def test_a_requested_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(SandboxError, match=f"cannot listen on 127.0.0.1 port {port}"),
            acquired(Options(data=tmp_path, port=port)),
        ):
            pass


def test_a_second_server_of_a_folder_is_refused_with_the_process_of_the_first(
    tmp_path: Path,
) -> None:
    with (
        acquired(Options(data=tmp_path)),
        pytest.raises(SandboxError, match=r"another sandbox serves this folder \(process \d+\)"),
        acquired(Options(data=tmp_path)),
    ):
        pass


def test_the_secret_is_kept_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    with acquired(Options(data=tmp_path)) as site:
        secret = site.secret
    with acquired(Options(data=tmp_path)) as site:
        assert site.secret == secret
        assert (tmp_path / LOCK).read_text().endswith(f" {site.sandbox.base_url}\n")
    assert (tmp_path / SECRET_FILE).stat().st_mode & 0o777 == 0o600
