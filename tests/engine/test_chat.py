"""Chat steps: what is asked again, what it costs, and answers that nobody expects."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from rivya_flows.engine.run import RunOptions
from rivya_flows.questions.question import Answer, Question
from rivya_sandbox.service.database import Database
from support.engine_runs import LINE, Studio, answering, codes
from support.judged_picks import judged_spec

EXPECTING = LINE.replace("lamp}", "lamp, expect: {line: string}}")
LISTED = """
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
TWO_MODELS = """
version: 1
name: two-models
inputs: {model: {type: string, default: gpt-5-2-chat}}
steps:
  first: {uses: chat, with: {model: gemini-2-5-flash-chat, message: A line}}
  second:
    uses: chat
    with: {model: "${{ inputs.model }}", message: Another, session: "${{ steps.first.session_id }}"}
"""


@pytest.mark.parametrize(("wrong", "turns"), [(1, 2), (3, 3)])
def test_an_answer_of_a_wrong_shape_is_asked_again_in_its_session_and_every_turn_is_paid(
    studio: Studio, wrong: int, turns: int
) -> None:
    studio.prepared(EXPECTING)
    receipt = studio.executed(calls=answering(*['{"line": "so'] * wrong))
    assert codes(receipt) == [None if wrong < 3 else "unexpected_answer"]
    assert [row["n"] for row in receipt["ledger"]] == list(range(1, turns + 1))
    assert studio.audit() == turns
    with closing(Database(studio.data)) as database:
        [row] = database.rows("SELECT id FROM accounts WHERE name = ?", studio.account)
        query = "SELECT id FROM chat_sessions WHERE account_id = ?"
        assert len(database.rows(query, row["id"])) == 1
    assert studio.executed()["credits"]["spent"] == turns, "a plain resume asks no more"
    if wrong == 3:
        again = studio.executed(wish=RunOptions(regenerate=("script",)))
        assert again["status"] == "completed"
        assert studio.audit() == turns + 1


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
    studio: Studio, more: str
) -> None:
    studio.prepared(EXPECTING)
    answer = f'{{"line": "so", "more": {more}}}'
    assert studio.executed(calls=answering(answer))["status"] == "completed"
    assert studio.audit() == 2


def test_half_a_character_in_an_answer_stops_no_run_that_makes_a_request_of_it(
    studio: Studio,
) -> None:
    studio.prepared(LISTED)
    answer = r'{"things": ["lamp \ud83d", "chair \ud83e\ude91"]}'
    receipt = studio.executed(calls=answering(answer))
    assert receipt["status"] == "completed"
    prompts = [item["prompt"] for item in receipt["steps"][1]["items"]]
    assert prompts == ["a lamp \ufffd", "a chair 🪑"]
    assert studio.audit() == 3


def test_a_chat_session_that_cannot_be_used_is_refused_and_holds_no_credits(studio: Studio) -> None:
    receipt = studio.started(TWO_MODELS)
    assert receipt["steps"][1]["items"][0]["code"] == "chat_session_conflict"
    assert [row["status"] for row in receipt["ledger"]] == ["answered", "refused"]
    assert studio.audit() == receipt["ledger"][0]["final"]


def test_a_judge_is_bought_as_chats_and_a_person_is_asked_once_with_its_scores(
    studio: Studio,
) -> None:
    """Nine pictures are two chats; one more is for an answer of nonsense."""
    nine = [f"s{number}" for number in range(9)]

    def scores(*given: float) -> str:
        listed = [{"candidate": n, "score": s, "reason": "so"} for n, s in enumerate(given, 1)]
        return json.dumps({"scores": listed})

    studio.prepared(judged_spec("human", styles=nine, more="count: 2"))
    answers = scores(11, *range(1, 8)), scores(*range(1, 9)), scores(7.5)
    receipt = studio.executed(calls=answering(*answers))
    assert receipt["status"] == "suspended"
    rows = [row for row in receipt["ledger"] if row["step"] == "hero"]
    assert [(row["n"], row["route"], row["final"]) for row in rows] == [
        (number, "chat", 1) for number in (1, 2, 3)
    ]
    assert studio.audit() == 9 + 3
    assert studio.executed()["credits"]["spent"] == 9 + 3

    async def ask(question: Question) -> Answer:
        assert question.proposal == ("s7", "s8")
        return Answer(("s0", "s8"))

    assert studio.executed(ask=ask)["status"] == "completed"
    assert studio.audit() == 9 + 3 + 3
