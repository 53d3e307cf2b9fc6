"""The end of a run on its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.assets import Asset
from rivya_flows.flows.run_page.drawing import (
    draw_choices,
    draw_ledger,
    draw_outputs,
    draw_progress,
)
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.campaigns import HOSTILE
from support.engine_runs import Studio, customer
from support.receipts import parsed

UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[|`\[\]*_~$!]|<|@(?!\u2060)|://|(?i:www\.)|[\r\n]")


def at(asset: Asset) -> str | None:
    return f"https://media.example/{asset.sha256[:4]}"


def nowhere(asset: Any) -> None:
    return None


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def test_the_end_shows_outputs_and_their_cost(studio: Studio, sandbox: Sandbox) -> None:
    film_fails = "faults: [{on: generation, model: veo3-1-lite, do: fail, times: 1}]"
    admin.set_faults(sandbox.data, film_fails)
    state = studio.run(HOSTILE, "run-1", budget=60)
    ended = studio.receipt("run-1")
    shown = draw_outputs(
        parsed(ended), "https://media.example/report.html", at, nowhere, deployed=True
    ).data
    assert shown.startswith(
        "**failed**: later; done: 3 of 3 stills, 2 of 3 later; 23 credits (sandbox)\n"
    )
    named = re.sub(r" \(\[open\]\(<https://[^>]*>\)\)", "", shown)
    assert "\na\\|b · &lt;img src=x&gt; · \\`नीऑन\\`\n" in named
    assert "### words\n\n> &lt;img src=x&gt;" in shown
    assert "### nothing\n\nnothing" in shown
    assert "### What went wrong" in shown
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
        "step": "a",
        "key": "[click](https://evil.example) ![x](https://evil.example/x.png)\n| <b> |",
        "model": "**bold** <img src=x>",
        "status": "accepted",
        "reserved": 0,
        "final": None,
        "task_id": "`x` www.evil.example",
    }
    ledger = draw_ledger(parsed({**receipt(), "ledger": [row]}))
    assert ledger is not None
    [_, _, cells] = ledger.data.split("\n")
    inside = re.sub(r"(?<!\\)\|", "", cells)
    assert not UNESCAPED.search(inside)


def test_a_run_that_bought_nothing_has_no_ledger() -> None:
    assert draw_ledger(parsed({**receipt(), "ledger": []})) is None


def receipt() -> dict[str, Any]:
    return {"credits": {"spent": 1, "saved": 0, "budget": 5}, "ledger": []}


def test_a_composition_shows_each_format_under_its_name() -> None:
    media = {
        name: {"kind": "video", "sha256": sha * 64, "width": 1080, "height": height}
        for name, sha, height in (("9:16", "a", 1920), ("1:1", "b", 1080))
    }
    full = {
        name: one | {"mime_type": "video/mp4", "duration_seconds": 9.5, "size_bytes": 2_500_000}
        for name, one in media.items()
    }
    item = {
        "key": "hi",
        "status": "completed",
        "reason": None,
        "assets": [*full.values()],
        "by": {name: {"asset": one, "clean": None} for name, one in full.items()},
        "captions": {
            "cues": [{"start": 0, "end": 1, "text": "<b>"}],
            "estimated": True,
            "language": None,
        },
        "loudness": {"lufs": -16.1, "true_peak": -1.2},
        "lost": ["a.png: *XMP*"],
    }
    step = {"id": "spot", "status": "completed", "items": [item]}
    made = {"steps": [step], "assets": [*full.values()], "status": "completed", "sandbox": False}
    made |= {"name": "spot", "run_id": "run-1"}
    outputs = {"all": [*full.values()], "by": item["by"], "words": {"a": {"b": 1}}}
    ended = {**receipt(), **made, "outputs": outputs}
    shown = draw_outputs(parsed(ended), None, at, nowhere, deployed=True).data
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
        "round": 1, "notes": ["warmer"], "judge_error": None, "candidates": candidates,
    }  # fmt: skip
    steps = [{"id": "hero", "items": [{"key": "", "choice": choice}]}]
    document = {"run_id": "run-1", "status": "suspended", "steps": steps}
    shown = "\n".join(draw_choices(parsed(document), deployed=True))
    assert r"**hero**: neon, picked by A\|na in Prefect's form (Which \*one\*?)" in shown
    assert "round 2, with the note: warmer" in shown
    assert "| 2 | neon | 7 of 10, picked | &lt;b&gt;lit&lt;/b&gt; |" in shown
    assert "| 1 | studio | 8.5 of 10, proposed |" in shown
    choice |= {"waiting": True, "picked": [], "count": 1}
    shown = "\n".join(draw_choices(parsed(document), deployed=True))
    assert "**hero**: waits for an answer: *Resume*" in shown
    # Neither a run of a command nor one that failed has *Resume*.
    command = "`rivya-flows resume run-1 --answer hero=NUMBER`"
    shown = "\n".join(draw_choices(parsed(document), deployed=False))
    assert f"**hero**: waits for an answer: {command}" in shown
    shown = "\n".join(draw_choices(parsed({**document, "status": "failed"}), deployed=True))
    assert f"an answer still counts: {command}" in shown
    assert draw_choices(parsed({"steps": []}), deployed=True) == []
