"""`rivya-flows sandbox`: the commands of rivya-sandbox, on the data folder of runs."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from rivya_sandbox.service.serve import running
from support.cli_calls import Terminal, started

pytestmark = pytest.mark.slow


def test_serve_says_when_it_is_ready_and_ends_at_once(tmp_path: Path) -> None:
    data = tmp_path / "sandbox"
    process = started("sandbox", "serve", "--json", "--data", data, "--credits", 7)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=240)
    assert set(ready) == {"base_url", "api_key", "data"}
    assert ready["data"] == str(data)
    assert (process.returncode, out, err) == (0, "", "")


def test_keys_are_made_listed_and_revoked(call: Terminal, tmp_path: Path) -> None:
    keys = ("sandbox", "keys")
    made = call(
        *keys, "create", "--data", tmp_path, "--scopes", "models:read, credits:read", "--json"
    )
    assert made.code == 0
    assert set(made.document) == {"id", "api_key", "prefix", "scopes", "expires_at"}
    assert made.document["scopes"] == ["models:read", "credits:read"]
    listed = call(*keys, "list", "--data", tmp_path)
    assert made.document["id"] in listed.out
    assert made.document["api_key"] not in listed.out
    assert call(*keys, "revoke", made.document["id"], "--data", tmp_path).code == 0
    assert "revoked" in call(*keys, "list", "--data", tmp_path).out


def test_credits_are_added_and_stand_in_the_ledger(call: Terminal, tmp_path: Path) -> None:
    added = call("sandbox", "credits", "add", 40, "--data", tmp_path, "--json")
    assert added.document == {"account": "default", "added": 40, "balance": 40}
    found = call("sandbox", "ledger", "--data", tmp_path, "--json").document
    assert found["balance"] == 40
    assert [move["amount"] for move in found["movements"]] == [40]
    assert found["generations"] == []
    assert "balance 40; 0 generations" in call("sandbox", "ledger", "--data", tmp_path).out


@pytest.mark.parametrize("named", [False, True])
def test_commands_without_a_key_join_the_sandbox_that_is_served(
    call: Terminal, tmp_path: Path, named: bool
) -> None:
    where = ["--data", tmp_path / "data" / "sandbox"] if named else []
    process = started("sandbox", "serve", "--json", "--credits", 7, *where)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        said = call("credits")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=240)
    assert said.out == f"7 credits at {ready['base_url']}\n"


def test_faults_are_set_listed_and_ended(call: Terminal, tmp_path: Path) -> None:
    faults, file = ("sandbox", "faults"), tmp_path / "faults.yaml"
    file.write_text("faults: [{on: generation, do: fail, times: 2}]")
    with running(tmp_path / "sandbox") as sandbox:
        ordered = call(*faults, "set", file, "--data", sandbox.data, "--json").document
        assert [(one["do"], one["times"], one["used"]) for one in ordered] == [("fail", 2, 0)]
        assert "generation  fail  any" in call(*faults, "list", "--data", sandbox.data).out
        assert call(*faults, "clear", "--data", sandbox.data).out == "1 fault ended\n"
        assert call(*faults, "list", "--data", sandbox.data).out == "no faults\n"


def test_wrong_faults_leave_the_earlier_ones(call: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("faults: [{on: chat, do: fail}]")
    assert call("sandbox", "faults", "set", file, "--data", tmp_path).code == 0
    file.write_text("faults: [{on: chat, do: fly}]")
    said = call("sandbox", "faults", "set", file, "--data", tmp_path)
    assert said.code == 2
    assert f"{file.name}: faults.0.do" in said.err
    left = call("sandbox", "faults", "list", "--data", tmp_path, "--json").document
    assert [fault["do"] for fault in left] == ["fail"]


def test_data_is_by_default_that_of_the_sandbox_of_runs(call: Terminal, tmp_path: Path) -> None:
    assert call("sandbox", "credits", "add", 3).code == 0
    assert (tmp_path / "data" / "sandbox").is_dir()
