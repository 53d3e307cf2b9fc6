"""What the page of a run says: keys, plan, media, purchases, outputs."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.assets import Asset
from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.preparation.prepare import verdict
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.questions import MediaLinks
from rivya_flows.receipt.run_page import (
    GroupRow,
    artifact_key,
    draw_group,
    draw_ledger,
    draw_medium,
    draw_outputs,
    draw_plan,
    draw_progress,
    draw_text,
)
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.campaigns import HOSTILE
from support.engine_runs import Bomb, Studio, customer, stills
from support.receipts import parsed

UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[|`\[\]*_~$!]|<|@(?!\u2060)|://|(?i:www\.)|[\r\n]")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(asset: Asset) -> str | None:
    return f"https://media.example/{asset.sha256[:4]}"


def nowhere(_: Asset) -> None:
    return None


LINKS = MediaLinks(at, nowhere)


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def test_the_end_shows_outputs_and_their_cost(studio: Studio, sandbox: Sandbox) -> None:
    film_fails = "faults: [{on: generation, model: veo3-1-lite, do: fail, times: 1}]"
    admin.set_faults(sandbox.data, film_fails)
    state = studio.run(HOSTILE, "run-1", budget=60)
    ended = studio.receipt("run-1")
    shown = draw_outputs(
        parsed(ended), "https://media.example/report.html", LINKS, deployed=True
    ).data
    assert shown.startswith(
        "**failed**: later; done: 3 of 3 stills, 2 of 3 later; 23 credits (sandbox)\n"
    )
    named = re.sub(r" \(\[open\]\(<https://[^>]*>\)\)", "", shown)
    assert "\na\\|b · &lt;img src=x&gt; · \\`नीऑन\\`\n" in named
    assert "### words\n\n> &lt;img src=x&gt;" in shown
    assert "### nothing\n\nnothing" in shown
    assert "### What failed or was skipped" in shown
    command = "rivya-flows resume run-1 --regenerate"  # in backticks, unless the key has one
    assert re.search(f"### What next\n\nresume, which buys .* with: `?{command}", shown)
    assert "; Retry, in the menu of the run, buys no failed job again\n" in shown
    assert "](<https://media.example/report.html>)" in shown
    ledger = draw_ledger(parsed(ended))
    assert ledger is not None
    assert ledger.description == "23 credits spent"
    assert ledger.type == "markdown"
    assert ledger.data.count(" | 10 | 10 | task") == 2
    assert r"| stills\[&lt;img src=x&gt;\] | z-image | succeeded | 1 | 1 | task" in ledger.data
    now = draw_progress(state)
    assert now.description == "7 of 7 done, failed; 23 credits"


def test_foreign_text_in_the_ledger_is_no_markdown() -> None:
    row = {
        "step": "a", "status": "accepted",
        "key": "[click](https://evil.example) ![x](https://evil.example/x.png)\n| <b> |",
        "model": "**bold** <img src=x>", "task_id": "`x` www.evil.example",
    }  # fmt: skip
    ledger = draw_ledger(parsed({"ledger": [row]}))
    assert ledger is not None
    [_, _, cells] = ledger.data.split("\n")
    inside = re.sub(r"(?<!\\)\|", "", cells)
    assert not UNESCAPED.search(inside)
    assert draw_ledger(parsed({"ledger": []})) is None


def test_a_composition_shows_each_format_under_its_name() -> None:
    of = {
        "kind": "video",
        "mime_type": "video/mp4",
        "duration_seconds": 9.5,
        "size_bytes": 2_500_000,
    }
    tall = of | {"sha256": "a" * 64, "width": 1080, "height": 1920}
    square = of | {"sha256": "b" * 64, "width": 1080, "height": 1080}
    cues = [{"start": 0, "end": 1, "text": "<b>"}]
    item = {
        "key": "hi",
        "assets": [tall, square],
        "by": {"9:16": {"asset": tall, "clean": None}, "1:1": {"asset": square, "clean": None}},
        "captions": {"cues": cues, "estimated": True, "language": None},
        "loudness": {"lufs": -16.1, "true_peak": -1.2},
        "lost": ["a.png: *XMP*"],
    }
    outputs = {"all": [tall, square], "by": item["by"], "words": {"a": {"b": 1}}}
    steps = [{"id": "spot", "items": [item]}]
    shown = page_of({"steps": steps, "assets": [tall, square], "outputs": outputs})
    play = r"spot\[hi 9:16\]: film, 1080 × 1920, 9.5 s ([play](<https://media.example/aaaa>))"
    assert shown.count(play) == 2
    assert r"* spot\[hi\] 9:16: 1080 × 1920, 9.5 s, 2.5 MB" in shown
    assert r"* spot\[hi\]: -16.1 LUFS, true peak -1.2 dBTP; captions: 1, estimated timing" in shown
    assert r"lost: a.png: \*XMP\*" in shown


def test_a_pick_shows_what_was_picked_by_whom_and_the_scores() -> None:
    by = {"name": "A|na", "channel": "form", "at": None}
    candidates = [
        {"n": n, "key": key, "score": score, "reason": "<b>lit</b>", "picked": n == 2, "proposed": n == 1}
        for n, key, score in ((1, "studio", 8.5), (2, "neon", 7))
    ]  # fmt: skip
    choice = {
        "mode": "human", "question": "Which *one*?", "waiting": False, "picked": ["neon"], "by": by,
        "round": 1, "notes": ["warmer"], "candidates": candidates,
        "judge": {"model": "m", "least": 5, "criteria": []},
    }  # fmt: skip
    steps = [{"id": "hero", "items": [{"key": "", "choice": choice}]}]
    document = {"run_id": "run-1", "status": "suspended", "steps": steps}
    shown = page_of(document)
    assert r"* hero: neon, picked by A\|na in Prefect's form (Which \*one\*?)" in shown
    assert "  * round 2, with the note: warmer" in shown
    assert "  * neon 7 of 10, picked: &lt;b&gt;lit&lt;/b&gt;" in shown
    assert "  * studio 8.5 of 10, proposed: " in shown
    choice |= {"waiting": True, "picked": [], "count": 1}
    shown = page_of(document)
    assert r"* hero waits for an answer: Which \*one\*?" in shown
    assert "  * answer with Resume, in the menu of this run" in shown
    # Neither a run of a command nor one that failed has *Resume*.
    command = "  * `rivya-flows resume run-1 --answer hero=NUMBER`"
    assert command in page_of(document, deployed=False)
    assert command in page_of({**document, "status": "failed"})
    assert "Picks" not in page_of({"steps": []})


def page_of(document: dict[str, Any], *, deployed: bool = True) -> str:
    return str(draw_outputs(parsed(document), None, LINKS, deployed=deployed).data)


async def planned(studio: Studio, spec: str, run_id: str, balance: int | None, **wish: Any) -> str:
    """The page of the plan of a new run."""
    await studio.start(spec, run_id, **wish)
    with studio.context(Bomb()) as home:
        state = replay(entry.event for entry in home.journal.entries(run_id))
        priced = estimate(rehearse(state, NOON, home.look_up), balance)
    return str(draw_plan(state.plan, priced, verdict(priced)).data)


async def test_the_plan_has_a_graph_and_a_price_for_each_item(studio: Studio) -> None:
    shown = await planned(studio, HOSTILE, "run-1", 50)
    assert shown.startswith("```mermaid\nflowchart TD\n")
    rows = shown.split("\n```\n")[1]
    assert r"| stills | a\|b | z-image | 1 |" in rows
    assert r"|  | &lt;img src=x&gt; | z-image | 1 |" in rows
    assert "| none |  |  | – | skipped: " in rows
    assert rows.count("veo3-1-lite | 10 |") == 3
    money, fit = rows.split("\n\n")[-2:]
    assert money == "**33 credits**, budget 9, balance 50"
    assert fit == "over the budget: at least 33 credits, and the budget is 9"


def test_the_plan_says_what_an_earlier_run_saves(studio: Studio) -> None:
    studio.run(stills(2), "run-1", cache="spec")
    shown = asyncio.run(planned(studio, stills(2), "run-2", None, cache="spec"))
    assert shown.count("| 0 | cached, saves 1 |") == 2
    assert shown.endswith("**0 credits**, 2 saved")


KEY = re.compile(r"[a-z0-9-]+")
WORDS = st.text(max_size=60) | st.sampled_from(
    ["9:16", "नीऑन", "a|b", "<script>", "[x](javascript:1)", "`", "\\", "\ud800", "# h", "---"]
)


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


STILL = Asset(kind="image", sha256="a" * 64, mime_type="image/png", width=9, height=16)
FILM = Asset(kind="video", sha256="b" * 64, mime_type="video/mp4", duration_seconds=4.0)


def test_a_picture_is_a_picture_and_a_film_a_still_and_a_link() -> None:
    image = draw_medium("stills[a|b]", STILL, LINKS)
    assert image is not None
    assert (image.type, image.data) == ("image", "https://media.example/aaaa")
    assert image.description == r"stills\[a\|b\]: image, 9 × 16"
    film = draw_medium("film", FILM, MediaLinks(at, lambda _: "https://media.example/poster.jpg"))
    assert film is not None
    assert film.type == "markdown"
    assert film.data == (
        "![film](<https://media.example/poster.jpg>)\n\n"
        "film: film, 4.0 s ([play](<https://media.example/bbbb>))"
    )
    assert draw_medium("film", FILM, MediaLinks(nowhere, nowhere)) is None
    assert draw_text("script", "<b>\n# Hi").data == "> &lt;b&gt;  \n> \\# Hi  "


def test_a_group_shows_its_pictures_and_a_row_for_each_item() -> None:
    rows = [
        GroupRow("s[a]", "failed", (), "no | such model"),
        GroupRow("s[b]", "done", [STILL, FILM]),
        GroupRow("s[c]", "done", (), "task_1"),
    ]
    drawn = draw_group("s[1-3 of 3] collect", rows, LINKS)
    assert drawn.description == r"s\[1-3 of 3\] collect: 2 done, 1 failed"
    pictures, _, table = drawn.data.partition("| item |")
    assert pictures.count("](<https://media.example/aaaa>)") == 2
    assert r"| s\[a\] | failed | no \| such model |" in table
    assert r"[image, 9 × 16](<https://media.example/aaaa>), [film, 4.0 s](<https://" in table
    assert table.endswith(r"| s\[c\] | done | task_1 |")
