"""The sandbox's wallet and Idempotency-Keys: charged once, settled once, never below zero."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from rivya_sandbox.service import accounts, admin, catalogue, wallet
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.prices import price
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import calling, code, credits, customer, ended, order

CATALOGUE = catalogue.shipped()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("money") / "data") as sandbox:
        yield sandbox


def test_a_new_folder_is_granted_credits_once(tmp_path: Path) -> None:
    for _ in range(2):
        with running(tmp_path, credits=70):
            pass
    assert admin.ledger(tmp_path)["balance"] == 70


def test_success_takes_the_price_and_failure_gives_it_back(sandbox: Sandbox) -> None:
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
    assert kinds == [
        ("grant", 100),
        ("reserve", -8),
        ("settle", 0),
        ("reserve", -1),
        ("refund", 1),
    ]


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


@pytest.mark.parametrize(
    ("model", "params", "prompt", "credits"),
    [
        ("z-image", {}, "x", 1),
        ("z-image", {"aspect_ratio": "9:16"}, "x", 1),
        ("nano-banana-2", {"resolution": "4K"}, "x", 12),  # 5 × 1.5²
        ("wan-2-7-image", {"resolution": "1K"}, "x", 5),  # never below the base price
        ("seedream-4-0", {"max_images": 3}, "x", 18),
        ("sora-2", {"n_frames": "15"}, "x", 9),
        ("sora-2-pro", {"size": "standard"}, "x", 75),
        ("sora-2-pro", {"size": "high"}, "x", 113),
        ("kling-3-0", {"duration": "10", "sound": "true"}, "x", 270),
        ("grok-imagine-video", {"mode": "spicy"}, "x", 10),
        ("elevenlabs-turbo-2-5", {}, "x" * 1000, 6),
        ("elevenlabs-turbo-2-5", {}, "x" * 1001, 12),
        ("elevenlabs-dialogue-v3", {"dialogue": [{"text": "x" * 600}] * 2}, "", 28),
        ("elevenlabs-sound-effect-v2", {}, "x", 3),
        ("elevenlabs-sound-effect-v2", {"duration_seconds": 3.5}, "x", 6),
        ("elevenlabs-sound-effect-v2", {"duration_seconds": 0.5}, "x", 3),
    ],
)
def test_prices_grow_from_the_base_price(
    model: str, params: dict[str, object], prompt: str, credits: int
) -> None:
    assert price(CATALOGUE.models[model], params, prompt) == credits
