"""What a run asks, until when, and what a deadline decides: the queue alone, without a clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rivya_flows.questions.open_questions import (
    answerable,
    decide_at_deadline,
    first_deadline,
    open_questions,
    question_asked,
)
from rivya_flows.questions.question import BUDGET, Question
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    ItemFailed,
    QuestionAsked,
    QuestionsLeft,
    RunEnded,
    dump,
    parse,
    unique_name,
)
from rivya_flows.queue.queue import replay
from support.naive_service import NOON, Rehearsal, played


@pytest.mark.parametrize(
    ("step", "key", "text", "title"),
    [
        ("hero", "", "Which?", "Which?"),
        ("hero", "neon", "Which?", "Which? (neon)"),
        ("hero", "neon", "Which one for hero[neon]?", "Which one for hero[neon]?"),
        ("market__de__hero", "", "Which?", "Which? (market__de__hero)"),
        ("market__de__hero", "neon", "Which?", "Which? (market__de__hero[neon])"),
        (BUDGET, "item", "More?", "More?"),
    ],
)
def test_equal_questions_are_told_apart_by_their_title(
    step: str, key: str, text: str, title: str
) -> None:
    assert Question(step, key, text, ("a", "b")).title == title


TWO_PICKS = """
version: 1
name: launch
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
      question: Which one?
      timeout: 1h
      on_timeout: first
  poster: {uses: pick, with: {from: "${{ steps.stills.items }}", mode: human}}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow, references: ["${{ steps.hero.asset }}"]}
"""
HOUR = timedelta(hours=1)


def at_its_questions(on_timeout: str = "first") -> Rehearsal:
    """A run that has just asked, for the first time."""
    run = played(TWO_PICKS.replace("on_timeout: first", f"on_timeout: {on_timeout}"))
    for question in run.asked[-1].questions:
        run.feed(question_asked(question, NOON))
    return run


def left(on_timeout: str = "first", *, answered: bool = False) -> Rehearsal:
    """A run that no one answered, or of which somebody picked the poster."""
    run = at_its_questions(on_timeout)
    if answered:
        run.answer("poster", "neon")
    run.leave()
    assert run.ended == ["suspended"]
    return run


def names(questions: tuple[Question, ...]) -> list[str]:
    return [one.step for one in questions]


def given(run: Rehearsal) -> list[tuple[str, str, str]]:
    return [(one.step, one.answer, one.by.channel) for one in run.events(AnswerGiven)]


def test_all_questions_are_asked_in_one_form_when_nothing_else_goes_on() -> None:
    run = at_its_questions()
    [asked] = run.asked
    assert names(asked.questions) == ["hero", "poster"]
    assert [one.text for one in asked.questions] == ["Which one?", "Which one for poster?"]
    assert asked.questions[0].choices == ("studio", "neon")
    run.leave()
    assert run.ended == ["suspended"]
    assert names(open_questions(run.state)) == ["hero", "poster"]


def test_a_deadline_is_counted_from_the_first_asking_and_never_again() -> None:
    run = at_its_questions()
    assert [one.deadline for one in run.state.asking] == [NOON + HOUR, None]
    run.leave()
    run.execute(at=NOON + HOUR - timedelta(seconds=1))
    again = run.asked[-1].questions
    assert names(again) == ["hero", "poster"]
    assert [one.deadline for one in again] == [NOON + HOUR, None]
    assert first_deadline(again) == NOON + HOUR
    assert first_deadline(again[1:]) is None
    assert len(run.service.charges) == 2, "it asks again and buys nothing"


def test_what_one_answer_lets_go_on_is_done_before_the_run_is_suspended() -> None:
    run = at_its_questions()
    run.answer("hero", "neon")
    run.feed(QuestionsLeft(at=NOON))
    assert run.ended == []
    run.run()
    assert run.ended == ["suspended"]
    assert (run.item("film").phase, len(run.service.charges)) == ("completed", 3)
    assert names(open_questions(run.state)) == ["poster"]


@pytest.mark.parametrize("crash", [None, *range(8)])
def test_after_the_deadline_a_resume_takes_the_first_and_goes_on_wherever_it_dies(
    crash: int | None,
) -> None:
    run = left()
    if crash is not None:
        run.take_up(at=NOON + HOUR)
        run.run(limit=crash)
    run.execute(at=NOON + HOUR * (1 if crash is None else 2))
    assert given(run) == [("hero", "studio", "deadline")]
    assert (run.item("film").phase, len(run.service.charges)) == ("completed", 3)
    # Then the other one is asked, which waits for ever.
    assert names(run.asked[-1].questions) == ["poster"]


def test_after_the_deadline_the_pick_fails_where_the_spec_says_so() -> None:
    run = left("fail").execute(at=NOON + 2 * HOUR)
    item = run.item("hero")
    assert (item.phase, item.code) == ("failed", "unanswered")
    assert item.reason == "no one answered by 2026-11-25 13:00 UTC"
    assert run.item("film").phase == "skipped"


def failed_by_its_deadline() -> Rehearsal:
    run = left("fail", answered=True).execute(at=NOON + 2 * HOUR)
    assert run.ended == ["suspended", "failed"]
    return run


def test_a_late_answer_mends_a_pick_that_its_deadline_failed() -> None:
    run = failed_by_its_deadline()
    assert open_questions(run.state) == ()
    assert names(answerable(run.state)) == ["hero"]
    run.answer("hero", "neon", channel="command")
    run.execute(at=NOON + 3 * HOUR)
    assert (run.ended[-1], len(run.service.charges)) == ("completed", 3)


def test_a_run_that_its_deadline_failed_asks_again_with_a_new_deadline_when_it_is_resumed() -> None:
    run = failed_by_its_deadline().execute(at=NOON + 3 * HOUR)
    [question] = run.asked[-1].questions
    missed = run.state.missed["hero", "", 0]
    assert (question.step, question.deadline, missed) == ("hero", None, NOON + HOUR)
    asked = question_asked(question, NOON + 3 * HOUR, missed)
    assert asked.deadline == NOON + 4 * HOUR
    assert unique_name(asked) == "question hero[] after 2026-11-25T13:00:00+00:00"
    run.feed(asked)
    run.leave(NOON + 3 * HOUR)
    run.answer("hero", "neon", channel="form")
    run.execute(at=NOON + 5 * HOUR)
    assert run.ended == ["suspended", "failed", "suspended", "completed"]
    assert len(run.service.charges) == 3


def test_a_crash_between_the_deadline_and_the_end_of_the_run_does_not_open_the_question() -> None:
    run = left("fail")
    run.take_up(at=NOON + 2 * HOUR)
    while run.item("hero").phase != "failed":
        run.run(limit=1)
    run.execute(at=NOON + 3 * HOUR)
    assert (run.item("hero").code, run.state.missed) == ("unanswered", {})


def test_an_answer_that_was_written_first_stands_though_its_deadline_has_passed() -> None:
    run = left()
    run.answer("hero", "neon", channel="form")
    run.execute(at=NOON + 2 * HOUR)
    assert given(run) == [("hero", "neon", "form")]
    assert (run.item("hero").outputs or {})["key"] == "neon"


def test_a_question_and_its_answer_stand_in_the_journal_once() -> None:
    question = Question("hero", "a", "?", ("x",), timeout_seconds=60.0)
    asked = question_asked(question, NOON)
    answer = AnswerGiven(step="hero", key="a", answer="x", by=AnsweredBy(channel="form"))
    events = (asked, answer, QuestionsLeft(at=NOON))
    assert [unique_name(one) for one in events] == ["question hero[a]", "answer hero[a]", None]
    deadline = NOON + timedelta(seconds=60)
    assert asked == QuestionAsked(step="hero", key="a", at=NOON, deadline=deadline)
    assert parse(dump(asked)) == asked


def test_a_deadline_has_nothing_to_take_where_there_is_no_choice() -> None:
    event = decide_at_deadline(Question("hero", "", "?", (), on_timeout="first"))
    assert isinstance(event, ItemFailed)


def test_a_run_of_an_older_version_has_no_deadlines_and_asks_as_new() -> None:
    run = played(TWO_PICKS)
    run.feed(RunEnded(status="suspended", at=NOON))
    much_later = datetime(2027, 1, 1, tzinfo=NOON.tzinfo)
    run.take_up(at=much_later)
    [hero, _] = run.asked[-1].questions
    assert hero.deadline is None
    assert question_asked(hero, much_later).deadline == much_later + HOUR
    assert replay(run.journal).asking == run.asked[-1].questions


def test_each_candidate_of_a_list_that_was_put_together_can_be_picked() -> None:
    own = "\n  own: {uses: generate, with: {model: z-image, prompt: own}}\n  hero:"
    spec = TWO_PICKS.replace("[studio, neon]", "[0, 1]").replace("\n  hero:", own)
    run = played(
        spec.replace("${{ steps.stills.items }}\n", "${{ [steps.own] + steps.stills.items }}\n")
    )
    [hero] = [one for one in run.asked[-1].questions if one.step == "hero"]
    assert hero.choices == ("0", "0-2", "1")
    run.answer("hero", "0-2", at=NOON)
    run.run()
    made: Any = run.items("stills")[0].outputs
    picked: Any = run.item("hero").outputs
    assert picked["asset"] == made["assets"][0]
