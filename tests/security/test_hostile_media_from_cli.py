"""Media of a stranger in a run from the command line."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from, started
from support.hostile_media import decoders, film_with_a_pause
from support.prefect_workers import eventually

pytestmark = pytest.mark.prefect

ENDLESS = """
version: 1
name: endless
steps:
  film: {uses: compose, with: {clips: pause.mkv}}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_a_composition_without_end(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    film_with_a_pause(tmp_path / "pause.mkv", 3_000, (640, 360))
    mark = tmp_path / "mark"
    mark.mkdir()
    (tmp_path / "spec.yaml").write_text(ENDLESS)
    process = started("run", tmp_path / "spec.yaml", PYTHONPATH=str(mark))

    def composes() -> bool:
        before = decoders(mark)
        time.sleep(1)  # a probe is over by then
        return len({*before} & {*decoders(mark)}) == 2  # the decoder, and its fork

    eventually(composes, "the composition")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 130, told
    assert "resume with: rivya-flows resume" in told
    eventually(lambda: not decoders(mark), "the end of all decoders")
