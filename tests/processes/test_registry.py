from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.local_runner import running_server
from rivya_flows.process_identity import known
from rivya_flows.processes.registry import LeftRunning, ManagedProcess, guarded, read, write
from rivya_flows.settings import Settings


def part(name: str, **other: object) -> ManagedProcess:
    process = known(os.getpid())
    assert process is not None
    fields = {"pid": process.pid, "birth": process.birth, "mark": "m", "url": "http://127.0.0.1:1"}
    return ManagedProcess.model_validate({"name": name, **fields, **other})


def test_a_record_survives_a_round_trip(tmp_path: Path) -> None:
    left = LeftRunning().with_part(part("server")).with_part(part("worker", url=""))
    write(tmp_path, left)
    assert read(tmp_path) == left
    assert [*tmp_path.iterdir()] == [tmp_path / "up.json"]


def test_a_folder_without_a_record_has_no_processes(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == LeftRunning()


def test_a_part_replaces_one_of_its_name() -> None:
    left = (
        LeftRunning().with_part(part("server")).with_part(part("server", settings={"--port": "1f"}))
    )
    assert [one.settings for one in left.parts] == [{"--port": "1f"}]


def test_the_port_of_a_removed_part_stays(tmp_path: Path) -> None:
    write(tmp_path, LeftRunning().with_part(part("server")).without("server"))
    assert read(tmp_path).ports == {"server": 1}


def test_a_dead_part_is_not_found(tmp_path: Path) -> None:
    left = LeftRunning().with_part(part("server", birth="another"))
    assert left.part("server") is None
    write(tmp_path, left)
    assert running_server(Settings(rivya_flows_data=tmp_path)) is None


_OLD = '{"version": 1, "ports": {}, "parts": [{"name": "worker", "pid": 1, "birth": "9", "mark": "m"}]}'


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 99}', _OLD, '{"version": 2, "ports": {}, "parts": [1]}']
)
def test_an_invalid_record_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "up.json").write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path)


def test_a_server_that_does_not_answer_is_not_used(tmp_path: Path) -> None:
    write(tmp_path, LeftRunning().with_part(part("server")))
    assert running_server(Settings(rivya_flows_data=tmp_path)) is None


def test_only_one_process_changes_a_folder_at_a_time(tmp_path: Path) -> None:
    refused: list[UsageError] = []

    def second() -> None:
        with (
            pytest.raises(UsageError, match="is running in") as caught,
            guarded(tmp_path, wait_seconds=0),
        ):
            pass
        refused.append(caught.value)

    with guarded(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert refused
    with guarded(tmp_path, wait_seconds=0):
        pass


def test_a_folder_that_cannot_be_created_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used"), guarded(tmp_path / "file"):
        pass
