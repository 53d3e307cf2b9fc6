"""A run that a person watches on its board from first to last, in a real browser."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.browser import CHROMIUM, PATIENCE, Tab, browsing
from support.cli_calls import buy_from, started

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "product-launch.yaml"
SPENT = "Number(document.querySelector('#tiles .spent dd').textContent)"
STEPS = """[...document.querySelectorAll('.step > .head .price')]
  .reduce((sum, one) => sum + Number.parseInt(one.textContent), 0)"""
BAR = "document.querySelector('#replay .spent').textContent"
SLIDE = """(seq => {
  const slider = document.querySelector('#replay input');
  slider.value = seq || slider.max;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
})"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("sandbox")) as made:
        yield made


@contextmanager
def terminal(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """The command with a person at its terminal, who reads nothing."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "rivya_flows.cli.main", *map(str, arguments)]
    # A dumb terminal is not redrawn: what nobody reads would fill it.
    environment = os.environ | {"TERM": "dumb"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        try:
            yield process
        finally:
            process.kill()
            os.close(ours)


def until_written(path: Path) -> str:
    give_up = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < give_up, f"{path.name} was never written"
        time.sleep(0.05)
    return path.read_text().strip()


def assert_adds_up(tab: Tab, seq: int = 0) -> int:
    """The credits of a moment, which its steps, its total and the bar agree on; of now without a number."""
    tab.value(f"{SLIDE}({seq})")
    shown = "document.getElementById('replay').dataset.seq"
    tab.until(f"{shown} === document.querySelector('#replay input').value", f"entry {seq}")
    tab.until(f"{SPENT} === {STEPS} && {BAR} === `${{{SPENT}}} of 60 credits`", f"entry {seq}")
    return int(tab.value(SPENT))


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_launch_is_watched_from_first_to_last_through_a_pick_a_reload_and_a_kill(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, browser, data = tmp_path / "opened", tmp_path / "browser", tmp_path / "data"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part; mv {opened}.part {opened}\n')
    browser.chmod(0o700)
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(data))
    monkeypatch.setenv("RIVYA_FLOWS_SERVER_IDLE", "600")
    runs = tmp_path / "runs"
    try:
        with browsing(tmp_path / "profile") as tab:
            arguments = ("run", SPEC, "-i", "pick=human", "--open", "--out", runs)
            with terminal(*arguments) as process:
                tab.open(until_written(opened))
                tab.wait_for(".pick")
                page = str(tab.value("location.href"))
                assert page.partition("/board/")[2].rstrip("/") == next(runs.iterdir()).name
                tab.open(page)
                tab.wait_for("#step-voice audio")
                tab.value("window.voice = document.querySelector('#step-voice audio'); 0")
                assert_adds_up(tab)
                tab.click(".candidate:nth-child(2) .pick")
                tab.wait_for("#step-film .card")
                process.send_signal(signal.SIGKILL)
            tab.wait_for_text("Its process ended")
            again = started("resume", "last", "--json")
            said, _ = again.communicate(timeout=PATIENCE)
            assert again.returncode == 0, said
            receipt: dict[str, Any] = json.loads(said)
            tab.wait_for(".eyebrow .status.completed")
            assert tab.value("voice.isConnected"), "what stayed was not drawn again"
            assert "street" in tab.text()
            assert assert_adds_up(tab) == receipt["credits"]["spent"]
            last = int(tab.value("Number(document.querySelector('#replay input').max)"))
            spent = [assert_adds_up(tab, 1 + seq * (last - 1) // 7) for seq in range(8)]
            assert spent == sorted(spent)
            assert spent[0] == 0
            assert spent[-1] == receipt["credits"]["spent"]
    finally:
        started("down", "--force").communicate(timeout=PATIENCE)
