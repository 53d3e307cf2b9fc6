"""Specs and files that are checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.preparation.check import check_file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "is not UTF-8 text"),
        (b"x" * (1 << 20) + b"y", "is larger than 1 MiB, the limit of a spec"),
    ],
    ids=["no text", "too large"],
)
def test_a_file_that_cannot_be_read_is_a_diagnostic_at_its_first_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    file = check_file(path, shipped())
    workflow, [found] = file.checked, file.diagnostics
    assert workflow is None
    place = (found.file, found.line, found.column, found.code)
    assert place == (str(path), 1, 1, "unreadable")
    assert found.message == message
