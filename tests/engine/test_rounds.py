"""None of the candidates, twice, on the real engine: stopped anywhere, each round is bought once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence

import pytest

from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import check_answer
from rivya_flows.queue.events import AnswerGiven, Event, PurchaseIntended, QuestionAsked
from support.engine_runs import Bomb, Studio, items_of
from support.samples import sample

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: rounds
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: human
      count: 2
      none: {rounds: 2}
      timeout: 1h
  film:
    uses: generate
    with: {model: nano-banana, prompt: both, references: "${{ steps.hero.assets }}"}
outputs:
  film: ${{ steps.film.asset }}
"""
PERSON = {
    0: Answer((), "warmer light", "ana"),
    1: Answer((), "", "ana"),
    2: Answer(("neon", "studio"), name="ben"),
}


async def answer(question: Question) -> Answer | None:
    """What the person says to the candidates of each round."""
    return check_answer(question, PERSON[question.round])


def check(studio: Studio, *run_ids: str) -> None:
    """Each round was asked about, answered and bought once, with its notes; two were picked."""
    credits = {"stills": 2, "hero.stills.2": 2, "hero.stills.3": 2, "hero": 0, "film": 3}
    assert studio.audit(*run_ids) == sum(credits.values()) * len(run_ids)
    for run_id in run_ids:
        receipt = studio.receipt(run_id)
        assert receipt["status"] == "completed", run_id
        assert {step["id"]: step["credits"] for step in receipt["steps"]} == credits
        [hero], [film] = items_of(receipt, "hero"), items_of(receipt, "film")
        choice = hero["choice"]
        assert (choice["notes"], choice["picked"]) == (["warmer light", ""], ["neon", "studio"])
        assert choice["by"]["name"] == "ben"
        third = {
            one["key"]: one["assets"][0]["sha256"] for one in items_of(receipt, "hero.stills.3")
        }
        assert film["parents"] == [third["neon"], third["studio"]]
        _check_events(studio.events(run_id))


def _check_events(events: Sequence[Event]) -> None:
    asked = Counter(one.round for one in events if isinstance(one, QuestionAsked))
    answered = Counter(one.round for one in events if isinstance(one, AnswerGiven))
    assert asked == answered == {0: 1, 1: 1, 2: 1}
    prompts = {
        (one.step, one.key): json.loads(one.body)["prompt"]
        for one in events
        if isinstance(one, PurchaseIntended)
    }
    assert prompts["stills", "neon"] == "lamp, neon"
    for step in ("hero.stills.2", "hero.stills.3"):
        assert prompts[step, "neon"] == "lamp, neon, warmer light"


@pytest.mark.parametrize("side", [1, -1], ids=["ahead of", "behind"])
def test_two_rounds_are_bought_once_each_and_two_of_the_last_picked_wherever_a_run_stops(
    studio: Studio, side: int
) -> None:
    async def all_places() -> None:
        smooth, runs = Bomb(gather=0.02), ["run-smooth"]
        await studio.start(SPEC, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth, ask=answer)
        for number in sample(range(1, smooth.writes - 1), 12, thorough=4):
            runs.append(f"run-{number}")
            await studio.start(SPEC, runs[-1])
            bomb = Bomb(write=side * number, gather=0.02)
            await studio.execute(runs[-1], bomb=bomb, ask=answer)
            await studio.execute(runs[-1], ask=answer)
        check(studio, *runs)

    asyncio.run(all_places())
