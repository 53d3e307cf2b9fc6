"""The commands that are printed run in the shell that they are printed in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rivya_flows.program import callable_here, program


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The program of an environment with a blank in its path, started by that path."""
    file = tmp_path / "my env" / "bin" / "rivya-flows"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o700)
    monkeypatch.setattr(sys, "argv", [str(file)])
    monkeypatch.setenv("PATH", "/nowhere")
    program.cache_clear()
    yield file
    program.cache_clear()


def test_commands_to_copy_begin_with_the_path_that_was_typed(started: Path) -> None:
    assert (
        callable_here("hint: `rivya-flows plan` shows it") == f"hint: `'{started}' plan` shows it"
    )
    assert callable_here("next: rivya-flows down") == f"next: '{started}' down"
    for prose in ("install rivya-flows again", "sandbox of rivya-flows and Prefect"):
        assert callable_here(prose) == prose


def test_what_path_finds_is_called_by_its_name(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(started.parent))
    assert program() == "rivya-flows"


def test_another_program_of_the_name_is_not_meant(
    started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "rivya-flows"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == f"'{started}'"
