"""Starting items: the cap, prices that are not confirmed yet, the budget question."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.queue.events import PoolRefused, PurchaseIntended, dump, parse
from rivya_flows.queue.queue import replay
from support.campaigns import a_set
from support.naive_service import NaiveService, Rehearsal, played
from support.samples import examples


def crashed_once(rehearsal: Rehearsal, seed: int, crash: int) -> Rehearsal:
    rehearsal.take_up()
    rehearsal.run(random.Random(seed), crash)
    return rehearsal.execute(random.Random(seed + 1))


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 10**6), budget=st.integers(0, 30), crash=st.integers(0, 60))
def test_the_cap_holds_at_every_moment_and_over_resumes(seed: int, budget: int, crash: int) -> None:
    run = crashed_once(a_set(25, budget, allowed=25), seed, crash)
    assert run.most <= budget
    assert len(run.service.charges) == min(25, budget)


def test_what_the_budget_does_not_cover_fails_and_says_so() -> None:
    run = a_set(5, 2, allowed=5).execute()
    assert (len(run.service.charges), run.phases("stills").count("failed")) == (2, 3)
    assert "needs 1 credit; the budget of 2 has 0 left" in str(run.items("stills")[-1].reason)


def test_credits_given_back_by_failed_jobs_are_spent_on_what_waited() -> None:
    run = a_set(6, 3, allowed=6)
    run.service.failing, run.service.seed = 0.5, 3
    run.execute()
    assert len(run.service.charges) > 3
    assert run.phases("stills").count("completed") <= 3
    assert run.most <= 3


def test_an_open_price_is_learned_from_one_purchase_before_the_rest() -> None:
    run = a_set(5, 100, model="kling-2-6", more=', params: {duration: "10"}', allowed=5)
    run.service.extra = 30
    run.take_up()
    assert len(run.until(PurchaseIntended).events(PurchaseIntended)) == 1
    run.run()
    assert run.most <= 100
    assert len(run.service.charges) == 1


@pytest.mark.parametrize(
    ("count", "needs"), [(4, "2 stills need 2 credits"), (3, "stills needs 1 credit")]
)
@pytest.mark.parametrize("answer", ["yes", "no"])
def test_over_the_cap_a_pausing_budget_asks_once_and_goes_on_as_it_is_told(
    count: int, needs: str, answer: str
) -> None:
    run = a_set(count, 2, on_unfit="pause").execute()
    [asked] = run.asked
    [question] = asked.questions
    assert (question.step, question.key) == ("$budget", str(count))
    assert question.choices == ("yes", "no")
    assert question.text == f"{needs}; 2 of 2 are spent. Raise the budget to {count}?"
    run.answer("$budget", answer, key=str(count))
    run.run()
    assert run.ended == ["completed" if answer == "yes" else "failed"]
    rest = "completed" if answer == "yes" else "failed"
    assert run.phases("stills") == ["completed"] * 2 + [rest] * (count - 2)


def a_pool(count: int, pool: int, **options: object) -> Rehearsal:
    """Pictures at 1 credit each, and a pool of the store with so many credits."""
    rehearsal = a_set(count, 1000, **options)  # type: ignore[arg-type]
    rehearsal.service.pool = pool
    return rehearsal


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 10**6), pool=st.integers(0, 30), crash=st.integers(0, 60))
def test_a_pool_buys_what_fits_in_any_order_and_over_resumes(
    seed: int, pool: int, crash: int
) -> None:
    run = crashed_once(a_pool(25, pool, allowed=25), seed, crash)
    assert run.most == len(run.service.charges) == min(25, pool)
    read_again = replay([parse(dump(event)) for event in run.journal])
    assert list(read_again.each()) == list(run.state.each())


def test_what_a_pool_does_not_cover_fails_and_names_it() -> None:
    run = a_pool(4, 3, allowed=4).execute()
    assert run.phases("stills") == ["completed"] * 3 + ["failed"]
    over = run.item("stills", "3")
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
    assert played(text, NaiveService(pool=3)).statuses == {"film": "failed", "still": "completed"}


def test_credits_that_failed_jobs_give_back_are_tried_as_far_as_they_go() -> None:
    run = a_pool(40, 10, allowed=40)
    run.service.failing = 0.5
    run.execute(random.Random(5))
    assert run.phases("stills").count("completed") == 10
    assert len(run.service.charges) == 15
    # 30 at first, one at a time beside what came back, and not all that wait for each credit.
    assert len(run.events(PoolRefused)) < 60


def test_a_pool_that_has_more_again_is_asked_once_more_before_items_fail() -> None:
    run = a_pool(5, 2, allowed=5)
    run.take_up()
    while len(run.events(PoolRefused)) < 3:
        run.advance(-1)
    run.service.pool = 4  # another run of the pool gave credits back
    run.run()
    assert run.phases("stills").count("completed") == 4


def test_over_a_pool_a_pausing_budget_asks_whether_to_try_it_again() -> None:
    run = a_pool(4, 2, on_unfit="pause").execute()
    [question] = run.asked[-1].questions
    assert (question.step, question.key) == ("$budget", "pool acme")
    assert question.text == (
        "The pool acme has 0 credits left until 2026-12-01; 2 stills need 2. "
        "`rivya-flows budgets set acme --credits N` raises it. Try again?"
    )
    run.answer("$budget", "yes", key="pool acme")
    run.run()
    [question] = run.asked[-1].questions
    assert question.key == "pool acme#2"
    run.service.pool = 4
    run.answer("$budget", "yes", key="pool acme#2")
    run.run()
    assert (run.ended, len(run.service.charges)) == (["completed"], 4)


def test_no_fails_what_a_pool_does_not_cover_and_a_later_resume_tries_it_again() -> None:
    run = a_pool(4, 2, on_unfit="pause").execute()
    run.leave()
    assert run.ended == ["suspended"]
    run.answer("$budget", "no", key="pool acme", channel="command")
    assert run.execute().ended == ["suspended", "failed"]
    assert run.phases("stills") == ["completed", "completed", "failed", "failed"]
    run.service.pool = 4
    assert run.execute().ended[-1] == "completed"
