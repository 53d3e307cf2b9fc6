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
from rivya_flows.questions.question import Question
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
from rivya_flows.queue.items import Phase
from rivya_flows.queue.queue import replay
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

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
      on_timeout: ON_TIMEOUT
  poster:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow, references: ["${{ steps.hero.asset }}"]}
"""
HOUR = timedelta(hours=1)


def at_its_questions(on_timeout: str = "first") -> Rehearsal:
    """A run that has just asked, for the first time."""
    run = Rehearsal(frozen(TWO_PICKS.replace("ON_TIMEOUT", on_timeout)), NaiveService())
    run.take_up()
    run.run()
    for question in run.asked[-1].questions:
        run.feed(question_asked(question, NOON))
    return run


def left(run: Rehearsal) -> None:
    """No one is there."""
    run.feed(QuestionsLeft(at=NOON))
    run.run()


def names(questions: tuple[Question, ...]) -> list[str]:
    return [one.step for one in questions]


def test_all_questions_are_asked_in_one_form_when_nothing_else_goes_on() -> None:
    run = at_its_questions()
    [asked] = run.asked
    assert names(asked.questions) == ["hero", "poster"]
    assert [one.text for one in asked.questions] == ["Which one?", "Which one for poster?"]
    assert asked.questions[0].choices == ("studio", "neon")


def test_a_deadline_is_counted_from_the_first_asking_and_never_again() -> None:
    run = at_its_questions()
    assert run.state.asking[0].deadline == NOON + HOUR
    assert run.state.asking[1].deadline is None
    left(run)
    run.take_up(at=NOON + HOUR / 2)
    again = run.asked[-1].questions
    assert [one.deadline for one in again] == [NOON + HOUR, None]
    assert first_deadline(again) == NOON + HOUR
    assert first_deadline(again[1:]) is None


def test_with_no_one_to_ask_the_run_is_suspended() -> None:
    run = at_its_questions()
    left(run)
    assert run.ended == ["suspended"]
    assert names(open_questions(run.state)) == ["hero", "poster"]


def test_what_one_answer_lets_go_on_is_done_before_the_run_is_suspended() -> None:
    run = at_its_questions()
    run.feed(AnswerGiven(step="hero", key="", answer="neon", by=AnsweredBy(channel="terminal")))
    run.feed(QuestionsLeft(at=NOON))
    assert run.ended == []
    run.run()
    assert run.ended == ["suspended"]
    assert run.state.item("film", "").phase is Phase.COMPLETED
    assert len(run.service.charges) == 3
    assert names(open_questions(run.state)) == ["poster"]


def test_after_the_deadline_a_resume_takes_the_first_and_goes_on() -> None:
    run = at_its_questions()
    left(run)
    run.take_up(at=NOON + HOUR)
    run.run()
    [given] = [event for event in run.journal if isinstance(event, AnswerGiven)]
    assert (given.step, given.answer, given.by.channel) == ("hero", "studio", "deadline")
    assert run.state.item("film", "").phase is Phase.COMPLETED
    # Then the other one is asked, which waits for ever.
    assert names(run.asked[-1].questions) == ["poster"]


def test_before_the_deadline_a_resume_asks_again_and_buys_nothing() -> None:
    run = at_its_questions()
    left(run)
    run.take_up(at=NOON + HOUR - timedelta(seconds=1))
    run.run()
    assert names(run.asked[-1].questions) == ["hero", "poster"]
    assert len(run.service.charges) == 2


def test_after_the_deadline_the_pick_fails_where_the_spec_says_so() -> None:
    run = at_its_questions("fail")
    left(run)
    run.take_up(at=NOON + 2 * HOUR)
    run.run()
    item = run.state.item("hero", "")
    assert (item.phase, item.code) == (Phase.FAILED, "unanswered")
    assert item.reason == "nobody answered by 2026-11-25 13:00 UTC"
    assert run.state.item("film", "").phase is Phase.SKIPPED


def test_a_late_answer_mends_a_pick_that_its_deadline_failed() -> None:
    run = at_its_questions("fail")
    run.feed(AnswerGiven(step="poster", key="", answer="neon", by=AnsweredBy(channel="terminal")))
    left(run)
    run.take_up(at=NOON + 2 * HOUR)
    run.run()
    assert run.ended == ["suspended", "failed"]
    assert open_questions(run.state) == ()
    assert names(answerable(run.state)) == ["hero"]
    run.feed(AnswerGiven(step="hero", key="", answer="neon", by=AnsweredBy(channel="command")))
    run.take_up(at=NOON + 3 * HOUR)
    run.run()
    assert run.ended[-1] == "completed"
    assert len(run.service.charges) == 3


def test_a_run_that_its_deadline_failed_asks_again_with_a_new_deadline_when_it_is_resumed() -> None:
    run = at_its_questions("fail")
    run.feed(AnswerGiven(step="poster", key="", answer="neon", by=AnsweredBy(channel="terminal")))
    left(run)
    run.take_up(at=NOON + 2 * HOUR)
    run.run()
    assert run.ended == ["suspended", "failed"]
    run.take_up(at=NOON + 3 * HOUR)
    run.run()
    [question] = run.asked[-1].questions
    missed = run.state.missed["hero", "", 0]
    assert (question.step, question.deadline, missed) == ("hero", None, NOON + HOUR)
    asked = question_asked(question, NOON + 3 * HOUR, missed)
    assert asked.deadline == NOON + 4 * HOUR
    assert unique_name(asked) == "question hero[] after 2026-11-25T13:00:00+00:00"
    run.feed(asked)
    run.feed(QuestionsLeft(at=NOON + 3 * HOUR))
    run.run()
    run.feed(AnswerGiven(step="hero", key="", answer="neon", by=AnsweredBy(channel="form")))
    run.take_up(at=NOON + 5 * HOUR)
    run.run()
    assert run.ended == ["suspended", "failed", "suspended", "completed"]
    assert len(run.service.charges) == 3


def test_a_crash_between_the_deadline_and_the_end_of_the_run_does_not_open_the_question() -> None:
    run = at_its_questions("fail")
    left(run)
    run.take_up(at=NOON + 2 * HOUR)
    while run.state.item("hero", "").phase is not Phase.FAILED:
        run.run(limit=1)
    run.take_up(at=NOON + 3 * HOUR)
    run.run()
    assert (run.state.item("hero", "").code, run.state.missed) == ("unanswered", {})


def test_an_answer_that_was_written_first_stands_though_its_deadline_has_passed() -> None:
    run = at_its_questions()
    left(run)
    run.feed(AnswerGiven(step="hero", key="", answer="neon", by=AnsweredBy(channel="form")))
    run.take_up(at=NOON + 2 * HOUR)
    run.run()
    given = [event.by.channel for event in run.journal if isinstance(event, AnswerGiven)]
    assert given == ["form"]
    picked = run.state.item("hero", "").outputs or {}
    assert picked["key"] == "neon"


@pytest.mark.parametrize("crash", range(8))
def test_wherever_the_process_dies_an_answer_is_kept_and_nothing_is_bought_twice(
    crash: int,
) -> None:
    run = at_its_questions()
    left(run)
    run.take_up(at=NOON + HOUR)
    run.run(limit=crash)
    run.take_up(at=NOON + 2 * HOUR)
    run.run()
    given = [event.answer for event in run.journal if isinstance(event, AnswerGiven)]
    assert given == ["studio"]
    assert len(run.service.charges) == 3


def test_a_question_and_its_answer_stand_in_the_journal_once() -> None:
    question = Question("hero", "a", "?", ("x",), timeout_seconds=60.0)
    asked = question_asked(question, NOON)
    given = AnswerGiven(step="hero", key="a", answer="x", by=AnsweredBy(channel="form"))
    assert unique_name(asked) == "question hero[a]"
    assert unique_name(given) == "answer hero[a]"
    assert unique_name(QuestionsLeft(at=NOON)) is None
    assert (
        parse(dump(asked))
        == asked
        == QuestionAsked(step="hero", key="a", at=NOON, deadline=NOON + timedelta(seconds=60))
    )


def test_a_deadline_has_nothing_to_take_where_there_is_no_choice() -> None:
    event = decide_at_deadline(Question("hero", "", "?", (), on_timeout="first"))
    assert isinstance(event, ItemFailed)


def test_a_run_of_an_older_version_has_no_deadlines_and_asks_as_new() -> None:
    run = Rehearsal(frozen(TWO_PICKS.replace("ON_TIMEOUT", "first")), NaiveService())
    run.take_up()
    run.run()
    run.feed(RunEnded(status="suspended", at=NOON))
    much_later = datetime(2027, 1, 1, tzinfo=NOON.tzinfo)
    run.take_up(at=much_later)
    [hero, _] = run.asked[-1].questions
    assert hero.deadline is None
    assert question_asked(hero, much_later).deadline == much_later + HOUR
    assert replay(run.journal).asking == run.asked[-1].questions


def test_each_candidate_of_a_list_that_was_put_together_can_be_picked() -> None:
    own = """
  own: {uses: generate, with: {model: z-image, prompt: own}}
  hero:"""
    spec = TWO_PICKS.replace("[studio, neon]", "[0, 1]").replace("\n  hero:", own)
    spec = spec.replace("${{ steps.stills.items }}\n", "${{ [steps.own] + steps.stills.items }}\n")
    run = Rehearsal(frozen(spec.replace("ON_TIMEOUT", "first")), NaiveService())
    run.take_up()
    run.run()
    [hero] = [one for one in run.asked[-1].questions if one.step == "hero"]
    assert hero.choices == ("0", "0-2", "1")
    run.feed(
        AnswerGiven(step="hero", key="", at=NOON, answer="0-2", by=AnsweredBy(channel="command"))
    )
    run.run()
    first, *_ = run.state.steps["stills"].items.values()
    made: Any = first.outputs
    picked: Any = run.state.item("hero", "").outputs
    assert picked["asset"] == made["assets"][0]
