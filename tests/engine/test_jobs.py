"""Jobs and their media: what failed, cannot be fetched or is gone, and what it costs to have it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rivya_flows.engine.run import RunOptions
from rivya_flows.queue.events import JobEnded
from rivya_flows.store.run_list import recent_durations
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import CREATE, codes, executed, jobs, started
from support.engine_runs import Bomb, Studio, accounts_agree, customer, order, stills, studio_at


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def test_a_failed_job_costs_nothing_and_is_bought_again_only_where_the_spec_says_so(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, "on: generation, do: fail, times: 1")
    assert codes(started(studio, stills(1))) == ["job_failed"]
    assert codes(executed(studio)) == ["job_failed"], "a plain resume buys nothing again"
    assert accounts_agree(studio, sandbox.data, "run-1") == 0
    order(sandbox, "on: generation, do: fail, times: 1, seconds: 0")
    receipt = started(studio, stills(1, step="regenerate: 1"), "run-2")
    assert receipt["status"] == "completed"
    assert [row["status"] for row in receipt["ledger"]] == ["failed", "succeeded"]
    assert accounts_agree(studio, sandbox.data, "run-1", "run-2") == 1


def test_each_regenerate_of_a_resume_allows_one_job_for_each_named_item(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, "on: generation, do: fail")
    started(studio, stills(2, step="max_parallel: 1"))
    receipt = executed(studio, wish=RunOptions(regenerate=("stills[1]",)))
    assert [row["key"] for row in receipt["ledger"]] == ["0", "1", "1"]
    # Said twice, because the first resume was killed before it bought.
    wish = RunOptions(regenerate=("stills",))
    asyncio.run(studio.execute("run-1", wish, bomb=Bomb(write=2)))
    receipt = executed(studio, wish=wish)
    assert [row["key"] for row in receipt["ledger"]] == ["0", "1", "1", "0", "1"]
    order(sandbox)
    receipt = executed(studio, wish=wish)
    assert receipt["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


@pytest.mark.parametrize("do", ["drop_before", "drop_after_commit", "status, status: 404"])
def test_a_result_that_cannot_be_fetched_leaves_its_cost_told_and_is_fetched_for_free(
    studio: Studio, sandbox: Sandbox, do: str
) -> None:
    order(sandbox, f'on: "GET /media/results/*", do: {do}')
    receipt = started(studio, stills(2))
    assert codes(receipt) == ["download"] * 2
    assert [row["final"] for row in receipt["ledger"]] == [1, 1]
    order(sandbox)
    assert executed(studio)["status"] == "completed"
    assert len(jobs(studio, sandbox)) == 2
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_a_completed_run_brings_home_what_is_paid_and_keeps_its_other_failures_as_they_are(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(
        sandbox,
        f'on: "{CREATE}", do: status, status: 400, times: 1',
        'on: "GET /media/results/*", do: status, status: 410, times: 1',
    )
    receipt = started(studio, stills(3, step="allow_failures: 2"))
    assert receipt["status"] == "completed"
    assert sorted(map(str, codes(receipt))) == ["None", "download", "validation_failed"]
    receipt = executed(studio, wish=RunOptions(unpaid="completed"))
    assert (receipt["status"], len(receipt["ledger"])) == ("completed", 3)
    assert sorted(map(str, codes(receipt))) == ["None", "None", "validation_failed"]
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


FOLLOWED = stills(2, step="ALLOWED").replace(
    "outputs:",
    """  clips:
    uses: generate
    foreach: ${{ steps.stills.items }}
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ item.asset }}"]}
outputs:
  clips: ${{ steps.clips.assets }}""",
)
LOST = 'on: "GET /media/results/*", do: status, status: 410, times: 1'


def test_what_follows_an_item_is_made_when_a_resume_has_mended_it(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, LOST)
    spec = FOLLOWED.replace("    ALLOWED\n", "")
    assert started(studio, spec)["status"] == "failed"
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    assert len(receipt["outputs"]["clips"]) == 2
    assert accounts_agree(studio, sandbox.data, "run-1") == 2 + 2 * 3


def test_a_completed_run_stays_completed_and_buys_no_more_while_it_brings_home_what_is_paid(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, LOST)
    receipt = started(studio, FOLLOWED.replace("ALLOWED", "allow_failures: 1"))
    assert (receipt["status"], len(receipt["outputs"]["clips"])) == ("completed", 1)
    receipt = executed(studio, wish=RunOptions(unpaid="completed"))
    assert (receipt["status"], len(receipt["outputs"]["clips"])) == ("completed", 1)
    assert codes(receipt) == [None, None]
    left = [item["code"] for item in receipt["steps"][1]["items"]]
    assert sorted(map(str, left)) == ["None", "not_bought"]
    assert accounts_agree(studio, sandbox.data, "run-1") == 2 + 3
    receipt = executed(studio, wish=RunOptions(budget=20))
    assert (receipt["status"], len(receipt["outputs"]["clips"])) == ("completed", 2)
    assert accounts_agree(studio, sandbox.data, "run-1") == 2 + 2 * 3


def test_results_that_are_gone_for_good_are_bought_again_only_where_the_item_is_named(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, 'on: "GET /media/results/*", do: status, status: 404')
    started(studio, stills(2))
    assert codes(executed(studio, wish=RunOptions(regenerate=("*", "stills")))) == ["download"] * 2
    assert len(jobs(studio, sandbox)) == 2, "a plain resume may still bring them"
    order(sandbox)
    for file in (sandbox.data / "results").iterdir():
        file.unlink()
    receipt = executed(studio, wish=RunOptions(regenerate=("stills[1]",)))
    assert codes(receipt) == ["download", None]
    assert [(row["key"], row["n"]) for row in receipt["ledger"]] == [("0", 1), ("1", 1), ("1", 2)]
    assert accounts_agree(studio, sandbox.data, "run-1") == 3


def test_a_result_that_is_no_medium_is_no_asset_and_is_fetched_again_for_free(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, 'on: "GET /media/results/*", do: status, status: 404')
    started(studio, stills(1))
    order(sandbox)
    file = max((sandbox.data / "results").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    picture = file.read_bytes()
    file.write_bytes(b"<html>come back later</html>")
    receipt = executed(studio)
    assert codes(receipt) == ["download"]
    assert receipt["steps"][0]["items"][0]["assets"] == []
    file.write_bytes(picture[: len(picture) // 2])
    assert codes(executed(studio)) == ["download"], "half a picture is none"
    file.write_bytes(picture)
    assert executed(studio)["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


def test_a_stalled_job_ends_at_the_time_out_and_a_resume_waits_for_the_same_job(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "sandbox") as service:
        order(service, "on: generation, do: stall, seconds: 3600")
        studio = studio_at(tmp_path / "studio", service.base_url, service.api_key)
        receipt = started(studio, stills(1, step="timeout: 1s"))
    assert codes(receipt) == ["job_timeout"]
    assert receipt["credits"]["spent"] == 1, "it may still end, and then it has cost"
    with running(tmp_path / "sandbox", clock=lambda: time.time() + 7200) as later:
        studio.service = replace(studio.service, base_url=later.base_url)
        assert executed(studio)["status"] == "completed"
        assert accounts_agree(studio, later.data, "run-1") == 1


def test_the_end_of_a_job_tells_how_long_it_took_and_how_often_it_was_looked_at(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox)
    started(studio, stills(2))
    with studio.context(Bomb()) as context:
        entries = context.journal.entries("run-1")
        ends = [entry.event for entry in entries if isinstance(entry.event, JobEnded)]
        known = recent_durations(context.journal.engine, studio.service.identity)
    assert [end.model for end in ends] == ["z-image", "z-image"]
    assert all(end.looks and end.seconds is not None for end in ends)
    assert known == [(end.model, end.seconds) for end in ends]
