"""Starting items: the cap, prices that are not confirmed yet, the budget question."""

from __future__ import annotations

import random

from hypothesis import given, strategies as st

from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    PoolRefused,
    PurchaseIntended,
    QuestionsLeft,
    dump,
    parse,
)
from rivya_flows.queue.queue import replay
from rivya_flows.queue.state import State
from support.campaigns import a_set, until
from support.naive_service import NOON, NaiveService, Rehearsal, frozen


def phases(state: State, step: str) -> list[str]:
    return [item.phase.value for item in state.steps[step].items.values()]


@given(seed=st.integers(0, 10**6), budget=st.integers(0, 30), crash=st.integers(0, 60))
def test_the_cap_holds_at_every_moment_and_over_resumes(seed: int, budget: int, crash: int) -> None:
    rehearsal = a_set(25, budget, allowed=25)
    rehearsal.take_up()
    rehearsal.run(random.Random(seed), crash)
    rehearsal.take_up()
    rehearsal.run(random.Random(seed + 1))
    assert rehearsal.most <= budget
    assert len(rehearsal.service.charges) == min(25, budget)


def test_a_run_time_set_of_fifty_with_credits_for_twenty_buys_twenty() -> None:
    rehearsal = a_set(50, 20, allowed=50)
    rehearsal.take_up()
    rehearsal.run(random.Random(1))
    assert len(rehearsal.service.charges) == 20
    assert phases(rehearsal.state, "stills").count("failed") == 30
    assert "needs 1 credit; the budget of 20 has 0 left" in str(
        [item.reason for item in rehearsal.state.steps["stills"].items.values()][-1]
    )


def test_credits_given_back_by_failed_jobs_are_spent_on_what_waited() -> None:
    rehearsal = a_set(6, 3, allowed=6)
    rehearsal.service.failing = 0.5
    rehearsal.service.seed = 3
    rehearsal.take_up()
    rehearsal.run()
    done = phases(rehearsal.state, "stills").count("completed")
    assert len(rehearsal.service.charges) > 3
    assert done <= 3
    assert rehearsal.most <= 3


def test_an_open_price_is_learned_from_one_purchase_before_the_rest() -> None:
    rehearsal = a_set(5, 100, model="kling-2-6", more=', params: {duration: "10"}', allowed=5)
    rehearsal.service.extra = 30
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    intents = [e for e in rehearsal.journal if isinstance(e, PurchaseIntended)]
    assert len(intents) == 1
    rehearsal.run()
    assert rehearsal.most <= 100
    assert len(rehearsal.service.charges) == 1


def test_over_the_cap_a_pausing_budget_asks_once_and_goes_on_with_yes() -> None:
    rehearsal = a_set(4, 2, on_exceed="pause")
    rehearsal.take_up()
    rehearsal.run()
    [asked] = rehearsal.asked
    [question] = asked.questions
    assert (question.step, question.key, question.choices) == ("$budget", "4", ("yes", "no"))
    assert question.text == ("2 stills need 2 credits; 2 of 2 are spent. Raise the budget to 4?")
    rehearsal.feed(
        AnswerGiven(step="$budget", key="4", answer="yes", by=AnsweredBy(channel="terminal"))
    )
    rehearsal.run()
    assert rehearsal.ended == ["completed"]
    assert len(rehearsal.service.charges) == 4


def test_the_question_of_the_budget_names_the_one_thing_that_needs_it() -> None:
    rehearsal = a_set(3, 2, on_exceed="pause")
    rehearsal.take_up()
    rehearsal.run()
    [asked] = rehearsal.asked
    assert asked.questions[0].text.startswith("stills needs 1 credit; 2 of 2 are spent.")


def test_over_the_cap_no_fails_the_rest_and_keeps_what_was_bought() -> None:
    rehearsal = a_set(4, 2, on_exceed="pause")
    rehearsal.take_up()
    rehearsal.run()
    rehearsal.feed(
        AnswerGiven(step="$budget", key="4", answer="no", by=AnsweredBy(channel="terminal"))
    )
    rehearsal.run()
    assert rehearsal.ended == ["failed"]
    assert phases(rehearsal.state, "stills") == ["completed", "completed", "failed", "failed"]


def a_pool(count: int, pool: int, **options: object) -> Rehearsal:
    """Pictures at 1 credit each, and a pool of the store with so many credits."""
    rehearsal = a_set(count, 1000, **options)  # type: ignore[arg-type]
    rehearsal.service.pool = pool
    return rehearsal


def refusals(rehearsal: Rehearsal) -> int:
    return sum(isinstance(event, PoolRefused) for event in rehearsal.journal)


@given(seed=st.integers(0, 10**6), pool=st.integers(0, 30), crash=st.integers(0, 60))
def test_a_pool_buys_what_fits_in_any_order_and_over_resumes(
    seed: int, pool: int, crash: int
) -> None:
    rehearsal = a_pool(25, pool, allowed=25)
    rehearsal.take_up()
    rehearsal.run(random.Random(seed), crash)
    rehearsal.take_up()
    rehearsal.run(random.Random(seed + 1))
    assert rehearsal.most == len(rehearsal.service.charges) == min(25, pool)
    read_again = replay([parse(dump(event)) for event in rehearsal.journal])
    assert list(read_again.each()) == list(rehearsal.state.each())


def test_what_a_pool_does_not_cover_fails_and_names_it() -> None:
    rehearsal = a_pool(4, 3, allowed=4)
    rehearsal.take_up()
    rehearsal.run()
    assert phases(rehearsal.state, "stills") == ["completed"] * 3 + ["failed"]
    over = rehearsal.state.item("stills", "3")
    assert (over.code, over.purchases) == ("over_budget", ())
    assert over.reason == "needs 1 credit; the pool acme has 0 left until 2026-12-01"


def test_what_is_smaller_than_the_rest_of_a_pool_is_bought_after_a_refusal() -> None:
    text = """
version: 1
name: two
steps:
  film: {uses: generate, with: {model: veo3-1-lite, prompt: push, references: ["https://e.example/a.png"]}}
  still: {uses: generate, with: {model: z-image, prompt: lamp}}
"""
    rehearsal = Rehearsal(frozen(text), NaiveService(pool=3))
    rehearsal.take_up()
    rehearsal.run()
    assert phases(rehearsal.state, "film") == ["failed"]
    assert phases(rehearsal.state, "still") == ["completed"]


def test_credits_that_failed_jobs_give_back_are_tried_as_far_as_they_go() -> None:
    rehearsal = a_pool(40, 10, allowed=40)
    rehearsal.service.failing = 0.5
    rehearsal.take_up()
    rehearsal.run(random.Random(5))
    assert phases(rehearsal.state, "stills").count("completed") == 10
    assert len(rehearsal.service.charges) == 15
    # 30 at first, one at a time beside what came back, and not all that wait for each credit.
    assert refusals(rehearsal) < 60


def test_a_pool_that_has_more_again_is_asked_once_more_before_items_fail() -> None:
    rehearsal = a_pool(5, 2, allowed=5)
    rehearsal.take_up()
    while refusals(rehearsal) < 3:
        rehearsal.advance(-1)
    rehearsal.service.pool = 4  # another run of the pool gave credits back
    rehearsal.run()
    assert phases(rehearsal.state, "stills").count("completed") == 4


def test_over_a_pool_a_pausing_budget_asks_whether_to_try_it_again() -> None:
    rehearsal = a_pool(4, 2, on_exceed="pause")
    rehearsal.take_up()
    rehearsal.run()
    [question] = rehearsal.asked[-1].questions
    assert (question.step, question.key) == ("$budget", "pool acme")
    assert question.text == (
        "The pool acme has 0 credits left until 2026-12-01; 2 stills need 2. "
        "`rivya-flows budgets set acme --credits N` raises it. Try again?"
    )
    rehearsal.feed(
        AnswerGiven(
            step="$budget", key="pool acme", answer="yes", by=AnsweredBy(channel="terminal")
        )
    )
    rehearsal.run()
    [question] = rehearsal.asked[-1].questions
    assert question.key == "pool acme#2"
    rehearsal.service.pool = 4
    rehearsal.feed(
        AnswerGiven(
            step="$budget", key="pool acme#2", answer="yes", by=AnsweredBy(channel="terminal")
        )
    )
    rehearsal.run()
    assert rehearsal.ended == ["completed"]
    assert len(rehearsal.service.charges) == 4


def test_no_fails_what_a_pool_does_not_cover_and_a_later_resume_tries_it_again() -> None:
    rehearsal = a_pool(4, 2, on_exceed="pause")
    rehearsal.take_up()
    rehearsal.run()
    rehearsal.feed(QuestionsLeft(at=NOON))
    assert rehearsal.ended == ["suspended"]
    rehearsal.feed(
        AnswerGiven(step="$budget", key="pool acme", answer="no", by=AnsweredBy(channel="command"))
    )
    rehearsal.take_up()
    rehearsal.run()
    assert rehearsal.ended == ["suspended", "failed"]
    assert phases(rehearsal.state, "stills") == ["completed", "completed", "failed", "failed"]
    rehearsal.service.pool = 4
    rehearsal.take_up()
    rehearsal.run()
    assert rehearsal.ended[-1] == "completed"
