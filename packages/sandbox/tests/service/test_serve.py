"""The sandbox as a process: its ready line, signals, and recovery from a kill."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from support.sandbox_calls import PATIENCE, calling, ended, order, process


def test_jobs_of_a_killed_process_are_finished_by_the_next_and_charged_once(tmp_path: Path) -> None:
    # No job ends before the kill; for the next process it is an hour later.
    with process(tmp_path, "--time-scale", "100") as (sandbox, child), calling(sandbox) as client:
        tasks = [order(client, key=str(number)).json()["id"] for number in range(5)]
        child.send_signal(signal.SIGKILL)
        child.wait()
    before = admin.ledger(tmp_path)
    assert len(before["generations"]) == 5
    assert {job["final_credits"] for job in before["generations"]} == {0}
    later = running(tmp_path, clock=lambda: time.time() + 3600)
    with later as sandbox, calling(sandbox) as client:
        assert order(client, key="0").json()["id"] == tasks[0]
        jobs = [ended(client, task_id) for task_id in tasks]
        assert [(job["status"], job["final_credits"]) for job in jobs] == [("succeeded", 1)] * 5
    ledger = admin.ledger(tmp_path)
    assert ledger["balance"] == sum(movement["amount"] for movement in ledger["movements"]) == 995
    settled = [one["task_id"] for one in ledger["movements"] if one["kind"] == "settle"]
    assert sorted(settled) == sorted(tasks)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_in_the_middle_of_a_job(
    tmp_path: Path, number: signal.Signals
) -> None:
    slow = ("--credits", "7", "--time-scale", "100")
    with process(tmp_path, *slow) as (sandbox, child), calling(sandbox) as client:
        order(client)
        assert admin.ledger(tmp_path)["balance"] == 6
        child.send_signal(number)
        assert child.wait(PATIENCE) == 0
    assert [job["status"] for job in admin.ledger(tmp_path)["generations"]] == ["queued"]


def test_keys_credits_and_ledger_work_while_it_serves(tmp_path: Path) -> None:
    with running(tmp_path) as sandbox:
        key = admin.create_key(tmp_path)
        admin.add_credits(tmp_path, 11)
        with calling(sandbox, key["api_key"]) as client:
            assert client.get("/api/v1/credits").json() == {"current_credits": 1011}
            job = order(client, key="k", client_request_id="r").json()
            ended(client, job["id"])
    assert admin.ledger(tmp_path)["generations"] == [
        {
            "id": job["id"],
            "model": "z-image",
            "status": "succeeded",
            "idempotency_key": "k",
            "reserved_credits": 1,
            "final_credits": 1,
            "client_request_id": "r",
        }
    ]


def test_each_start_makes_a_key_and_the_earlier_ones_stay_good(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        pass
    with running(tmp_path) as second, calling(second, first.api_key) as client:
        assert first.api_key != second.api_key
        assert client.get("/api/v1/credits").status_code == 200
