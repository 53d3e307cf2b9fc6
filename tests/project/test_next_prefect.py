"""`scripts/next-prefect`: which release it tries, and what it says without one."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "next_prefect.py"


@pytest.fixture(scope="module")
def script() -> Any:
    """The script, which is not in a package."""
    spec = importlib.util.spec_from_file_location("next_prefect", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(monkeypatch: pytest.MonkeyPatch, code: int, out: str = "", err: str = "") -> None:
    done = subprocess.CompletedProcess[str]([], code, out, err)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)


def test_the_next_minor_is_the_upper_bound_of_the_requirement(script: Any) -> None:
    assert script.next_minor(["prefect>=3.9,<3.10", "prefect-redis>=0.2"]) == "3.10"


def test_the_newest_release_is_tried(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, 0, "prefect==3.10.0rc1\n")
    assert script.newest("3.10") == "3.10.0rc1"


def test_without_a_newer_release_nothing_is_tested(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, 1, err="Because only prefect<=3.9.1 is available, we can conclude that")
    assert script.main([]) == 0
    assert "there is no Prefect release from" in capsys.readouterr().out


def test_a_registry_that_does_not_answer_is_an_error(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, 2, err="error: failed to fetch")
    assert script.main([]) == 1
    assert "failed to fetch" in capsys.readouterr().err
