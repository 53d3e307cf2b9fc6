"""Chat steps: what is asked again, what it costs, and answers that nobody expects."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rivya_client.types import ChatMessage
from rivya_flows.engine.run import RunOptions
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import codes, executed, started
from support.engine_runs import Bomb, DirectCalls, Studio, accounts_agree, customer

SCRIPT = """
version: 1
name: script
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A line for a lamp}
"""


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


@dataclass
class Rambling(DirectCalls):
    """Lets the first so many chat answers end in the middle, or be something else."""

    answers: int = 0
    instead: str | None = None

    async def __call__(self, function: Any, stage: str, action: Any) -> Any:
        answer = await super().__call__(function, stage, action)
        if stage == "chat" and self.answers > 0:
            self.answers -= 1
            message = ChatMessage(content=self.instead or answer.message.content[:-4])
            return answer.model_copy(update={"message": message})
        return answer


@pytest.mark.parametrize(("wrong", "turns"), [(1, 2), (2, 3), (3, 3)])
def test_an_answer_of_a_wrong_shape_is_asked_again_in_its_session_and_every_turn_is_paid(
    studio: Studio, sandbox: Sandbox, wrong: int, turns: int
) -> None:
    async def once() -> None:
        await studio.start(SCRIPT.replace("lamp}", "lamp, expect: {line: string}}"), "run-1")
        await studio.execute("run-1", calls=Rambling(Bomb(), answers=wrong))

    asyncio.run(once())
    receipt = studio.receipt("run-1")
    assert codes(receipt) == [None if wrong < 3 else "unexpected_answer"]
    assert [row["n"] for row in receipt["ledger"]] == list(range(1, turns + 1))
    assert accounts_agree(studio, sandbox.data, "run-1") == turns
    with closing(Database(sandbox.data)) as database:
        [row] = database.rows("SELECT id FROM accounts WHERE name = ?", studio.account)
        query = "SELECT id FROM chat_sessions WHERE account_id = ?"
        assert len(database.rows(query, row["id"])) == 1
    assert executed(studio)["credits"]["spent"] == turns, "a plain resume asks no more"
    if wrong == 3:
        assert executed(studio, wish=RunOptions(regenerate=("script",)))["status"] == "completed"
        assert accounts_agree(studio, sandbox.data, "run-1") == turns + 1


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("9" * 5000, id="endless number"),
        pytest.param("1e999", id="infinite"),
        pytest.param("NaN", id="no number"),
        pytest.param("[" * 700 + "]" * 700, id="deep"),
    ],
)
def test_an_answer_that_holds_what_no_reader_takes_is_asked_again_like_a_wrong_one(
    studio: Studio, sandbox: Sandbox, more: str
) -> None:
    async def once() -> None:
        await studio.start(SCRIPT.replace("lamp}", "lamp, expect: {line: string}}"), "run-1")
        answer = f'{{"line": "so", "more": {more}}}'
        await studio.execute("run-1", calls=Rambling(Bomb(), answers=1, instead=answer))

    asyncio.run(once())
    receipt = studio.receipt("run-1")
    assert receipt["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_half_a_character_in_an_answer_stops_no_run_that_makes_a_request_of_it(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = """
version: 1
name: listed
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Two things, expect: {things: [string]}}
  stills:
    uses: generate
    foreach: "${{ steps.script.json.things }}"
    with: {model: z-image, prompt: "a ${{ item }}"}
"""

    async def once() -> None:
        await studio.start(text, "run-1")
        answer = r'{"things": ["lamp \ud83d", "chair \ud83e\ude91"]}'
        await studio.execute("run-1", calls=Rambling(Bomb(), answers=1, instead=answer))

    asyncio.run(once())
    receipt = studio.receipt("run-1")
    assert receipt["status"] == "completed"
    assert [item["prompt"] for item in receipt["steps"][1]["items"]] == [
        "a lamp \ufffd",
        "a chair 🪑",
    ]
    assert accounts_agree(studio, sandbox.data, "run-1") == 3


def test_a_chat_session_that_cannot_be_used_is_refused_and_holds_no_credits(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = """
version: 1
name: two-models
inputs: {model: {type: string, default: gpt-5-2-chat}}
steps:
  first: {uses: chat, with: {model: gemini-2-5-flash-chat, message: A line}}
  second:
    uses: chat
    with: {model: "${{ inputs.model }}", message: Another, session: "${{ steps.first.session_id }}"}
"""
    receipt = started(studio, text)
    assert receipt["steps"][1]["items"][0]["code"] == "chat_session_conflict"
    assert [row["status"] for row in receipt["ledger"]] == ["answered", "refused"]
    assert accounts_agree(studio, sandbox.data, "run-1") == receipt["ledger"][0]["final"]
