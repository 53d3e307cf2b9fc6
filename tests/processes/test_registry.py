from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.local_runner import running_server
from rivya_flows.process_identity import find_process
from rivya_flows.processes.registry import LeftRunning, ManagedProcess, lock_registry, read, write
from rivya_flows.settings import Settings


def part(name: str, **other: object) -> ManagedProcess:
    process = find_process(os.getpid())
    assert process is not None
    fields = {"pid": process.pid, "birth": process.birth, "mark": "m", "url": "http://127.0.0.1:1"}
    return ManagedProcess.model_validate({"name": name, **fields, **other})


def test_a_record_survives_a_round_trip(tmp_path: Path) -> None:
    left = LeftRunning().with_part(part("server")).with_part(part("worker", url=""))
    assert read(tmp_path / "nowhere") == LeftRunning()
    write(tmp_path, left)
    assert read(tmp_path) == left
    assert [*tmp_path.iterdir()] == [tmp_path / "up.json"]
    # A part replaces one of its name; the port of a removed one stays.
    left = left.with_part(part("server", settings={"--port": "1f"}))
    assert [one.settings for one in left.parts if one.name == "server"] == [{"--port": "1f"}]
    write(tmp_path, left.without("server"))
    assert read(tmp_path).ports == {"server": 1}


@pytest.mark.parametrize("birth", ["another", None], ids=["dead", "does not answer"])
def test_a_server_that_is_dead_or_does_not_answer_is_not_used(
    tmp_path: Path, birth: str | None
) -> None:
    left = LeftRunning().with_part(part("server", birth=birth) if birth else part("server"))
    assert (left.part("server") is None) == bool(birth)
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


def test_only_one_process_changes_a_folder_at_a_time(tmp_path: Path) -> None:
    refused: list[UsageError] = []

    def second() -> None:
        with (
            pytest.raises(UsageError, match="is running in") as caught,
            lock_registry(tmp_path, wait_seconds=0),
        ):
            pass
        refused.append(caught.value)

    with lock_registry(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert refused
    with lock_registry(tmp_path, wait_seconds=0):
        pass


def test_a_folder_that_cannot_be_created_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used"), lock_registry(tmp_path / "file"):
        pass
