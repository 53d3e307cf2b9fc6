"""Specs and files that are checked."""

from __future__ import annotations

from pathlib import Path

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.app.check import check_file
from rivya_flows.language.workflow import Workflow


def test_a_file_that_cannot_be_read_is_a_diagnostic_at_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xff")
    workflow, [found] = check_file(path, shipped())
    assert workflow is None
    assert (found.file, found.line, found.code) == (str(path), 1, "unreadable")
    assert found.message == "is not UTF-8 text"


def test_a_right_spec_gives_its_workflow() -> None:
    specs = Path(__file__).parents[2] / "specs"
    workflow, problems = check_file(specs / "first-picture.yaml", shipped())
    assert problems == ()
    assert isinstance(workflow, Workflow)
    assert workflow.name == "first-picture"
