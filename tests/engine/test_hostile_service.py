"""A service that is nobody's friend: stored refusals, other prices, short-lived URLs and keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.engine.run import RunOptions
from rivya_sandbox.service.admin import set_faults
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.options import HOSTILE
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import CAMPAIGN, CREATE, Studio, codes, customer, stills
from support.twisting import Twist, Twisting, twisting

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("hostile") / "sandbox", profile="hostile") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(serving: Sandbox) -> Iterator[Sandbox]:
    yield serving
    set_faults(serving.data, "")


def forget_keys(studio: Studio) -> None:
    """The service forgets all idempotency keys."""
    with closing(Database(studio.data)) as database, database.transaction() as forgetting:
        forgetting.execute("DELETE FROM idempotency")


def test_dropped_answers_and_other_prices_are_accounted_for_to_the_credit(studio: Studio) -> None:
    studio.order(
        'on: "POST /api/v1/*", do: drop_after_commit, probability: 0.3',
        'on: "POST /api/v1/*", do: drop_before, probability: 0.2',
        'on: "POST /api/v1/*", do: status, status: 503, probability: 0.1',
    )
    receipt = studio.started(CAMPAIGN)
    studio.order()
    if receipt["status"] != "completed":
        receipt = studio.executed()
    assert (receipt["status"], receipt["credits"]["unexplained"]) == ("completed", 0)
    assert studio.audit() == receipt["credits"]["spent"]


@pytest.mark.parametrize("status", [400, 402, 403, 409])
def test_a_stored_lack_of_credits_is_known_by_its_code_and_left_behind_by_the_next_purchase(
    tmp_path: Path, status: int
) -> None:
    profile = replace(HOSTILE, no_credits_status=status)
    with running(tmp_path / "sandbox", profile=profile) as sandbox:
        # It reserves two for each, and may give some back as soon as the job ends: fewer never suffice.
        studio = customer(sandbox, tmp_path / "studio", credits=1)
        receipt = studio.started(stills(2))
        assert {*codes(receipt)} == {"insufficient_credits"}
        assert {row["status"] for row in receipt["ledger"]} == {"refused"}
        studio.add_credits(20)
        assert studio.executed()["status"] == "completed"
        studio.audit(granted=21)


def test_a_refusal_that_was_stored_behind_a_silence_stays_open_until_its_key_is_forgotten(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A lack of credits says nothing about the request before it, whatever the wallet has by then."""
    studio = customer(sandbox, tmp_path / "studio", credits=1)
    studio.order(f'on: "{CREATE}", do: drop_before, times: 1')
    receipt = studio.started(stills(1))
    assert [row["status"] for row in receipt["ledger"]] == ["intended"], "it may stand behind it"
    studio.add_credits(20)
    receipt = studio.executed()
    assert [row["status"] for row in receipt["ledger"]] == ["intended"]
    forget_keys(studio)
    receipt = studio.executed()
    assert receipt["status"] == "completed"
    assert [row["n"] for row in receipt["ledger"]] == [1]
    studio.audit(granted=21)


def test_a_result_whose_address_died_is_fetched_from_a_fresh_one(tmp_path: Path) -> None:
    dead = replace(HOSTILE, url_life_seconds=0)
    with running(tmp_path / "sandbox", profile=dead) as first:
        studio = customer(first, tmp_path / "studio")
        receipt = studio.started(stills(2))
        assert codes(receipt) == ["download"] * 2
        spent = studio.audit()
        port = int(first.base_url.rpartition(":")[2])
    with running(tmp_path / "sandbox", profile=HOSTILE, port=port):
        assert studio.executed()["status"] == "completed"
        assert studio.audit() == spent


def test_a_key_that_is_forgotten_within_the_window_shows_as_credits_unexplained(
    studio: Studio,
) -> None:
    """The limit of the promise: it rests on keys that outlive the window of resending."""
    studio.order(f'on: "{CREATE}", do: drop_after_commit')
    studio.started(stills(1))
    studio.order()
    forget_keys(studio)
    receipt = studio.executed()
    assert receipt["status"] == "completed"
    assert len(studio.jobs()) == 2
    told = {row["task_id"] for row in receipt["ledger"]}
    [other] = [job for job in studio.jobs() if job["id"] not in told]
    assert receipt["credits"]["unexplained"] == other["final_credits"]


def test_a_window_shorter_than_the_life_of_keys_turns_that_into_a_question(studio: Studio) -> None:
    studio.order(f'on: "{CREATE}", do: drop_after_commit')
    studio.started(stills(1))
    studio.order()
    receipt = studio.executed(resend_hours=0)
    assert codes(receipt) == ["uncertain"]
    assert len(studio.jobs()) == 1
    assert studio.executed(wish=RunOptions(resubmit=("stills[0]",)))["status"] == "completed"
    studio.audit()


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
    behind: Studio, proxy: Twisting, told: Any
) -> None:
    proxied = list[str]()

    def spoil(job: dict[str, Any]) -> None:
        # Always of the same job, however often its purchase is repeated.
        proxied.append(job["id"])
        if job["id"] == proxied[0]:
            job["id"] = told

    proxy.twist = jobs(spoil, asked=CREATE)
    receipt = behind.started(stills(3))
    items = receipt["steps"][0]["items"]
    assert sorted(item["status"] for item in items) == ["completed", "completed", "failed"]
    assert {*codes(receipt)} == {None, "connection"}
    assert all(len(item["reason"] or "") < 300 for item in items)
    proxy.twist = lambda _, body: body
    assert behind.executed()["status"] == "completed"
    behind.audit()
    assert len(behind.jobs()) == 3


@pytest.mark.parametrize("told", [None, "nothing", -1])
def test_a_failed_job_counts_with_its_reserve_if_the_service_does_not_say_what_it_kept(
    behind: Studio, proxy: Twisting, told: Any
) -> None:
    def silent(job: dict[str, Any]) -> None:
        job["final_credits"] = told

    proxy.twist = jobs(silent, when=b'"failed"')
    behind.order("on: generation, do: fail")
    receipt = behind.started(stills(1))
    [row] = receipt["ledger"]
    assert (row["status"], row["held"]) == ("failed", row["reserved"])
    assert receipt["credits"]["spent"] == row["reserved"] > 0


ODD = [b"NaN", b"-Infinity", b"1e999999", b"-7", b"9" * 100_000, b'"\\u0000"', b"[[[[]]]]"]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_prices_and_fields_beside_a_paid_job_stop_nothing(
    behind: Studio, proxy: Twisting, odd: bytes
) -> None:
    def twist(asked: str, body: bytes) -> bytes:
        if asked.endswith("/models"):
            return body.replace(b'"base_credits": 1,', b'"base_credits": %s,' % odd)
        if "/generations" in asked:
            return body.replace(b"{", b'{"reserved_credits": 3, "of tomorrow": %s,' % odd, 1)
        return body

    proxy.twist = twist
    assert behind.started(stills(2))["status"] == "completed"
    behind.audit()


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        (
            lambda url, _: [f"{url}/media/results/{n}" for n in range(2000)],
            "2,000 results, and at most 64",
        ),
        (lambda _, urls: 3 * urls, "larger than 100 bytes together"),
        (lambda url, _: [f"{url}/" + "x" * 2**20], "at most 8,192 characters"),
    ],
    ids=["too many", "too large together", "an address without end"],
)
def test_results_beyond_a_bound_are_not_taken_and_a_resume_fetches_others(
    behind: Studio,
    proxy: Twisting,
    monkeypatch: pytest.MonkeyPatch,
    urls: Callable[[str, list[str]], list[str]],
    words: str,
) -> None:
    def change(job: dict[str, Any]) -> None:
        job["result"] = {"urls": urls(proxy.url, job["result"]["urls"])}

    proxy.twist = jobs(change, when=b'"succeeded"')
    monkeypatch.setenv("RIVYA_FLOWS_MAX_JOB_BYTES", "100")
    [item] = behind.started(stills(1))["steps"][0]["items"]
    assert (item["code"], words in item["reason"]) == ("download", True)
    assert "RIVYA_FLOWS_MAX_" in item["reason"] or "8,192" in words
    assert len(item["reason"]) < 700
    assert not [asked for asked in proxy.asked if "/media/" in asked]
    spent = behind.audit()
    proxy.twist = lambda _, body: body
    monkeypatch.delenv("RIVYA_FLOWS_MAX_JOB_BYTES")
    assert replace(behind).executed()["status"] == "completed"
    assert behind.audit() == spent
