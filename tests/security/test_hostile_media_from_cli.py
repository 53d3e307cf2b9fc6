"""Specs and media of a stranger, run from the command line by a person with secrets."""

from __future__ import annotations

import base64
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from, started
from support.hostile_media import decoders, film_with_a_pause
from support.prefect_workers import eventually

pytestmark = pytest.mark.prefect

CANARY = "canary-of-this-environment"
STOLEN = """
version: 1
name: stolen
steps:
  told:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: hello, expect: {kind: string, path: string}}
outputs:
  environment: {kind: image, path: /proc/self/environ}
  film: [{kind: video, path: /proc/self/environ, mime_type: video/mp4}]
  chat: ${{ steps.told.json }}
"""
ENDLESS = """
version: 1
name: endless
steps:
  film: {uses: compose, with: {video: pause.mkv}}
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running(tmp_path / "sandbox", credits=100) as sandbox:
        buy_from(sandbox, monkeypatch)
        yield sandbox


def written(folder: Path, text: str) -> Path:
    (folder / "spec.yaml").write_text(text)
    return folder / "spec.yaml"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_file_that_an_output_names_stands_in_the_contact_sheet(
    service: Sandbox, tmp_path: Path
) -> None:
    spec = written(tmp_path, STOLEN)
    process = started("run", spec, "--out", tmp_path / "out", SECRET_OF_MINE=CANARY)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    [sheet] = (tmp_path / "out").rglob("contact-sheet.html")
    html = sheet.read_text()
    assert "/proc/self/environ" in html, "as text"
    for shift in range(3):  # base64 of a word depends on where it stands
        middle = base64.b64encode(b"." * shift + CANARY.encode())[4:-4].decode()
        assert middle not in html


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_a_composition_without_end(service: Sandbox, tmp_path: Path) -> None:
    film_with_a_pause(tmp_path / "pause.mkv", 3_000, (640, 360))
    mark = tmp_path / "mark"
    mark.mkdir()
    process = started("run", written(tmp_path, ENDLESS), PYTHONPATH=str(mark))

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
