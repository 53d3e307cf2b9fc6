"""Two runs side by side, and their page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.queue.events import Stamped
from rivya_flows.receipt.comparison import comparison, comparison_page
from support.judged_picks import Judging, judged_spec
from support.naive_service import Rehearsal, frozen
from support.receipts import parsed, stamped

HOSTILE = "<script>alert(1)</script>"


def journal(run_id: str, scores: dict[str, int], **options: Any) -> list[Stamped]:
    """A finished run of `judged_spec`, in which a judge picks by these scores."""
    labels = {"client": run_id, "team": "film"}
    start = frozen(judged_spec(**options)).model_copy(update={"run_id": run_id, "labels": labels})
    run = Rehearsal(start, Judging(scores))
    run.take_up()
    run.run()
    return stamped(run.journal)


@pytest.fixture(scope="module")
def pair() -> list[list[Stamped]]:
    return [
        journal("run-1", {"neon": 9}),
        journal("run-2", {"noir": 9}, more=f"question: '{HOSTILE}'"),
    ]


def test_a_step_takes_from_its_first_entry_to_its_last(pair: list[list[Stamped]]) -> None:
    entries = pair[0]
    at = [one.at for one in entries if getattr(one.event, "step", None) == "stills"]
    [stills] = [step for step in comparison(*pair)["steps"] if step["id"] == "stills"]
    assert stills["seconds"][0] == at[-1] - at[0] > 0


def test_what_differs_is_told_and_what_is_equal_is_the_same(pair: list[list[Stamped]]) -> None:
    found = comparison(*pair)
    assert [run["run_id"] for run in found["runs"]] == ["run-1", "run-2"]
    assert found["spec"]["equal"] is False
    assert f"+      question: '{HOSTILE}'" in found["spec"]["diff"]
    assert found["picks"] == [{"name": "hero", "values": ["neon", "noir"]}]
    assert found["inputs"] == []
    assert found["labels"] == [{"name": "client", "values": ["run-1", "run-2"]}]
    steps = {step["id"]: step for step in found["steps"]}
    assert [item["same"] for item in steps["stills"]["items"]] == [True] * 3
    [hero] = steps["hero"]["items"]
    assert [run["picked"] for run in hero["runs"]] == [["neon"], ["noir"]]
    assert hero["same"] is False
    assert steps["film"]["credits"] == [3, 3]
    models = {one["model"]: one for one in found["models"]}
    assert models["z-image"] == {"model": "z-image", "purchases": [3, 3], "credits": [3, 3]}


def test_a_run_compared_with_itself_is_the_same_throughout(pair: list[list[Stamped]]) -> None:
    found = comparison(pair[0], pair[0])
    assert (found["spec"], found["inputs"]) == ({"equal": True, "diff": []}, [])
    assert all(item["same"] for step in found["steps"] for item in step["items"])


def test_items_of_one_run_alone_stand_beside_nothing() -> None:
    found = comparison(journal("run-1", {}), journal("run-2", {}, styles=("neon", "cold")))
    [stills] = [step for step in found["steps"] if step["id"] == "stills"]
    sides = {item["key"]: [one is not None for one in item["runs"]] for item in stills["items"]}
    assert sides["studio"] == [True, False]
    assert sides["cold"] == [False, True]
    assert sides["neon"] == [True, True]


def test_the_page_has_no_addresses_and_no_markup_of_others(pair: list[list[Stamped]]) -> None:
    from rivya_flows.receipt.from_journal import receipt

    first, second = (receipt(entries).model_dump(mode="json") for entries in pair)
    second["steps"][0]["items"][0]["assets"][0]["url"] = "https://elsewhere.example/x.png"
    receipts = [parsed(first), parsed(second)]

    def lost(sha256: str) -> Path:
        raise KeyError(sha256)

    page = comparison_page(comparison(*pair), receipts, [lost, lost])
    assert page.count("<script") == 1
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "the same in both" in page
    assert "picked: noir" in page
    words = " ".join(re.sub("<[^>]*>", " ", page[page.index("What differs") :]).split())
    assert words.startswith("What differs picked for hero neon → noir label client run-1 → run-2")
