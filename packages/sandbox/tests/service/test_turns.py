"""Chat turns in the background."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_sandbox.service import admin, catalogue, chat, idempotency
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.options import FRIENDLY
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from rivya_sandbox.service.turns import in_pieces
from support.sandbox_calls import calling, code, credits, customer

URL = "/api/v1/chat/completions"

MODEL = "gpt-5-2-chat"


def say(client: httpx.Client, *, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(
        URL, json={"model": MODEL, "message": "A lamp, please", **body}, headers=headers
    )


def test_equal_requests_at_once_make_one_turn_and_one_charge(sandbox: Sandbox) -> None:
    with customer(sandbox) as (client, name):
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: say(client, key="k"), range(10)))
        running_still = [answer for answer in answers if answer.status_code == 409]
        assert all(code(answer) == "idempotency_conflict" for answer in running_still)
        assert all(answer.headers["Retry-After"] for answer in running_still)
        assert len({answer.text for answer in answers if answer.status_code == 200}) == 1
        assert say(client, key="k").headers["Idempotent-Replayed"] == "true"
        assert code(say(client, key="k", message="Other")) == "idempotency_conflict"
        movements = admin.ledger(sandbox.data, account=name)["movements"]
    assert [movement["kind"] for movement in movements] == ["grant", "reserve", "settle"]
    assert movements[1]["task_id"].startswith("chatcmpl_")


def test_a_turn_of_a_killed_process_is_refunded_and_its_key_is_free(tmp_path: Path) -> None:
    body = {"model": MODEL, "message": "Hello"}
    with running(tmp_path):
        pass
    # What a kill between the charge and the answer leaves behind.
    database = Database(tmp_path)
    account_id = database.rows("SELECT id FROM accounts")[0]["id"]
    asked = chat.check(database, catalogue.shipped(), account_id, body)
    claim = idempotency.claim(account_id, chat.ROUTE, "k", body)
    with database.transaction() as transaction:
        chat.begin(
            transaction,
            asked,
            account_id=account_id,
            route=chat.ROUTE,
            claim=claim,
            profile=FRIENDLY,
            now=1.0,
        )
    database.close()
    assert admin.ledger(tmp_path)["balance"] == 997
    with running(tmp_path) as sandbox, calling(sandbox) as client:
        assert credits(client) == 1000
        assert client.get("/api/v1/chat/sessions").json()["data"] == []
        again = say(client, key="k", message="Hello")
        assert again.status_code == 200
        assert "Idempotent-Replayed" not in again.headers
    movements = admin.ledger(tmp_path)["movements"]
    kinds = [movement["kind"] for movement in movements]
    assert kinds == ["grant", "reserve", "refund", "reserve", "settle"]


@pytest.mark.parametrize("text", ["a", "two words", " a\n\n  b ", "word " * 500, '{"a": "b c"}'])
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    pieces = in_pieces(text)
    assert "".join(pieces) == text
    assert 1 <= len(pieces) <= 40
