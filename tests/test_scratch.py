"""Scratch folders go with their process, and those of killed processes with the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rivya_flows.scratch import scratch

HOLD = """
from rivya_flows.scratch import scratch
with scratch() as folder:
    (folder / "film").write_text("half a film")
    print(folder, flush=True)
    input()
"""


def test_what_a_killed_process_left_is_deleted_and_what_is_in_use_or_new_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    new = tmp_path / "rivya-flows-scratch-new"
    other = tmp_path / "rivya-flows-other"
    link = tmp_path / "rivya-flows-scratch-link"
    for folder in (new, other):
        folder.mkdir()
    link.symlink_to(other)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    with holder:
        assert holder.stdout is not None
        left = Path(holder.stdout.readline().strip())
        for folder in (left, other):
            os.utime(folder, (0, 0))
        with scratch() as own:
            assert {left, own, new, other, link} == {*tmp_path.iterdir()}
        holder.kill()
    with scratch():
        pass
    assert {new, other, link} == {*tmp_path.iterdir()}
