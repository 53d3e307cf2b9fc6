"""The template that two people approve: each opens a link in a real browser, and their clicks alone move the run on."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.browser import CHROMIUM, PATIENCE, Tab, browsing
from support.cli_calls import buy_from, started

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "approved-spot.yaml"
PHONE, DESKTOP = 390, 1440


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("sandbox")) as made:
        yield made


def document(*arguments: object) -> Any:
    """What a command prints as JSON."""
    process = started(*arguments, "--json")
    said, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    return json.loads(said)


def until(holds: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, f"never came: {what}"
        time.sleep(0.2)


@contextmanager
def receiver(port: int) -> Iterator[None]:
    """A receiver, which is killed at the end."""
    process = started("webhooks", "listen", "--port", port)
    try:
        until(lambda: _answers(port), "the receiver")
        yield
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_cut_is_sent_back_with_a_note_at_a_second_and_the_next_one_approved_by_both(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("RIVYA_FLOWS_PUBLIC_URL", f"http://127.0.0.1:{port}")
    run = document("run", SPEC, "--out", tmp_path / "runs")
    links = {one["for"]: one["url"] for one in document("review", "last")["links"]}
    assert links.keys() == {"legal", "brand"}
    assert (run["status"], run["credits"]["spent"]) == ("suspended", 11)

    def spent() -> int:
        return int(document("receipt", "last")["credits"]["spent"])

    with (
        receiver(port),
        browsing(tmp_path / "legal", width=PHONE, height=844) as legal,
        browsing(tmp_path / "brand", width=DESKTOP, height=900) as brand,
    ):
        legal.open(links["legal"])
        assert "Changes cost up to 10 credits, 29 are left" in legal.text()
        legal.type("#note", "0:04 the logo is cut")
        legal.click("button", "Ask for changes")
        legal.wait_for_text("You asked for changes")
        brand.open(links["brand"])
        brand.wait_for_text("the logo is cut")
        brand.click("button", "Approve")
        brand.wait_for_text("You approved")
        until(lambda: spent() == 21, "the second cut")
        for tab, name in ((legal, "legal"), (brand, "brand")):
            until(partial(_asks, tab, links[name]), "the second round")
            assert tab.axe_violations() == []
            tab.click("button", "Approve")
            tab.wait_for_text("You approved")
        until(lambda: document("receipt", "last")["status"] == "completed", "the end")
    receipt = document("receipt", "last")
    assert receipt["credits"]["spent"] == 21
    assert sum(row["final"] for row in receipt["ledger"]) == 21
    assert 1000 - ledger(sandbox.data)["balance"] == 21
    [note] = receipt["outputs"]["notes"]
    assert (note["second"], note["text"], note["by"]) == (4.0, "the logo is cut", "legal")
    assert receipt["outputs"]["approved_by"] == "legal and brand"


def _asks(tab: Tab, url: str) -> bool:
    tab.open(url)
    return "Round 2" in tab.text() and bool(tab.value("!!document.querySelector('.bar .first')"))
