from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from rivya_flows.environment import (
    machine_environment,
    program_environment,
    set_variables,
    variables,
)

ROOT = Path(__file__).parents[1]


def test_no_other_module_reads_or_changes_the_environment() -> None:
    sources = [path for top in ("src", "flows", "tasks") for path in (ROOT / top).rglob("*.py")]
    users = [
        path
        for path in sources
        if re.search(r"\bos\.(environ|getenv|putenv)|\benvironb\b", path.read_text("utf-8"))
    ]
    assert [path.relative_to(ROOT) for path in users] == [Path("src/rivya_flows/environment.py")]


def test_programs_inherit_no_key_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"PATH": "/bin", "HOME": "/me", "LC_TIME": "C", "BRAND_TOKEN": "k", "HTTPS_PROXY": "p"}
    assert machine_environment(given) == {"PATH": "/bin", "HOME": "/me", "LC_TIME": "C"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    inherited = program_environment()
    assert inherited["PATH"] == "/bin"
    assert not {"HOME", "BRAND_TOKEN", "HTTPS_PROXY"} & inherited.keys()


def test_replaced_variables_can_be_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "1")
    monkeypatch.delenv("TWO", raising=False)
    replaced = set_variables({"ONE": None, "TWO": "2"})
    assert ("ONE" in os.environ, variables()["TWO"]) == (False, "2")
    set_variables(replaced)
    assert (variables()["ONE"], "TWO" in os.environ) == ("1", False)
