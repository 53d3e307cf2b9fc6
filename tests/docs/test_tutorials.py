"""The tutorials do what they say, from the first block to the last."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support import pages
from support.browser import CHROMIUM, Tab, browsing
from support.prefect_workers import Server, eventually
from support.seeded_data import seeded

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.prefect


def test_the_first_clip(tmp_path: Path) -> None:
    # scripts/package makes this clip of real media; a run that starts its own server is in test_local_runner.
    with pages.sandbox_at_home(tmp_path):
        pages.run_page(DOCS / "tutorial" / "first-clip.md", tmp_path, **pages.server_of_the_tests())


def test_the_first_credit_and_a_key_that_is_taken_back(tmp_path: Path, sandbox: Sandbox) -> None:
    # A sandbox that is treated as the real service.
    live = {"RIVYA_BASE_URL": sandbox.base_url, "RIVYA_FLOWS_LIVE": "true"}
    *blocks, doctor, problem = pages.blocks_of(DOCS / "tutorial" / "first-credit.md")
    with pages.reading(tmp_path / "reader", **live) as reader:
        for block in blocks:
            own = block.text.replace("RIVYA_API_KEY=rvya_sk_…", f"RIVYA_API_KEY={sandbox.api_key}")
            reader.do(replace(block, text=own))
        [bought] = admin.ledger(sandbox.data)["generations"]
        assert bought["model"] == "z-image"
        [key] = admin.list_keys(sandbox.data)
        admin.revoke_key(sandbox.data, key["id"])
        reader.do(doctor)
        reader.do(problem)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_scheduled_run_whose_poster_is_picked_in_the_browser(
    tmp_path: Path, prefect_data: Path
) -> None:
    link = ""
    seeded(pages.data_at_home(tmp_path / "reader"), prefect_data, empty=True)
    with pages.reading(tmp_path / "reader") as reader:
        for block in pages.blocks_of(DOCS / "tutorial" / "scheduled-run.md"):
            if block.text == "rivya-flows runs\n":
                eventually(lambda: "suspended" in _statuses(reader), "a run of the schedule")
            elif block.text.startswith("rivya-flows runs --status"):
                _pick(reader, link, tmp_path / "profile")
            # Nobody waits for an even minute here.
            text = block.text.replace('"*/2 *', '"* *')
            if " RUN " in text:
                [run, *_] = re.findall(r"run-\S+", reader.shown)
                text = text.replace("RUN", run)
            reader.do(replace(block, text=text))
            link = link or "".join(re.findall(r"http\S+/open#\S+", reader.shown))


def _pick(reader: pages.Reader, link: str, profile: Path) -> None:
    """Step 5 of the page, for each run that the schedule began before it was changed."""
    ui = link.partition("/open")[0]
    auth = Path(reader.environment["HOME"], ".local/share/rivya-flows/prefect/auth").read_text()
    with httpx.Client(verify=False, timeout=120) as client, browsing(profile) as tab:
        server = Server(f"{ui}/api", client, auth)
        tab.open(link)
        tab.until("location.pathname.startsWith('/v2')", "the first page")

        def done() -> bool:
            states = {"state": {"type": {"any_": ["PENDING", "RUNNING", "PAUSED"]}}}
            body = {"flows": {"name": {"any_": ["poster"]}}, "flow_runs": states}
            begun = server.ask("POST", "/flow_runs/filter", body)
            for run in begun:
                if run["state"]["type"] == "PAUSED":
                    _pick_neon(tab, f"{ui}/v2/runs/flow-run/{run['id']}")
            return not begun and _statuses(reader) == {"completed"}

        eventually(done, "the film")


def _pick_neon(tab: Tab, page: str) -> None:
    tab.open(page)
    tab.click("button", "Open menu")
    tab.click("[role=menuitem]", "Resume")
    tab.wait_for("[role=dialog] img")
    tab.click("[role=dialog] button", "Select")
    tab.click("[role=option]", "neon")
    tab.click_until_gone("[role=dialog] button", "Resume", "[role=dialog]")


def _statuses(reader: pages.Reader) -> set[str]:
    """The statuses of all runs."""
    done = subprocess.run(
        ["rivya-flows", "runs", "--json"],
        cwd=reader.folder,
        env=reader.environment,
        check=True,
        capture_output=True,
    )
    return {str(one["status"]) for one in json.loads(done.stdout)}
