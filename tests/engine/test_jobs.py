"""Jobs and their media: what failed, cannot be fetched or is gone, and what it costs to have it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rivya_flows.engine.run import RunOptions
from rivya_sandbox.service.serve import running
from support.engine_runs import CREATE, Bomb, Studio, codes, customer, stills

pytestmark = pytest.mark.slow


def test_a_failed_job_costs_nothing_and_is_bought_again_only_where_the_spec_says_so(
    studio: Studio,
) -> None:
    studio.order("on: generation, do: fail, times: 1")
    assert codes(studio.started(stills(1))) == ["job_failed"]
    assert codes(studio.executed()) == ["job_failed"], "a plain resume buys nothing again"
    assert studio.audit() == 0
    studio.order("on: generation, do: fail, times: 1, seconds: 0")
    receipt = studio.started(stills(1, step="regenerate: 1"), "run-2")
    assert receipt["status"] == "completed"
    assert [row["status"] for row in receipt["ledger"]] == ["failed", "succeeded"]
    assert studio.audit("run-1", "run-2") == 1


def test_each_regenerate_of_a_resume_allows_one_job_for_each_named_item(studio: Studio) -> None:
    studio.order("on: generation, do: fail")
    studio.started(stills(2, step="max_parallel: 1"))
    receipt = studio.executed(wish=RunOptions(regenerate=("stills[1]",)))
    assert [row["key"] for row in receipt["ledger"]] == ["0", "1", "1"]
    # Said twice, because the first resume was killed before it bought.
    wish = RunOptions(regenerate=("stills",))
    asyncio.run(studio.execute("run-1", wish, bomb=Bomb(write=2)))
    receipt = studio.executed(wish=wish)
    assert [row["key"] for row in receipt["ledger"]] == ["0", "1", "1", "0", "1"]
    studio.order()
    receipt = studio.executed(wish=wish)
    assert receipt["status"] == "completed"
    assert studio.audit() == 2


@pytest.mark.parametrize("do", ["drop_after_commit", "status, status: 404"])
def test_a_result_that_cannot_be_fetched_leaves_its_cost_told_and_is_fetched_for_free(
    studio: Studio, do: str
) -> None:
    studio.order(f'on: "GET /media/results/*", do: {do}')
    receipt = studio.started(stills(2))
    assert codes(receipt) == ["download"] * 2
    assert [row["final"] for row in receipt["ledger"]] == [1, 1]
    studio.order()
    assert studio.executed()["status"] == "completed"
    assert len(studio.jobs()) == 2
    assert studio.audit() == 2


def test_a_completed_run_brings_home_what_is_paid_and_keeps_its_other_failures_as_they_are(
    studio: Studio,
) -> None:
    studio.order(
        f'on: "{CREATE}", do: status, status: 400, times: 1',
        'on: "GET /media/results/*", do: status, status: 410, times: 1',
    )
    receipt = studio.started(stills(3, step="allow_failures: 2"))
    assert receipt["status"] == "completed"
    assert sorted(map(str, codes(receipt))) == ["None", "download", "validation_failed"]
    receipt = studio.executed(wish=RunOptions(unpaid="completed"))
    assert (receipt["status"], len(receipt["ledger"])) == ("completed", 3)
    assert sorted(map(str, codes(receipt))) == ["None", "None", "validation_failed"]
    assert studio.audit() == 2


FOLLOWED = stills(2, step="allow_failures: 1").replace(
    "outputs:",
    """  clips:
    uses: generate
    foreach: ${{ steps.stills.items }}
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ item.asset }}"]}
outputs:
  clips: ${{ steps.clips.assets }}""",
)
LOST = 'on: "GET /media/results/*", do: status, status: 410, times: 1'


def test_what_follows_an_item_is_made_by_a_resume_that_may_buy_once_another_has_mended_the_item(
    studio: Studio,
) -> None:
    """A run that was completed stays so, and buys no more while it brings home what is paid."""
    studio.order(LOST)
    receipt = studio.started(FOLLOWED)
    assert (receipt["status"], len(receipt["outputs"]["clips"])) == ("completed", 1)
    receipt = studio.executed(wish=RunOptions(unpaid="completed"))
    assert (receipt["status"], len(receipt["outputs"]["clips"])) == ("completed", 1)
    assert codes(receipt) == [None, None]
    left = [item["code"] for item in receipt["steps"][1]["items"]]
    assert sorted(map(str, left)) == ["None", "not_bought"]
    assert studio.audit() == 2 + 3
    receipt = studio.executed(wish=RunOptions(budget=20))
    assert (receipt["status"], len(receipt["outputs"]["clips"])) == ("completed", 2)
    assert studio.audit() == 2 + 2 * 3


def test_results_that_are_gone_for_good_are_bought_again_only_where_the_item_is_named(
    studio: Studio,
) -> None:
    studio.order('on: "GET /media/results/*", do: status, status: 404')
    studio.started(stills(2))
    assert codes(studio.executed(wish=RunOptions(regenerate=("*", "stills")))) == ["download"] * 2
    assert len(studio.jobs()) == 2, "a plain resume may still bring them"
    studio.order()
    for file in studio.results():
        file.unlink()
    receipt = studio.executed(wish=RunOptions(regenerate=("stills[1]",)))
    assert codes(receipt) == ["download", None]
    assert [(row["key"], row["n"]) for row in receipt["ledger"]] == [("0", 1), ("1", 1), ("1", 2)]
    assert studio.audit() == 3


def test_a_result_that_is_no_medium_is_no_asset_and_is_fetched_again_for_free(
    studio: Studio,
) -> None:
    studio.order('on: "GET /media/results/*", do: status, status: 404')
    studio.started(stills(1))
    studio.order()
    [file] = studio.results()
    picture = file.read_bytes()
    file.write_bytes(b"<html>come back later</html>")
    receipt = studio.executed()
    assert codes(receipt) == ["download"]
    assert receipt["steps"][0]["items"][0]["assets"] == []
    file.write_bytes(picture[: len(picture) // 2])
    assert codes(studio.executed()) == ["download"], "half a picture is none"
    file.write_bytes(picture)
    assert studio.executed()["status"] == "completed"
    assert studio.audit() == 1


def test_a_stalled_job_ends_at_the_time_out_and_a_resume_waits_for_the_same_job(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "sandbox") as service:
        studio = customer(service, tmp_path / "studio")
        studio.order("on: generation, do: stall, seconds: 3600")
        receipt = studio.started(stills(1, step="timeout: 1s"))
    assert codes(receipt) == ["job_timeout"]
    assert receipt["credits"]["spent"] == 1, "it may still end, and then it has cost"
    with running(tmp_path / "sandbox", clock=lambda: time.time() + 7200) as later:
        studio.service = replace(studio.service, base_url=later.base_url)
        assert studio.executed()["status"] == "completed"
        assert studio.audit() == 1
