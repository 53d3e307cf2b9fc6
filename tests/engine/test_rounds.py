"""None of the candidates, twice, on the real engine: stopped anywhere, each round is bought once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import checked
from rivya_flows.queue.events import AnswerGiven, Event, PurchaseIntended, QuestionAsked
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, accounts_agree, customer
from support.samples import sample

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
COST = 2 + 2 + 2 + 3
PERSON = {
    0: Answer((), "warmer light", "ana"),
    1: Answer((), "", "ana"),
    2: Answer(("neon", "studio"), name="ben"),
}


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(shared_sandbox, tmp_path)


async def answer(question: Question) -> Answer | None:
    """What the person says to the candidates of each round."""
    return checked(question, PERSON[question.round])


def outline(receipt: dict[str, Any]) -> Any:
    steps = [(step["id"], step["status"], step["credits"]) for step in receipt["steps"]]
    [hero] = [step["items"][0] for step in receipt["steps"] if step["id"] == "hero"]
    choice = hero["choice"]
    return receipt["status"], steps, choice["notes"], choice["picked"], choice["by"]["name"]


def check(studio: Studio, sandbox: Sandbox, *run_ids: str) -> None:
    """Each round was asked about, answered and bought once, with its notes."""
    assert accounts_agree(studio, sandbox.data, *run_ids) == COST * len(run_ids)
    with studio.context(Bomb()) as home:
        for run_id in run_ids:
            _check_events([entry.event for entry in home.journal.entries(run_id)])


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


def test_two_rounds_are_bought_and_two_of_the_last_are_picked(
    studio: Studio, shared_sandbox: Sandbox
) -> None:
    asyncio.run(studio.start(SPEC, "run-1"))
    asyncio.run(studio.execute("run-1", ask=answer))
    receipt = studio.receipt("run-1")
    assert outline(receipt) == (
        "completed",
        [
            ("stills", "completed", 2),
            ("hero.stills.2", "completed", 2),
            ("hero.stills.3", "completed", 2),
            ("hero", "completed", 0),
            ("film", "completed", 3),
        ],
        ["warmer light", ""],
        ["neon", "studio"],
        "ben",
    )
    third = {
        item["key"]: item["assets"][0]["sha256"]
        for step in receipt["steps"]
        if step["id"] == "hero.stills.3"
        for item in step["items"]
    }
    [film] = [step["items"][0] for step in receipt["steps"] if step["id"] == "film"]
    assert film["parents"] == [third["neon"], third["studio"]]
    check(studio, shared_sandbox, "run-1")


@pytest.mark.parametrize("side", [1, -1], ids=["ahead of", "behind"])
def test_stopping_at_any_group_of_two_rounds_buys_nothing_twice(
    studio: Studio, shared_sandbox: Sandbox, side: int
) -> None:
    async def all_places() -> None:
        smooth = Bomb(gather=0.02)
        await studio.start(SPEC, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth, ask=answer)
        expected, runs = outline(studio.receipt("run-smooth")), ["run-smooth"]
        for number in sample(range(1, smooth.writes - 1), 12, thorough=4):
            runs.append(f"run-{number}")
            await studio.start(SPEC, runs[-1])
            bomb = Bomb(write=side * number, gather=0.02)
            await studio.execute(runs[-1], bomb=bomb, ask=answer)
            await studio.execute(runs[-1], ask=answer)
            assert outline(studio.receipt(runs[-1])) == expected, f"stopped at entry {number}"
        check(studio, shared_sandbox, *runs)

    asyncio.run(all_places())
