"""Picks with a judge at the sandbox: what it costs, what nonsense does, and who decides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rivya_client.types import ChatMessage
from rivya_flows.engine.run import RunOptions
from rivya_flows.questions.question import Answer, Question
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import CHAT, executed, started
from support.engine_runs import Bomb, DirectCalls, Studio, accounts_agree, customer, order
from support.judged_picks import judged_spec

NINE = [f"s{number}" for number in range(9)]


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


@dataclass
class Instead(DirectCalls):
    """Gives other answers of the judge, one after the other; None in them is the right one."""

    answers: list[str | None] = field(default_factory=list)

    async def __call__(self, function: Any, stage: str, action: Any) -> Any:
        answer = await super().__call__(function, stage, action)
        instead = self.answers.pop(0) if stage == "chat" and self.answers else None
        if instead is None:
            return answer
        return answer.model_copy(update={"message": ChatMessage(content=instead)})


def run_with(studio: Studio, text: str, *answers: str | None) -> dict[str, Any]:
    """The receipt of a run whose judge answers so at first."""

    async def once() -> None:
        await studio.start(text, "run-1")
        await studio.execute("run-1", calls=Instead(Bomb(), answers=list(answers)))

    asyncio.run(once())
    return studio.receipt("run-1")


def scores(*given: float) -> str:
    listed = [{"candidate": n, "score": s, "reason": "so"} for n, s in enumerate(given, 1)]
    return json.dumps({"scores": listed})


def rows(receipt: dict[str, Any], step: str = "hero") -> Sequence[dict[str, Any]]:
    return [row for row in receipt["ledger"] if row["step"] == step]


def test_a_judge_that_sees_nine_pictures_is_two_chats_and_its_best_becomes_the_film(
    studio: Studio, sandbox: Sandbox
) -> None:
    receipt = started(studio, judged_spec(styles=NINE))
    assert receipt["status"] == "completed"
    assert [(row["n"], row["route"], row["final"]) for row in rows(receipt)] == [
        (1, "chat", 1),
        (2, "chat", 1),
    ]
    assert accounts_agree(studio, sandbox.data, "run-1") == 9 + 2 + 3


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_nonsense_is_asked_again_and_every_turn_is_paid_and_in_the_ledger(
    studio: Studio, sandbox: Sandbox, wrong: int
) -> None:
    receipt = run_with(studio, judged_spec(), *[scores(11, 5)] * wrong)
    failed = wrong == 3
    [pick] = receipt["steps"][1]["items"]
    assert pick["code"] == ("unexpected_answer" if failed else None)
    turns = min(wrong + 1, 3)
    assert [row["n"] for row in rows(receipt)] == list(range(1, turns + 1))
    assert accounts_agree(studio, sandbox.data, "run-1") == 3 + turns + (0 if failed else 3)
    if failed:
        told = executed(studio)
        assert len(rows(told)) == turns, "a plain resume asks no more"
        assert executed(studio, wish=RunOptions(regenerate=("hero",)))["status"] == "completed"
        assert accounts_agree(studio, sandbox.data, "run-1") == 3 + turns + 1 + 3


def test_a_person_is_asked_with_the_scores_and_the_judge_is_bought_once(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = judged_spec("human", more="count: 2")
    receipt = run_with(studio, text, scores(3, 9, 6))
    assert receipt["status"] == "suspended"
    assert accounts_agree(studio, sandbox.data, "run-1") == 4
    assert executed(studio)["credits"]["spent"] == 4

    async def ask(question: Question) -> Answer:
        assert question.proposal == ("neon", "noir")
        return Answer(("noir", "neon"))

    asyncio.run(studio.execute("run-1", ask=ask))
    assert studio.receipt("run-1")["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 4 + 3


def test_a_judge_that_is_refused_or_out_of_reach_is_bought_by_a_resume_under_one_key(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, f'on: "{CHAT}", do: drop_after_commit, times: 1')
    receipt = started(studio, judged_spec())
    order(sandbox)
    if receipt["status"] != "completed":
        receipt = executed(studio)
    assert receipt["status"] == "completed"
    assert len({row["idempotency_key"] for row in rows(receipt)}) == 1
    assert accounts_agree(studio, sandbox.data, "run-1") == 3 + 1 + 3
