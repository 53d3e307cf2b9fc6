"""The wallet: charged once, settled once, never below zero."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from rivya_sandbox.service import accounts, admin, wallet
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import code, credits, customer, ended, order


def test_a_new_folder_is_granted_credits_once(tmp_path: Path) -> None:
    for _ in range(2):
        with running(tmp_path, credits=70):
            pass
    assert admin.ledger(tmp_path)["balance"] == 70


def test_success_costs_the_price_and_failure_is_refunded(sandbox: Sandbox) -> None:
    with customer(sandbox) as (client, name):
        created = order(client, model="nano-banana-pro")
        assert created.status_code == 202
        assert created.json()["status"] == "queued"
        assert (created.json()["reserved_credits"], created.json()["final_credits"]) == (8, 0)
        assert ended(client, created.json()["id"])["final_credits"] == 8
        admin.set_faults(sandbox.data, "faults: [{on: generation, do: fail, times: 1}]")
        job = ended(client, order(client).json()["id"])
        assert (job["status"], job["final_credits"], job["result"]) == ("failed", 0, None)
        assert job["error"]["code"] == "generation_failed"
        assert credits(client) == 92
        ledger = admin.ledger(sandbox.data, account=name)
    kinds = [(movement["kind"], movement["amount"]) for movement in ledger["movements"]]
    assert kinds == [("grant", 100), ("reserve", -8), ("settle", 0), ("reserve", -1), ("refund", 1)]


def test_a_wallet_is_never_overdrawn_however_many_ask_at_once(sandbox: Sandbox) -> None:
    with customer(sandbox, credits=5) as (client, name):
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: order(client), range(12)))
        accepted = [answer for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code == 402]
        assert (len(accepted), len(refused)) == (5, 7)
        assert {code(answer) for answer in refused} == {"insufficient_credits"}
        for answer in accepted:
            ended(client, answer.json()["id"])
        ledger = admin.ledger(sandbox.data, account=name)
    assert ledger["balance"] == 0
    assert sum(movement["amount"] for movement in ledger["movements"]) == 0
    assert len(ledger["generations"]) == 5


def test_a_job_cannot_be_settled_twice_even_by_a_mistake(tmp_path: Path) -> None:
    with closing(Database(tmp_path)) as database:
        with database.transaction() as transaction:
            account = accounts.account(transaction, "a", now=0)
            wallet.grant(transaction, account, 5, now=0)
            wallet.reserve(transaction, account, 5, "task_1", now=0)
            wallet.refund(transaction, account, 5, "task_1", now=0)
        with pytest.raises(Exception, match="UNIQUE"), database.transaction() as transaction:
            wallet.settle(transaction, account, 5, "task_1", now=0)
        with pytest.raises(Refusal), database.transaction() as transaction:
            wallet.reserve(transaction, account, 6, "task_2", now=0)
        assert wallet.balance(database, account) == 5
