"""A service that is nobody's friend: stored refusals, other prices, short-lived URLs and keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.engine.run import RunOptions
from rivya_sandbox.service import admin
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.options import HOSTILE
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, accounts_agree, customer, order, stills, studio_at
from support.twisting import Twist, Twisting, twisting

CREATE = "POST /api/v1/generations"
CAMPAIGN = """
version: 1
name: campaign
budget: {credits: 60}
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A shot for a lamp, expect: {visual: string}}
  stills:
    uses: generate
    matrix: {style: [studio, neon, street]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}"}
  restyled:
    uses: generate
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ steps.hero.asset }}"]}
outputs:
  picture: ${{ steps.restyled.asset }}
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("hostile") / "sandbox", profile="hostile") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(serving: Sandbox) -> Iterator[Sandbox]:
    yield serving
    admin.set_faults(serving.data, "")


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def executed(studio: Studio, wish: RunOptions | None = None, **options: Any) -> dict[str, Any]:
    asyncio.run(studio.execute("run-1", wish, **options))
    return studio.receipt("run-1")


def started(studio: Studio, text: str) -> dict[str, Any]:
    asyncio.run(studio.start(text, "run-1"))
    return executed(studio)


def codes(receipt: dict[str, Any]) -> set[str]:
    return {item["code"] for step in receipt["steps"] for item in step["items"] if item["code"]}


def test_a_campaign_at_other_prices_is_accounted_for_to_the_credit(
    studio: Studio, sandbox: Sandbox
) -> None:
    receipt = started(studio, CAMPAIGN)
    assert receipt["status"] == "completed"
    assert receipt["credits"]["unexplained"] == 0
    assert accounts_agree(studio, sandbox.data, "run-1") == receipt["credits"]["spent"]


def test_dropped_answers_of_a_hostile_service_buy_nothing_twice(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(
        sandbox,
        'on: "POST /api/v1/*", do: drop_after_commit, probability: 0.3',
        'on: "POST /api/v1/*", do: drop_before, probability: 0.2',
        'on: "POST /api/v1/*", do: status, status: 503, probability: 0.1',
    )
    receipt = started(studio, CAMPAIGN)
    order(sandbox)
    if receipt["status"] != "completed":
        receipt = executed(studio)
    assert receipt["status"] == "completed"
    accounts_agree(studio, sandbox.data, "run-1")


def test_a_stored_refusal_for_lack_of_credits_is_left_behind_by_the_next_purchase(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    # It reserves two for each, and may give some back as soon as the job ends: fewer never suffice.
    studio = customer(sandbox, tmp_path / "studio", credits=1)
    receipt = started(studio, stills(3))
    assert codes(receipt) == {"insufficient_credits"}
    admin.add_credits(sandbox.data, 20, account=studio.account)
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    accounts_agree(studio, sandbox.data, "run-1", granted=21)


def test_a_refusal_that_was_stored_behind_a_silence_stays_open_until_its_key_is_forgotten(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A lack of credits says nothing about the request before it, whatever the wallet has by then."""
    studio = customer(sandbox, tmp_path / "studio", credits=1)
    order(sandbox, f'on: "{CREATE}", do: drop_before, times: 1')
    receipt = started(studio, stills(1))
    assert [row["status"] for row in receipt["ledger"]] == ["intended"], "it may stand behind it"
    admin.add_credits(sandbox.data, 20, account=studio.account)
    receipt = executed(studio)
    assert [row["status"] for row in receipt["ledger"]] == ["intended"]
    with closing(Database(sandbox.data)) as database, database.transaction() as forgetting:
        forgetting.execute("DELETE FROM idempotency")
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    assert [row["n"] for row in receipt["ledger"]] == [1]
    accounts_agree(studio, sandbox.data, "run-1", granted=21)


@pytest.mark.parametrize("status", [400, 402, 403, 409])
def test_a_lack_of_credits_is_known_by_its_code_whatever_its_status(
    tmp_path: Path, status: int
) -> None:
    profile = replace(HOSTILE, no_credits_status=status)
    with running(tmp_path / "sandbox", profile=profile, credits=1) as sandbox:
        studio = studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)
        receipt = started(studio, stills(1))
        assert [row["status"] for row in receipt["ledger"]] == ["refused"]
        admin.add_credits(sandbox.data, 20)
        assert executed(studio)["status"] == "completed"
        accounts_agree(studio, sandbox.data, "run-1", granted=21)


def test_a_result_whose_address_died_is_fetched_from_a_fresh_one(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    dead = replace(HOSTILE, url_life_seconds=0)
    with running(tmp_path / "sandbox", profile=dead) as first:
        studio = customer(first, tmp_path / "studio")
        receipt = started(studio, stills(2))
        assert codes(receipt) == {"download"}
        spent = accounts_agree(studio, first.data, "run-1")
        port = int(first.base_url.rpartition(":")[2])
    with running(tmp_path / "sandbox", profile=HOSTILE, port=port) as second:
        receipt = executed(studio)
        assert receipt["status"] == "completed"
        assert accounts_agree(studio, second.data, "run-1") == spent


def test_a_key_that_is_forgotten_within_the_window_shows_as_credits_unexplained(
    studio: Studio, sandbox: Sandbox
) -> None:
    """The limit of the promise: it rests on keys that outlive the window of resending."""
    order(sandbox, f'on: "{CREATE}", do: drop_after_commit')
    started(studio, stills(1))
    order(sandbox)
    with closing(Database(sandbox.data)) as database, database.transaction() as forgetting:
        forgetting.execute("DELETE FROM idempotency")
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    jobs = admin.ledger(sandbox.data, account=studio.account)["generations"]
    assert len(jobs) == 2
    told = {row["task_id"] for row in receipt["ledger"]}
    [other] = [job for job in jobs if job["id"] not in told]
    assert receipt["credits"]["unexplained"] == other["final_credits"]


def test_a_window_shorter_than_the_life_of_keys_turns_that_into_a_question(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CREATE}", do: drop_after_commit')
    started(studio, stills(1))
    order(sandbox)
    receipt = executed(studio, resend_hours=0)
    assert codes(receipt) == {"uncertain"}
    assert executed(studio, RunOptions(resubmit=("stills[0]",)))["status"] == "completed"
    accounts_agree(studio, sandbox.data, "run-1")


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Twisting]:
    with twisting(sandbox.base_url) as proxy:
        yield proxy


@pytest.fixture
def behind(studio: Studio, proxy: Twisting) -> Studio:
    """A studio whose service twists what it says."""
    return replace(studio, service=replace(studio.service, base_url=proxy.url))


def jobs(change: Any, *, asked: str = "/generations", when: bytes = b"") -> Twist:
    """Changes answers about jobs that have such words in them."""

    def twist(path: str, body: bytes) -> bytes:
        if asked not in path or when not in body:
            return body
        told = json.loads(body)
        change(told)
        return json.dumps(told).encode()

    return twist


@pytest.mark.parametrize("told", ["x" * 2**20, "a\0b", "..", "", 7, None])
def test_a_job_id_that_none_can_be_fails_its_item_alone_and_a_resume_finds_the_job(
    behind: Studio, proxy: Twisting, sandbox: Sandbox, told: Any
) -> None:
    proxied = list[str]()

    def spoil(job: dict[str, Any]) -> None:
        # Always of the same job, however often its purchase is repeated.
        proxied.append(job["id"])
        if job["id"] == proxied[0]:
            job["id"] = told

    proxy.twist = jobs(spoil, asked="POST /api/v1/generations")
    receipt = started(behind, stills(3))
    items = receipt["steps"][0]["items"]
    assert sorted(item["status"] for item in items) == ["completed", "completed", "failed"]
    assert codes(receipt) == {"connection"}
    assert all(len(item["reason"] or "") < 300 for item in items)
    proxy.twist = lambda _, body: body
    assert executed(behind)["status"] == "completed"
    accounts_agree(behind, sandbox.data, "run-1")
    assert len(admin.ledger(sandbox.data, account=behind.account)["generations"]) == 3


@pytest.mark.parametrize("told", [None, "nothing", -1])
def test_a_failed_job_counts_with_its_reserve_if_the_service_does_not_say_what_it_kept(
    behind: Studio, proxy: Twisting, sandbox: Sandbox, told: Any
) -> None:
    def silent(job: dict[str, Any]) -> None:
        job["final_credits"] = told

    proxy.twist = jobs(silent, when=b'"failed"')
    order(sandbox, "on: generation, do: fail")
    receipt = started(behind, stills(1))
    order(sandbox)
    [row] = receipt["ledger"]
    assert (row["status"], row["held"]) == ("failed", row["reserved"])
    assert receipt["credits"]["spent"] == row["reserved"] > 0


ODD = [b"NaN", b"-Infinity", b"1e999999", b"-7", b"9" * 100_000, b'"\\u0000"', b"[[[[]]]]"]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_prices_and_fields_beside_a_paid_job_stop_nothing(
    behind: Studio, proxy: Twisting, sandbox: Sandbox, odd: bytes
) -> None:
    def twist(asked: str, body: bytes) -> bytes:
        if asked.endswith("/models"):
            return body.replace(b'"base_credits": 1,', b'"base_credits": %s,' % odd)
        if "/generations" in asked:
            return body.replace(b"{", b'{"reserved_credits": 3, "of tomorrow": %s,' % odd, 1)
        return body

    proxy.twist = twist
    receipt = started(behind, stills(2))
    assert receipt["status"] == "completed"
    accounts_agree(behind, sandbox.data, "run-1")


def test_a_job_of_2000_results_is_not_fetched_and_says_which_bound_it_passes(
    behind: Studio, proxy: Twisting, sandbox: Sandbox
) -> None:
    def many(job: dict[str, Any]) -> None:
        job["result"]["urls"] = [f"{proxy.url}/media/results/{n}" for n in range(2000)]

    proxy.twist = jobs(many, when=b'"succeeded"')
    receipt = started(behind, stills(1))
    [item] = receipt["steps"][0]["items"]
    assert item["code"] == "download"
    assert "2,000 results, and at most 64" in item["reason"]
    assert "RIVYA_FLOWS_MAX_RESULTS" in item["reason"]
    assert not [asked for asked in proxy.asked if "/media/" in asked]
    spent = accounts_agree(behind, sandbox.data, "run-1")
    proxy.twist = lambda _, body: body
    assert executed(behind)["status"] == "completed"
    assert accounts_agree(behind, sandbox.data, "run-1") == spent


def test_results_that_are_too_large_together_end_at_the_bound_and_a_larger_one_lets_them_in(
    behind: Studio, proxy: Twisting, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thrice(job: dict[str, Any]) -> None:
        job["result"]["urls"] = 3 * job["result"]["urls"]

    proxy.twist = jobs(thrice, when=b'"succeeded"')
    monkeypatch.setenv("RIVYA_FLOWS_MAX_JOB_BYTES", "100")
    receipt = started(behind, stills(1))
    [item] = receipt["steps"][0]["items"]
    assert "larger than 100 bytes together" in item["reason"]
    assert "RIVYA_FLOWS_MAX_JOB_BYTES" in item["reason"]
    spent = accounts_agree(behind, sandbox.data, "run-1")
    monkeypatch.delenv("RIVYA_FLOWS_MAX_JOB_BYTES")
    receipt = executed(replace(behind))
    assert receipt["status"] == "completed"
    assert accounts_agree(behind, sandbox.data, "run-1") == spent


def test_an_address_of_a_result_without_end_fails_in_few_words(
    behind: Studio, proxy: Twisting
) -> None:
    def endless(job: dict[str, Any]) -> None:
        job["result"] = {"urls": [f"{proxy.url}/" + "x" * 2**20]}

    proxy.twist = jobs(endless, when=b'"succeeded"')
    receipt = started(behind, stills(1))
    [item] = receipt["steps"][0]["items"]
    assert item["code"] == "download"
    assert "at most 8,192 characters" in item["reason"]
    assert len(item["reason"]) < 700
