"""What the command line tells of questions, their deadlines, and picks that nobody made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rivya_flows.cli.answers import commands, open_questions, read_answers
from rivya_flows.cli.asking import form
from rivya_flows.cli.progress import news
from rivya_flows.errors import UsageError
from rivya_flows.planning.questions.open_questions import asking
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnswerGiven, QuestionsLeft, Stamped
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

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
    with: {from: "${{ steps.stills.items }}", mode: human, timeout: 1h, on_timeout: fail}
"""
HERO = Question("hero", "", "Which one?", ("studio", "neon"))


def past_its_deadline() -> Rehearsal:
    run = Rehearsal(frozen(SPEC), NaiveService())
    run.take_up()
    run.run()
    for question in run.asked[-1].questions:
        run.feed(asking(question, NOON))
    run.feed(QuestionsLeft(at=NOON))
    run.take_up(at=NOON + timedelta(hours=2))
    run.run()
    assert run.ended == ["suspended", "failed"]
    return run


def entries(run: Rehearsal) -> list[Stamped]:
    return [Stamped(number, 0.0, event) for number, event in enumerate(run.journal, 1)]


def test_a_prompt_tells_until_when_it_is_open_and_what_follows() -> None:
    due = replace(HERO, deadline=NOON, on_timeout="first")
    assert form(due, {}) == [
        "Which one?",
        "Open until 2026-11-25 12:00 UTC; after that the first one is taken.",
        "  1  studio",
        "  2  neon",
    ]
    assert form(HERO, {})[1] == "  1  studio"


def test_an_answer_of_the_deadline_is_told_as_such() -> None:
    run = past_its_deadline()
    event = AnswerGiven(step="hero", key="", answer="studio", by="deadline")
    [line] = news(run.state, event, run.state)
    assert line == "hero: nobody answered in time; studio is taken"


def test_a_pick_that_its_deadline_failed_is_offered_for_an_answer() -> None:
    run = past_its_deadline()
    late = open_questions(entries(run))
    assert commands("run-1", late) == (
        "rivya-flows resume run-1 --answer hero=studio",
        "rivya-flows resume run-1 --answer hero=neon",
    )
    [answer] = read_answers(["hero=neon"], late, run.state)
    assert (answer.answer, answer.by) == ("neon", "command")
    with pytest.raises(UsageError, match="no choice is called 'noir'"):
        read_answers(["hero=noir"], late, run.state)
