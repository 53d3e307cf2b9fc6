"""Ordered faults, and the profile of a service that is nobody's friend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.options import HOSTILE
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, code, credits, ended, fetch, order

CREATE = "POST /api/v1/generations"


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@contextmanager
def faulty(sandbox: Sandbox, *faults: str, seed: int = 0) -> Iterator[httpx.Client]:
    listed = "".join(f"  - {{{fault}}}\n" for fault in faults)
    admin.set_faults(sandbox.data, f"seed: {seed}\nfaults:\n{listed}")
    with calling(sandbox) as client:
        yield client


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "validation_failed"),
        (401, "api_key_invalid"),
        (404, "not_found"),
        (409, "idempotency_conflict"),
        (418, "validation_failed"),
        (429, "rate_limited"),
        (500, "internal_error"),
        (503, "public_api_disabled"),
    ],
)
def test_a_status_is_answered_as_often_as_ordered(sandbox: Sandbox, status: int, said: str) -> None:
    with faulty(sandbox, f'on: "{CREATE}", do: status, status: {status}, times: 2') as client:
        before = credits(client)
        for _ in range(2):
            answer = order(client)
            assert (answer.status_code, code(answer)) == (status, said)
        assert credits(client) == before
        assert order(client).status_code == 202
    assert [fault["used"] for fault in admin.list_faults(sandbox.data)] == [2]


def test_a_drop_before_leaves_nothing_and_one_after_leaves_a_paid_job(sandbox: Sandbox) -> None:
    before = len(admin.ledger(sandbox.data)["generations"])
    with faulty(
        sandbox,
        f'on: "{CREATE}", do: drop_before, times: 1',
        f'on: "{CREATE}", do: drop_after_commit, times: 1',
    ) as client:
        for jobs in (0, 1):
            with pytest.raises(httpx.TransportError):
                order(client, key=sandbox.base_url)
            assert len(admin.ledger(sandbox.data)["generations"]) == before + jobs
        replayed = order(client, key=sandbox.base_url)
        assert replayed.headers["Idempotent-Replayed"] == "true"
        assert ended(client, replayed.json()["id"])["status"] == "succeeded"
    assert len(admin.ledger(sandbox.data)["generations"]) == before + 1


def test_a_fault_may_be_for_one_model_and_for_a_pattern_of_paths(sandbox: Sandbox) -> None:
    with faulty(
        sandbox,
        f'on: "{CREATE}", do: status, status: 500, model: nano-banana',
        'on: "GET /api/v1/generations/*", do: status, status: 502',
    ) as client:
        assert order(client).status_code == 202
        assert order(client, model="nano-banana").status_code == 500
        assert client.get("/api/v1/generations/task_1").status_code == 502
        assert client.get("/api/v1/credits").status_code == 200


def test_generations_fail_stall_or_are_late_as_ordered(sandbox: Sandbox) -> None:
    with faulty(
        sandbox,
        "on: generation, do: fail, times: 1, model: nano-banana",
        "on: generation, do: stall, times: 1",
        "on: generation, do: delay, seconds: 0.05, times: 1",
    ) as client:
        stalled = order(client).json()["id"]
        assert ended(client, order(client).json()["id"])["status"] == "succeeded"
        failed = ended(client, order(client, model="nano-banana").json()["id"])
        assert (failed["status"], failed["final_credits"]) == ("failed", 0)
        job = client.get(f"/api/v1/generations/{stalled}").json()
        assert job["status"] == "processing"


def test_a_delay_only_delays(sandbox: Sandbox) -> None:
    with faulty(sandbox, f'on: "{CREATE}", do: delay, seconds: 0.01') as client:
        assert order(client).status_code == 202


def test_chances_follow_the_seed(sandbox: Sandbox) -> None:
    fault = f'on: "{CREATE}", do: status, status: 500, probability: 0.5'
    drawn = []
    for seed in (1, 2, 1):
        admin.set_faults(sandbox.data, "")
        with faulty(sandbox, fault, seed=seed) as client:
            drawn.append([order(client).status_code for _ in range(12)])
    assert drawn[0] == drawn[2] != drawn[1]
    assert {500, 202} == set(drawn[0])


def test_what_was_used_is_remembered_over_a_restart_with_the_same_faults(tmp_path: Path) -> None:
    text = f'faults: [{{on: "{CREATE}", do: status, status: 500, times: 1}}]'
    statuses = []
    for _ in range(2):
        with running(tmp_path, faults=text) as sandbox, calling(sandbox) as client:
            statuses.append(order(client).status_code)
    assert statuses == [500, 202]


def test_a_hostile_service_keeps_refusals_for_their_key(tmp_path: Path) -> None:
    with (
        running(tmp_path, profile="hostile", credits=1) as sandbox,
        calling(sandbox) as client,
    ):
        poor = order(client, key="k")  # z-image costs 1, but here 2 are reserved
        assert (poor.status_code, code(poor)) == (403, "insufficient_credits")
        admin.add_credits(sandbox.data, 100)
        again = order(client, key="k")
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (403, "true")
        bought = order(client, key="k2")
        assert bought.status_code == 201
        job = ended(client, bought.json()["id"])
        assert job["reserved_credits"] == 2
        assert 0 <= job["final_credits"] <= 2
        assert "trace" in bought.json()
        assert "trace" in job
        assert credits(client) == 101 - job["final_credits"]


def test_a_refusal_that_is_kept_takes_the_place_of_no_earlier_answer(tmp_path: Path) -> None:
    with running(tmp_path, profile="hostile") as sandbox, calling(sandbox) as client:
        bought = order(client, key="k")
        wrong = order(client, key="k", params={"unknown": 1})
        assert (wrong.status_code, code(wrong)) == (400, "validation_failed")
        again = order(client, key="k")
        assert (again.status_code, again.json()) == (201, bought.json())
        assert again.headers["Idempotent-Replayed"] == "true"


def test_a_hostile_services_urls_end_and_are_given_anew(tmp_path: Path) -> None:
    now = [1000.0]
    with (
        running(tmp_path, profile="hostile", clock=lambda: now[0]) as sandbox,
        calling(sandbox) as client,
    ):
        job = ended(client, order(client).json()["id"])
        url = job["result"]["primary_url"]
        assert fetch(url).status_code == 200
        assert fetch(url.replace("expires=", "expires=9")).status_code == 404
        assert fetch(url.partition("?")[0]).status_code == 404
        now[0] += 60
        assert code(fetch(url)) == "not_found"
        again = client.get(f"/api/v1/generations/{job['id']}").json()["result"]["primary_url"]
        assert fetch(again).status_code == 200


def test_a_forgetful_service_buys_again(tmp_path: Path) -> None:
    now = [1000.0]
    forgetful = replace(HOSTILE, key_life_seconds=5)
    with (
        running(tmp_path, profile=forgetful, clock=lambda: now[0]) as sandbox,
        calling(sandbox) as client,
    ):
        ids = []
        for wait in (0, 4, 2):
            now[0] += wait
            ids.append(order(client, key="k").json()["id"])
    assert ids[0] == ids[1] != ids[2]
