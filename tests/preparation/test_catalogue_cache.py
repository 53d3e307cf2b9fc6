"""What the service told of its models is remembered for checks without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.wrong_specs import HEAD, STILL


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(f"{HEAD}steps:\n{STILL}")
    return path


def test_check_uses_what_the_service_told_last(
    spec: Path, call: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "catalogue of 2026-05-12, shipped" in call("check", spec).out
    buy_from(sandbox, monkeypatch)
    assert ", live)" in call("check", "--live", spec).out
    assert ", cached)" in call("check", spec).out
    kept = spec.parent / "data" / "catalogue.json"
    known = json.loads(kept.read_text())
    [still] = [model for model in known["payload"]["data"] if model["id"] == "z-image"]
    still["api_status"] = "unavailable"
    kept.write_text(json.dumps(known))
    assert "[model-unavailable]" in call("check", spec).err
    assert "z-image" not in call("schema").document["$defs"]
    monkeypatch.setenv("RIVYA_BASE_URL", "https://other.example")
    assert ", shipped)" in call("check", spec).out


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"service": "https://rivya.ai", "date": "2099-01-01", "payload": []}',
     '{"service": "https://rivya.ai", "date": 5, "payload": {}}',
     '{"service": "https://rivya.ai", "date": "2000-01-01", "payload": {"data": [{"id": "x"}]}}'],
)  # fmt: skip
def test_what_cannot_be_read_or_is_old_counts_for_nothing(
    text: str, spec: Path, call: Terminal
) -> None:
    (spec.parent / "data").mkdir()
    (spec.parent / "data" / "catalogue.json").write_text(text)
    said = call("check", spec)
    assert (said.code, ", shipped)" in said.out) == (0, True)
