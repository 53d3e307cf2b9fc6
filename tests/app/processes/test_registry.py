from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rivya_flows.app.processes.process_tree import known
from rivya_flows.app.processes.registry import LeftRunning, ManagedProcess, guarded, read, write
from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.local_runner import standing_server
from rivya_flows.settings import Settings


def part(name: str, **other: object) -> ManagedProcess:
    process = known(os.getpid())
    assert process is not None
    made = ManagedProcess(name, process, "a mark", "http://127.0.0.1:1", "/a/log", "a wish")
    return replace(made, **other)  # type: ignore[arg-type]  # a test's own words


def test_what_was_written_is_read(tmp_path: Path) -> None:
    left = LeftRunning().with_part(part("server")).with_part(part("worker", url=""))
    write(tmp_path, left)
    assert read(tmp_path) == left
    assert [*tmp_path.iterdir()] == [tmp_path / "up.json"]


def test_a_folder_without_a_record_left_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == LeftRunning()


def test_a_part_takes_the_place_of_one_of_its_name() -> None:
    left = LeftRunning().with_part(part("server")).with_part(part("server", wish="another"))
    assert [one.wish for one in left.parts] == ["another"]


def test_a_port_is_remembered_when_the_part_is_gone(tmp_path: Path) -> None:
    write(tmp_path, LeftRunning().with_part(part("server")).without("server"))
    assert read(tmp_path).ports == {"server": 1}


def test_a_dead_part_is_none(tmp_path: Path) -> None:
    dead = replace(part("server").process, birth="another")
    left = LeftRunning().with_part(part("server", process=dead))
    assert left.part("server") is None
    write(tmp_path, left)
    assert standing_server(Settings(rivya_flows_data=tmp_path)) is None


@pytest.mark.parametrize("text", ["", "{}", '{"version": 99}', '{"version": 1, "parts": [1]}'])
def test_a_record_that_is_not_understood_is_not_forgotten(tmp_path: Path, text: str) -> None:
    (tmp_path / "up.json").write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path)


def test_a_server_that_lives_and_does_not_answer_is_none_to_deploy_to(tmp_path: Path) -> None:
    write(tmp_path, LeftRunning().with_part(part("server")))
    assert standing_server(Settings(rivya_flows_data=tmp_path)) is None


def test_two_changes_do_not_meet(tmp_path: Path) -> None:
    refused: list[UsageError] = []

    def second() -> None:
        with (
            pytest.raises(UsageError, match="at work") as caught,
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


def test_a_folder_that_cannot_be_made_is_an_error_of_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used"), guarded(tmp_path / "file"):
        pass
