"""What a run's page shows, drawn without a server: no stranger's word breaks out of its place."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.assets import Asset
from rivya_flows.flows.run_page.artifact_keys import artifact_key
from rivya_flows.flows.run_page.ending import draw_ledger, draw_outputs
from rivya_flows.flows.run_page.markdown import gallery, link, picture, quotation, table, text
from rivya_flows.flows.run_page.media import draw_asset, draw_text
from rivya_flows.flows.run_page.plan import draw_plan
from rivya_flows.flows.run_page.progress import standing
from rivya_flows.planning.pricing.estimate import estimate, rehearse
from rivya_flows.planning.queue.queue import replay
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer, stills

KEY = re.compile(r"[a-z0-9-]+")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORDS = st.text(max_size=60) | st.sampled_from(
    ["9:16", "नीऑन", "a|b", "<script>", "[x](javascript:1)", "`", "\\", "\ud800", "# h", "---"]
)
STILL = Asset(kind="image", sha256="a" * 64, mime_type="image/png", width=9, height=16)
FILM = Asset(kind="video", sha256="b" * 64, mime_type="video/mp4", duration_seconds=4.0)


def at(asset: Asset) -> str | None:
    return f"https://media.example/{asset.sha256[:4]}"


def nowhere(asset: Asset) -> None:
    return None


@given(WORDS, WORDS, WORDS)
def test_a_key_is_one_that_prefect_takes_and_the_same_again(a: str, b: str, c: str) -> None:
    key = artifact_key("launch", a, b, c)
    assert KEY.fullmatch(key)
    assert key == artifact_key("launch", a, b, c)
    assert len(key) < 200


def test_names_that_look_alike_do_not_share_a_key() -> None:
    names = [
        "neon",
        "Neon",
        "ne on",
        "ne-on",
        "नीऑन",
        "नीऑन ",
        "9:16",
        "9-16",
        "916",
        "x" * 90,
        "x" * 91,
    ]
    assert len({artifact_key("launch", "stills", name) for name in names}) == len(names)
    assert artifact_key("product-launch", "my_step", "neon") == "product-launch-my-step-neon"
    assert artifact_key("product-launch", "film", "") == "product-launch-film"


UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[|`\[\]*_~$!]|<|@(?!\u2060)|://|(?i:www\.)|[\r\n]")


@given(WORDS)
def test_words_are_text_wherever_they_stand(words: str) -> None:
    shown = text(words)
    assert not UNESCAPED.search(shown)
    assert not re.match(r"(#|[-+=]|\d+[.)])(\s|$)|---|===", shown)
    assert len(re.findall(r"(?<!\\)\|", table(["a"], [[words]]))) == 6
    assert all(line.startswith(">") for line in quotation(words + "\nx").split("\n"))
    shown.encode()


@given(st.text(max_size=80))
def test_an_address_stays_one_address(address: str) -> None:
    safe = address.encode("utf-8", "ignore").decode()
    assert re.fullmatch(r"\[x\]\(<[^<>\s\\]*>\)", link("x", safe))
    assert re.fullmatch(r"!\[x\]\(<[^<>\s\\]*>\)", picture("x", safe))


def test_stills_stand_side_by_side_four_in_a_row() -> None:
    shown = gallery([(f"s[{n}]", f"https://x/{n}") for n in range(6)])
    lines = shown.split("\n")
    assert [line.count("![") for line in lines] == [4, 0, 2, 0, 0, 0]
    assert {line.count(" |") for line in lines[:3]} == {4}
    assert lines[-1] == r"s\[4\] · s\[5\]"
    assert gallery([("s", "https://x/1")]).startswith(
        "| [![s](<https://x/1>)](<https://x/1>) |\n| --- |"
    )


def test_a_picture_is_a_picture_and_a_film_a_still_that_leads_to_it() -> None:
    image = draw_asset("stills[a|b]", STILL, at, nowhere)
    assert image is not None
    assert (image.type, image.data) == ("image", "https://media.example/aaaa")
    assert image.description == r"stills\[a\|b\]: image, 9 × 16"
    film = draw_asset("film", FILM, at, lambda _: "https://media.example/poster.jpg")
    assert film is not None
    assert film.type == "markdown"
    assert (
        "[![film](<https://media.example/poster.jpg>)](<https://media.example/bbbb>)" in film.data
    )
    assert "[Play film](<https://media.example/bbbb>) (film, 4.0 s)" in film.data
    assert draw_asset("film", FILM, nowhere, nowhere) is None
    assert draw_text("script", "<b>\n# Hi").data == "> &lt;b&gt;  \n> \\# Hi  "


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


HOSTILE = """
version: 1
name: launch
budget: {credits: 9}
steps:
  stills:
    uses: generate
    matrix: {style: ["a|b", "<img src=x>", "`नीऑन`"]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
  none:
    uses: generate
    if: ${{ 1 == 2 }}
    with: {model: z-image, prompt: A lamp}
  later:
    uses: generate
    foreach: ${{ steps.stills.items }}
    with: {model: veo3-1-lite, prompt: "Slow, ${{ item.key }}"}
outputs:
  pictures: ${{ steps.stills.assets }}
  words: "${{ steps.stills.items[1].key }}"
  nothing: ${{ steps.none.asset }}
"""


async def test_the_plan_has_a_graph_and_a_price_for_each_item(studio: Studio) -> None:
    await studio.start(HOSTILE, "run-1")
    with studio.context(Bomb()) as home:
        state = replay(entry.event for entry in home.journal.entries("run-1"))
        priced = estimate(rehearse(state, NOON, home.look_up), 50)
    shown = draw_plan(state.plan, priced, "run-1").data
    assert shown.startswith("```mermaid\nflowchart TD\n")
    rows = shown.split("\n```\n")[1]
    assert r"| stills\[a\|b\] | z-image | 1 | fixed price of the default request |" in rows
    assert r"| stills\[&lt;img src=x&gt;\] | z-image | 1 |" in rows
    assert "| none |  |  | skipped: " in rows
    assert rows.count("veo3-1-lite | 10 |") == 3
    assert rows.endswith("**33 credits**, budget 9, balance 50")


def test_the_plan_says_what_an_earlier_run_saves(studio: Studio) -> None:
    studio.run(stills(2), "run-1", cache="spec")

    async def planned() -> str:
        await studio.start(stills(2), "run-2", cache="spec")
        with studio.context(Bomb()) as home:
            state = replay(entry.event for entry in home.journal.entries("run-2"))
            priced = estimate(rehearse(state, NOON, home.look_up), None)
            return str(draw_plan(state.plan, priced, "run-2").data)

    shown = asyncio.run(planned())
    assert shown.count("| 0 | bought before, saves 1 |") == 2
    assert shown.endswith("**0 credits**, 2 saved")


def test_the_end_shows_outputs_and_their_cost(studio: Studio, sandbox: Sandbox) -> None:
    film_fails = "faults: [{on: generation, model: veo3-1-lite, do: fail, times: 1}]"
    admin.set_faults(sandbox.data, film_fails)
    state = studio.run(HOSTILE, "run-1", budget=60)
    receipt = studio.receipt("run-1")
    shown = draw_outputs(receipt, "https://media.example/report.html", at, nowhere).data
    assert shown.startswith("**failed**: 3 of 3 stills, 2 of 3 later; 23 credits; later failed\n")
    assert "\na\\|b · &lt;img src=x&gt; · \\`नीऑन\\`\n" in shown
    assert "### words\n\n> &lt;img src=x&gt;" in shown
    assert "### nothing\n\nnothing" in shown
    assert "### What went wrong" in shown
    assert "](<https://media.example/report.html>)" in shown
    ledger = draw_ledger(receipt)
    assert ledger is not None
    assert ledger.description == "23 credits spent"
    assert ledger.type == "markdown"
    assert ledger.data.count(" | 10 | 10 | task") == 2
    assert r"| stills\[&lt;img src=x&gt;\] | z-image | succeeded | 1 | 1 | task" in ledger.data
    now = standing(state)
    assert now.words == "7 of 7 done, failed; 23 credits"


def test_words_of_others_in_the_ledger_are_no_markdown() -> None:
    row = {
        "step": "a",
        "key": "[click](https://evil.example) ![x](https://evil.example/x.png)\n| <b> |",
        "model": "**bold** <img src=x>",
        "status": "accepted",
        "reserved": None,
        "final": None,
        "task_id": "`x` www.evil.example",
    }
    ledger = draw_ledger({**studio_receipt(), "ledger": [row]})
    assert ledger is not None
    [_, _, cells] = ledger.data.split("\n")
    inside = re.sub(r"(?<!\\)\|", "", cells)
    assert not UNESCAPED.search(inside)


def test_a_receipt_of_nothing_bought_has_no_ledger() -> None:
    receipt = {**studio_receipt(), "ledger": []}
    assert draw_ledger(receipt) is None


def studio_receipt() -> dict[str, Any]:
    return {
        "run_id": "run-1",
        "name": "launch",
        "title": None,
        "status": "completed",
        "credits": {"spent": 1, "saved": 0, "budget": 5},
        "outputs": {"still": {**STILL.as_json(), "path": "/home/me/a.png"}, "words": "x" * 9_000},
        "steps": [
            {
                "id": "hero",
                "uses": "pick",
                "items": [{"key": "", "status": "completed", "reason": None, "assets": [STILL]}],
            }
        ],
        "ledger": [],
    }
