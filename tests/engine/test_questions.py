"""Questions in real executions: who is asked, what is written first, and what time does."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from rivya_flows.engine.run import Asker, Run
from rivya_flows.questions.question import Answer, Question, QuestionName
from rivya_flows.questions.reading_answers import read_choice
from rivya_flows.queue.events import AnswerGiven, QuestionAsked
from rivya_flows.store import mailbox
from support.engine_runs import Bomb, Studio

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
LISTED = """
version: 1
name: two
steps:
  lamp: {uses: generate, with: {model: z-image, prompt: lamp}}
  chair: {uses: generate, with: {model: z-image, prompt: chair}}
  hero: {uses: pick, with: {from: ["${{ steps.lamp }}", "${{ steps.chair }}"], mode: human}}
outputs: {same: "${{ steps.hero.asset.sha256 == steps.chair.asset.sha256 }}"}
"""


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
    found = [event for event in studio.events() if isinstance(event, AnswerGiven)]
    return [(one.step, one.answer, one.by.channel) for one in found]


def statuses(receipt: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["status"] for step in receipt["steps"]}


def test_questions_stand_in_the_journal_before_anyone_is_asked(studio: Studio) -> None:
    studio.prepared(SPEC.replace("TIMEOUT", "1h"))
    seen: list[list[str]] = []

    def journaled() -> list[str]:
        return [one.step for one in studio.events() if isinstance(one, QuestionAsked)]

    async def ask(question: Question) -> Answer | None:
        seen.append(journaled())
        return None

    assert studio.executed(ask=ask)["status"] == "suspended"
    assert seen == [["hero", "poster"]]
    studio.executed()
    assert journaled() == ["hero", "poster"]


def test_a_person_who_leaves_after_one_answer_finds_its_film_made(studio: Studio) -> None:
    studio.prepared(SPEC.replace("TIMEOUT", "1h"))
    ask, asked = answering("neon", None)
    receipt = studio.executed(ask=ask)
    assert [one.step for one in asked] == ["hero", "poster"]
    assert (receipt["status"], statuses(receipt)["film"]) == ("suspended", "completed")
    ask, asked = answering("studio")
    assert studio.executed(ask=ask)["status"] == "completed"
    assert [one.step for one in asked] == ["poster"]


def test_a_deadline_that_comes_while_a_person_thinks_answers_for_them(studio: Studio) -> None:
    studio.prepared(SPEC.replace("TIMEOUT", "0.2s"))
    asked: list[str] = []

    async def ask(question: Question) -> Answer:
        asked.append(question.step)
        if question.step == "hero":
            await asyncio.Event().wait()
        return Answer(("neon",))

    # However busy the machine, it has not passed when the question is put.
    began = datetime.now(UTC)
    assert studio.executed(ask=ask, clock=lambda: began)["status"] == "completed"
    assert asked == ["hero", "poster"]
    assert given(studio) == [("hero", "studio", "deadline"), ("poster", "neon", "terminal")]


def test_a_deadline_that_passed_while_nobody_was_there_answers_on_resume(studio: Studio) -> None:
    receipt = studio.started(SPEC.replace("TIMEOUT", "0.01s"))
    assert (statuses(receipt)["film"], given(studio)) == ("suspended", [])
    found = statuses(studio.executed())
    assert (found["hero"], found["film"]) == ("completed", "completed")
    assert found["poster"] == "suspended"  # it waits for ever
    assert given(studio) == [("hero", "studio", "deadline")]


def test_single_steps_of_a_written_list_are_asked_for_by_their_place(studio: Studio) -> None:
    studio.prepared(LISTED)
    ask, asked = answering("1")
    assert studio.executed(ask=ask)["outputs"] == {"same": True}
    assert [one.choices for one in asked] == [("0", "1")]


def put(studio: Studio, answer: Answer, question: QuestionName = ("hero", "", 0)) -> None:
    with studio.context(Bomb()) as context:
        mailbox.put(context.journal.engine, "run-1", question, answer, datetime.now(UTC))


def linked(picked: str, name: str = "Legal") -> Answer:
    return Answer((picked,), name=name, channel="link")


def soon(run: Run) -> None:
    run.look_seconds = 0.01


def test_an_answer_from_outside_ends_the_asking_of_the_person_who_is_there(studio: Studio) -> None:
    studio.prepared(SPEC.replace("TIMEOUT", "1h"))
    asked: list[str] = []

    async def ask(question: Question) -> Answer | None:
        asked.append(question.step)
        if question.step == "hero":
            put(studio, linked("orange"))  # which is no choice
            put(studio, linked("neon", "Brand"))
            await asyncio.Event().wait()
        return None

    assert studio.executed(ask=ask, prepare=soon)["status"] == "suspended"
    assert asked == ["hero", "poster"]
    assert given(studio) == [("hero", "neon", "link")]


def test_answers_that_waited_are_taken_before_anybody_is_asked(studio: Studio) -> None:
    studio.prepared(SPEC.replace("TIMEOUT", "1h"))
    put(studio, linked("neon"))
    put(studio, linked("studio", "Brand"))  # too late: the question is closed by then
    put(studio, linked("studio"), ("poster", "", 0))
    assert studio.executed(ask=None)["status"] == "completed"
    assert given(studio) == [("hero", "neon", "link"), ("poster", "studio", "link")]
    with studio.context(Bomb()) as context:
        assert mailbox.waiting(context.journal.engine, "run-1") == []


def test_an_answer_that_came_before_the_deadline_counts_however_late_it_is_seen(
    studio: Studio,
) -> None:
    studio.prepared(SPEC.replace("TIMEOUT", "1s"))

    async def ask(question: Question) -> Answer | None:
        if question.step == "hero":
            await asyncio.sleep(0.3)  # the mailbox was looked into
            put(studio, linked("neon"))
            await asyncio.Event().wait()
        return None

    def late(run: Run) -> None:
        run.look_seconds = 600

    assert studio.executed(ask=ask, prepare=late)["status"] == "suspended"
    assert given(studio) == [("hero", "neon", "link")]


TWO_CLOCKS = SPEC.replace("TIMEOUT", "1h").replace(
    "poster:\n    uses: pick\n    with: {",
    "poster:\n    uses: pick\n    with: {timeout: 0.2s, on_timeout: first, ",
)
LATER = SPEC.replace("TIMEOUT", "1h").replace(
    "outputs:",
    """  last:
    uses: pick
    with: {from: ["${{ steps.film }}"], mode: human, timeout: 2h}
outputs:""",
)


def asked_until(studio: Studio) -> dict[str, bool]:
    """The questions that were asked, and whether they have a deadline."""
    found = [one for one in studio.events() if isinstance(one, QuestionAsked)]
    assert len({one.step for one in found}) == len(found)
    return {one.step: one.deadline is not None for one in found}


def test_the_deadline_of_each_question_takes_effect_while_a_person_thinks_about_another(
    studio: Studio,
) -> None:
    studio.prepared(TWO_CLOCKS)
    asked: list[str] = []

    async def ask(question: Question) -> Answer:
        asked.append(question.step)
        if len(asked) == 1:
            await asyncio.sleep(20)
        return Answer(("neon",))

    assert studio.executed(ask=ask)["status"] == "completed"
    assert asked == ["hero", "hero"]
    assert given(studio) == [("poster", "studio", "deadline"), ("hero", "neon", "terminal")]


def test_deadlines_that_passed_one_after_the_other_take_effect_together(studio: Studio) -> None:
    studio.started(TWO_CLOCKS.replace("1h", "0.3s"))
    time.sleep(0.4)
    assert studio.executed()["status"] == "completed"
    assert [(one, by) for one, _, by in given(studio)] == [
        ("hero", "deadline"),
        ("poster", "deadline"),
    ]


def test_a_question_that_opens_after_the_person_left_has_its_deadline(studio: Studio) -> None:
    studio.prepared(LATER)
    ask, asked = answering("neon", None)
    assert studio.executed(ask=ask)["status"] == "suspended"
    assert [one.step for one in asked] == ["hero", "poster"]
    assert asked_until(studio) == {"hero": True, "poster": False, "last": True}


def test_a_question_that_opens_while_another_is_asked_has_its_deadline_from_then_on(
    studio: Studio,
) -> None:
    studio.prepared(LATER)
    asked: list[str] = []

    async def ask(question: Question) -> Answer | None:
        asked.append(question.step)
        if len(asked) == 2:  # poster, until what follows hero is asked
            await asyncio.sleep(20)
        if len(asked) == 3:
            assert "last" in asked_until(studio)
        return Answer(("neon",)) if question.step == "hero" else None

    assert studio.executed(ask=ask, prepare=soon)["status"] == "suspended"
    assert asked == ["hero", "poster", "poster"]


def test_a_question_that_opens_as_a_deadline_closes_the_last_one_is_asked_once(
    studio: Studio,
) -> None:
    hero = SPEC.index("  poster:")
    spec = SPEC[:hero].replace("TIMEOUT, on_timeout: first", "0.3s")
    pick = 'with: {from: "${{ steps.stills.items }}", mode: human}'
    studio.prepared(f"{spec}on_failure:\n  instead:\n    uses: pick\n    {pick}\n")
    asked: list[str] = []

    async def ask(question: Question) -> Answer:
        asked.append(question.step)
        if question.step == "hero":
            await asyncio.sleep(20)
        return Answer(("neon",))

    assert studio.executed(ask=ask)["status"] == "failed"
    assert asked == ["hero", "instead"]
    assert asked_until(studio) == {"hero": True, "instead": False}
