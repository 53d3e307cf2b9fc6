"""Answers that a user gives ahead."""

from __future__ import annotations

import pytest

from rivya_flows.app.answers import read_answers
from rivya_flows.errors import UsageError
from rivya_flows.planning.questions.open_questions import answerable
from support.picks import past_its_deadline, waiting


def test_an_answer_fits_the_open_question() -> None:
    run = waiting()
    [answer] = read_answers(["hero=neon"], run.state.asking, run.state)
    assert (answer.step, answer.key, answer.answer, answer.by) == ("hero", "", "neon", "command")


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("hero=noir", "there is no choice 'noir'", "one of: studio, neon"),
        ("her=neon", "does not ask for 'her'", "it asks for: hero"),
        ("hero", "there is no =", "STEP=KEY"),
    ],
)
def test_an_answer_that_fits_no_question_is_refused(written: str, message: str, hint: str) -> None:
    run = waiting()
    with pytest.raises(UsageError, match=message) as caught:
        read_answers([written], run.state.asking, run.state)
    assert hint in (caught.value.hint or "")


def test_an_equal_answer_is_skipped_and_another_one_is_refused() -> None:
    run = waiting()
    [answer] = read_answers(["hero=neon"], run.state.asking, run.state)
    run.feed(answer)
    assert read_answers(["hero=neon"], run.state.asking, run.state) == ()
    with pytest.raises(UsageError, match="answered with 'neon' already"):
        read_answers(["hero=studio"], run.state.asking, run.state)


def test_a_pick_that_its_deadline_failed_can_be_answered() -> None:
    run = past_its_deadline()
    late = answerable(run.state)
    [answer] = read_answers(["hero=neon"], late, run.state)
    assert (answer.answer, answer.by) == ("neon", "command")
    with pytest.raises(UsageError, match="there is no choice 'noir'"):
        read_answers(["hero=noir"], late, run.state)
