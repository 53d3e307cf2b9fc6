"""The command `rivya-sandbox` by itself; tests/cli/test_sandbox.py has it under `rivya-flows`."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import click
import pytest

from rivya_sandbox.cli import program, run
from rivya_sandbox.service.serve import running


def test_a_server_that_cannot_start_says_why_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "faults.yaml").write_text("faults: [{on: webhooks, do: fail}]")
    new = ["--data", str(tmp_path / "new")]
    with running(tmp_path / "served"), socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        attempts = {
            "another sandbox serves": ["--data", str(tmp_path / "served")],
            f"port {port}": [*new, "--port", port],
            "cannot be used": ["--data", str(tmp_path / "file" / "below")],
            "(hint: give another --port, 0 for a free one": [*new, "--host", "256.0.0.1"],
            "missing.yaml": [*new, "--faults", str(tmp_path / "missing.yaml")],
            "faults.0.on": [*new, "--faults", str(tmp_path / "faults.yaml")],
        }
        for said, arguments in attempts.items():
            assert run(["serve", *arguments, "--json"]) == 2
            shown = capsys.readouterr()
            assert shown.out == ""
            assert said in shown.err
            assert shown.err.count("\n") == 1


def test_every_command_needs_a_data_folder(capsys: pytest.CaptureFixture[str]) -> None:
    def leaves(group: click.Group, path: list[str]) -> list[list[str]]:
        return [
            leaf
            for name, command in group.commands.items()
            for leaf in (
                leaves(command, [*path, name])
                if isinstance(command, click.Group)
                else [[*path, name]]
            )
        ]

    values = {"revoke": ["key_1"], "add": ["1"], "set": ["faults.yaml"]}
    for leaf in leaves(program, []):
        assert run([*leaf, *values.get(leaf[-1], [])]) == 2
        assert "missing option '--data'" in capsys.readouterr().err, leaf


def test_keys_and_credits_work_without_rivya_flows_in_front(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(tmp_path)]
    assert run(["credits", "add", "40", *data]) == 0
    assert capsys.readouterr().out == "added 40; default has 40 credits\n"
    assert run(["keys", "create", *data, "--json"]) == 0
    key = json.loads(capsys.readouterr().out)
    assert run(["keys", "list", *data]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "account", "key", "made", "until", "scopes"]
    assert row.split()[:3] == [key["id"], "default", f"{key['prefix']}…"]
    assert row.endswith("never expires  all")


def test_a_name_with_terminal_controls_is_shown_inert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["credits", "add", "1", "--account", "\x1b[31mred", "--data", str(tmp_path)]) == 0
    assert "\x1b" not in capsys.readouterr().out
