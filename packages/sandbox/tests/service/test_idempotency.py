"""One paid request for each Idempotency-Key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, code, credits, customer, ended, order


def test_twenty_equal_requests_at_once_make_one_job_and_one_charge(sandbox: Sandbox) -> None:
    with customer(sandbox) as (client, name):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: order(client, key="same"), range(20)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
        replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
        assert sorted(replayed, key=str) == [None] + ["true"] * 19
        ledger = admin.ledger(sandbox.data, account=name)
    assert [job["idempotency_key"] for job in ledger["generations"]] == ["same"]
    assert ledger["balance"] == 99


def test_a_key_keeps_its_first_answer_but_only_for_the_same_body(sandbox: Sandbox) -> None:
    with customer(sandbox) as (client, _), customer(sandbox) as (other, _):
        first = order(client, key="k", params={"aspect_ratio": "9:16"})
        ended(client, first.json()["id"])
        again = client.post(
            "/api/v1/generations",
            content=b'{"params": {"aspect_ratio":"9:16"}, "prompt":"A brass lamp on oak", "model":"z-image"}',
            headers={"Idempotency-Key": "k", "Content-Type": "application/json"},
        )
        assert (again.status_code, again.json()) == (202, first.json())
        conflict = order(client, key="k", prompt="Something else")
        assert (conflict.status_code, code(conflict)) == (409, "idempotency_conflict")
        assert "Idempotent-Replayed" not in order(other, key="k").headers
        assert "Idempotent-Replayed" not in order(client).headers
        assert credits(client) == 98


def test_a_refusal_before_the_charge_leaves_the_key_free(sandbox: Sandbox) -> None:
    with customer(sandbox, credits=0) as (client, name):
        assert code(order(client, key="k", prompt="")) == "validation_failed"
        assert code(order(client, key="k")) == "insufficient_credits"
        admin.add_credits(sandbox.data, 1, account=name)
        accepted = order(client, key="k")
        assert accepted.status_code == 202
        assert "Idempotent-Replayed" not in accepted.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_key_must_be_short_and_printable(sandbox: Sandbox, key: str) -> None:
    with customer(sandbox) as (client, _):
        assert code(order(client, key=key)) == "validation_failed"


def test_keys_are_known_after_a_restart_and_forgotten_after_a_day(tmp_path: Path) -> None:
    answers = []
    for hours in (0, 23, 25):
        with (
            running(tmp_path, clock=partial(float, 1e9 + hours * 3600)) as sandbox,
            calling(sandbox) as client,
        ):
            answers.append(order(client, key="k").json()["id"])
    assert answers[0] == answers[1] != answers[2]
