"""A review with a round on the real engine: stopped anywhere, on both databases, the round is bought once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest

from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import check_answer
from rivya_flows.queue.events import AnswerGiven, PurchaseIntended, QuestionAsked
from support.databases import BACKENDS, fresh_store
from support.engine_runs import Bomb, Studio, items_of
from support.samples import sample

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: reviewed
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: lamp}
  copy:
    uses: generate
    with: {model: nano-banana, prompt: same, references: ["${{ steps.still.asset }}"]}
  sign_off:
    uses: review
    with:
      media: ["${{ steps.copy.asset }}"]
      reviewers: [legal, brand]
      changes: {redo: [still], rounds: 2}
      timeout: 1h
outputs: {media: "${{ steps.sign_off.media }}"}
"""
CREDITS = {"still": 1, "copy": 3, "sign_off.still.2": 1, "sign_off.copy.2": 3, "sign_off": 0}


async def answer(question: Question) -> Answer | None:
    """What the reviewers say: legal wants changes in the first round, then both approve."""
    by = "brand" if question.responses else "legal"
    given = Answer(("approve",), "", by)
    if by == "legal" and not question.round:
        given = Answer(("changes",), "0:04 the logo is cut", by)
    return check_answer(question, given)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("side", [1, -1], ids=["ahead of", "behind"])
def test_a_round_is_bought_once_and_each_answer_counts_once_wherever_a_run_stops(
    studio: Studio, side: int, backend: str
) -> None:
    studio = replace(studio, store=fresh_store(backend, studio.folder))

    async def all_places() -> None:
        smooth, runs = Bomb(gather=0.02), ["run-smooth"]
        await studio.start(SPEC, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth, ask=answer)
        for number in sample(range(1, smooth.writes - 1), 8, thorough=4):
            runs.append(f"run-{number}")
            await studio.start(SPEC, runs[-1])
            bomb = Bomb(write=side * number, gather=0.02)
            await studio.execute(runs[-1], bomb=bomb, ask=answer)
            await studio.execute(runs[-1], ask=answer)
        check(studio, *runs)

    asyncio.run(all_places())


def check(studio: Studio, *run_ids: str) -> None:
    assert studio.audit(*run_ids) == sum(CREDITS.values()) * len(run_ids)
    for run_id in run_ids:
        receipt, events = studio.receipt(run_id), studio.events(run_id)
        assert receipt["status"] == "completed", run_id
        spent = {step["id"]: step["credits"] for step in receipt["steps"]}
        assert spent == {**CREDITS, "sign_off.still.3": 0, "sign_off.copy.3": 0}
        [sign_off], [second] = items_of(receipt, "sign_off"), items_of(receipt, "sign_off.copy.2")
        review = sign_off["choice"]["review"]
        said = [(one["round"], one["by"]["name"], one["answer"]) for one in review["answers"]]
        assert said == [
            (0, "legal", "changes"),
            (0, "brand", "approve"),
            (1, "legal", "approve"),
            (1, "brand", "approve"),
        ]
        assert receipt["outputs"]["media"][0]["sha256"] == second["assets"][0]["sha256"]
        asked = Counter(one.round for one in events if isinstance(one, QuestionAsked))
        answered = Counter(one.round for one in events if isinstance(one, AnswerGiven))
        assert (asked, answered) == ({0: 1, 1: 1}, {0: 2, 1: 2})
        bought = [one for one in events if isinstance(one, PurchaseIntended)]
        prompts = [json.loads(one.body)["prompt"] for one in bought]
        assert prompts == ["lamp", "same", "lamp, 0:04 the logo is cut", "same"]
