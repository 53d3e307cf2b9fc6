"""Questions in real executions: who is asked, what is written first, and what time does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.engine.run import Asker, RunOptions
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import read_choice
from rivya_flows.queue.events import AnswerGiven, Event, QuestionAsked
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer

SPEC = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, timeout: TIMEOUT, on_timeout: first}
  poster:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human}
  film:
    uses: generate
    with: {model: z-image, prompt: "as ${{ steps.hero.key }}"}
outputs:
  film: ${{ steps.film.asset }}
"""
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("questions") / "data") as started:
        yield started


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path)


def execute(studio: Studio, wish: RunOptions | None = None, **options: Any) -> Any:
    asyncio.run(studio.execute("run-1", wish, **options))
    return studio.receipt("run-1")


def start(studio: Studio, timeout: str = "1h") -> None:
    asyncio.run(studio.start(SPEC.replace("TIMEOUT", timeout), "run-1"))


def journal(studio: Studio) -> list[Event]:
    with studio.context(Bomb()) as home:
        return [entry.event for entry in home.journal.entries("run-1")]


def answering(*answers: str | None) -> tuple[Asker, list[Question]]:
    """Someone who gives these answers, one after the other."""
    asked: list[Question] = []
    left = list(answers)

    async def ask(question: Question) -> Answer | None:
        asked.append(question)
        answer = left.pop(0)
        return None if answer is None else read_choice(question, answer, "ana")

    return ask, asked


def given(studio: Studio) -> list[tuple[str, str, str]]:
    found = [event for event in journal(studio) if isinstance(event, AnswerGiven)]
    return [(one.step, one.answer, one.by.channel) for one in found]


def statuses(receipt: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["status"] for step in receipt["steps"]}


def test_questions_stand_in_the_journal_before_anyone_is_asked(studio: Studio) -> None:
    start(studio)
    seen: list[list[str]] = []

    async def ask(question: Question) -> Answer | None:
        seen.append([one.step for one in journal(studio) if isinstance(one, QuestionAsked)])
        return None

    assert execute(studio, ask=ask)["status"] == "suspended"
    assert seen == [["hero", "poster"]]
    execute(studio)
    assert [one.step for one in journal(studio) if isinstance(one, QuestionAsked)] == [
        "hero",
        "poster",
    ]


def test_a_person_who_leaves_after_one_answer_finds_its_film_made(studio: Studio) -> None:
    start(studio)
    ask, asked = answering("neon", None)
    receipt = execute(studio, ask=ask)
    assert [one.step for one in asked] == ["hero", "poster"]
    assert receipt["status"] == "suspended"
    assert statuses(receipt)["film"] == "completed"
    ask, asked = answering("studio")
    assert execute(studio, ask=ask)["status"] == "completed"
    assert [one.step for one in asked] == ["poster"]


def test_a_deadline_that_comes_while_a_person_thinks_answers_for_them(studio: Studio) -> None:
    start(studio, "0.2s")
    asked: list[str] = []

    async def ask(question: Question) -> Answer | None:
        asked.append(question.step)
        if question.step == "hero":
            await asyncio.Event().wait()
        return Answer(("neon",))

    # However busy the machine, it has not passed when the question is put.
    began = datetime.now(UTC)
    assert execute(studio, ask=ask, clock=lambda: began)["status"] == "completed"
    assert asked == ["hero", "poster"]
    assert given(studio) == [("hero", "studio", "deadline"), ("poster", "neon", "terminal")]


def test_a_deadline_that_passed_while_nobody_was_there_answers_on_resume(studio: Studio) -> None:
    start(studio, "0.01s")
    assert statuses(execute(studio))["film"] == "suspended"
    assert given(studio) == []
    found = statuses(execute(studio))
    assert (found["hero"], found["film"]) == ("completed", "completed")
    assert found["poster"] == "suspended"  # it waits for ever
    assert given(studio) == [("hero", "studio", "deadline")]


def test_single_steps_of_a_written_list_are_asked_for_by_their_place(studio: Studio) -> None:
    steps = "".join(
        f"  {name}: {{uses: generate, with: {{model: z-image, prompt: {name}}}}}\n"
        for name in ("lamp", "chair")
    )
    listed = '["${{ steps.lamp }}", "${{ steps.chair }}"]'
    text = f"version: 1\nname: two\nsteps:\n{steps}  hero: {{uses: pick, with: {{from: {listed}, mode: human}}}}\n"
    text += "outputs: {hero: '${{ steps.hero.asset.sha256 }} of ${{ steps.chair.asset.sha256 }}'}\n"
    asyncio.run(studio.start(text, "run-1"))
    ask, asked = answering("1")
    told = execute(studio, ask=ask)
    assert [one.choices for one in asked] == [("0", "1")]
    chosen, _, second = told["outputs"]["hero"].partition(" of ")
    assert chosen == second
