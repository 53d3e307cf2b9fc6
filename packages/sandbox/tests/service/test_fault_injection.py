"""Faults of requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, code, credits, ended, order

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
def test_an_injected_status_happens_the_given_number_of_times(
    sandbox: Sandbox, status: int, said: str
) -> None:
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


def test_a_delay_only_delays(sandbox: Sandbox) -> None:
    with faulty(sandbox, f'on: "{CREATE}", do: delay, seconds: 0.01') as client:
        assert order(client).status_code == 202


def test_a_refused_prompt_is_answered_at_once_and_costs_nothing(sandbox: Sandbox) -> None:
    with faulty(sandbox, f'on: "{CREATE}", do: refuse, prompt: bare shoulders') as client:
        before = credits(client), len(admin.ledger(sandbox.data)["generations"])
        for _ in range(2):
            answer = order(client, key="refused", prompt="Bare shoulders, neon")
            assert (answer.status_code, code(answer)) == (400, "validation_failed")
            assert "content policy" in answer.json()["error"]["message"]
        assert (credits(client), len(admin.ledger(sandbox.data)["generations"])) == before
        assert order(client, key="refused", prompt="A coat, neon").status_code == 202
