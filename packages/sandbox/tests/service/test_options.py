"""The hostile profile, and short lifetimes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.options import HOSTILE
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, code, credits, ended, fetch, order


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


def test_a_hostile_service_keeps_refusals_for_their_key(tmp_path: Path) -> None:
    with running(tmp_path, profile="hostile", credits=1) as sandbox, calling(sandbox) as client:
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


def test_a_stored_refusal_does_not_replace_an_earlier_answer(tmp_path: Path) -> None:
    with running(tmp_path, profile="hostile") as sandbox, calling(sandbox) as client:
        bought = order(client, key="k")
        wrong = order(client, key="k", params={"unknown": 1})
        assert (wrong.status_code, code(wrong)) == (400, "validation_failed")
        again = order(client, key="k")
        assert (again.status_code, again.json()) == (201, bought.json())
        assert again.headers["Idempotent-Replayed"] == "true"


def test_result_urls_of_a_hostile_service_expire_and_are_renewed(tmp_path: Path) -> None:
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


def test_an_expired_key_buys_again(tmp_path: Path) -> None:
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
