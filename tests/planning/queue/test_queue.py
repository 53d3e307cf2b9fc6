"""The queue against a naive model: any order of events, any crash, any luck."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import given, strategies as st

from rivya_flows.planning.expansion.phases import has_failed
from rivya_flows.planning.expansion.run_scope import step_fields
from rivya_flows.planning.queue.event_codec import dump, parse
from rivya_flows.planning.queue.events import (
    AnswerGiven,
    ItemCompleted,
    PurchaseIntended,
    RunEnded,
)
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.state import Phase, State, step_status
from support.campaigns import SET_OF, a_set, campaign, until
from support.counted_calls import within
from support.naive_service import NOON, NaiveService, Rehearsal, frozen


def phases(state: State, step: str) -> list[str]:
    return [item.phase.value for item in state.steps[step].items or ()]


def statuses(state: State) -> dict[str, str]:
    return {name: step_status(state.planned(name), now) for name, now in state.steps.items()}


def test_an_undisturbed_campaign_completes_every_step() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    assert rehearsal.ended == ["completed"]
    found = statuses(rehearsal.state)
    assert (found.pop("stand_in"), found.pop("loop")) == ("skipped", "skipped")
    assert set(found.values()) == {"completed"}
    assert rehearsal.state.spent == sum(rehearsal.service.charges.values())


@given(
    seed=st.integers(0, 10**6),
    crashes=st.lists(st.integers(0, 120), max_size=5),
    failing=st.sampled_from([0.0, 0.3]),
    rambling=st.sampled_from([0.0, 0.4]),
    extra=st.sampled_from([0, 1]),
)
def test_no_order_and_no_crash_buys_twice_or_loses_a_credit(
    seed: int, crashes: list[int], failing: float, rambling: float, extra: int
) -> None:
    service = NaiveService(seed, extra, failing=failing, rambling=rambling)
    disturbed = Rehearsal(campaign(), service)
    order = random.Random(seed)
    for limit in crashes:
        disturbed.take_up()
        disturbed.run(order, limit)
    disturbed.take_up()
    disturbed.run(order)

    smooth = Rehearsal(campaign(), NaiveService(seed, extra, failing=failing, rambling=rambling))
    smooth.take_up()
    smooth.run()
    assert disturbed.ended[-1:] == smooth.ended[-1:]
    assert statuses(disturbed.state) == statuses(smooth.state)
    assert service.charges == smooth.service.charges
    assert disturbed.state.spent == sum(service.charges.values())
    intents = [event for event in disturbed.journal if isinstance(event, PurchaseIntended)]
    assert {intent.idempotency_key for intent in intents} == set(service.charges)
    # What runs at the end is bought once, however often the run ended.
    once = {"card"} | ({"stand_in"} if has_failed(disturbed.state, "steps") else set())
    assert {intent.step for intent in intents} & {"card", "stand_in"} == once
    works = [e for e in disturbed.journal if isinstance(e, ItemCompleted) and e.step == "reel"]
    assert len(works) <= len(disturbed.ended)


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
    assert "needs 1 credits; 0 of the budget of 20" in str(
        [item.reason for item in rehearsal.state.steps["stills"].items or ()][-1]
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
    rehearsal.feed(AnswerGiven(step="$budget", key="4", answer="yes", by="terminal"))
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
    rehearsal.feed(AnswerGiven(step="$budget", key="4", answer="no", by="terminal"))
    rehearsal.run()
    assert rehearsal.ended == ["failed"]
    assert phases(rehearsal.state, "stills") == ["completed", "completed", "failed", "failed"]


def test_a_new_cap_lets_a_resume_buy_what_was_over_budget() -> None:
    rehearsal = a_set(4, 2)
    rehearsal.take_up()
    rehearsal.run()
    assert rehearsal.ended == ["failed"]
    rehearsal.take_up(budget=10)
    rehearsal.run()
    assert rehearsal.ended == ["failed", "completed"]
    assert len(rehearsal.service.charges) == 4


def test_an_item_of_a_following_step_starts_before_its_siblings_are_done() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    order = random.Random(5)
    while not any(
        isinstance(event, ItemCompleted) and event.step == "films" for event in rehearsal.journal
    ):
        assert rehearsal.advance(order.randrange(1000))
    done = [event.key for event in rehearsal.journal if isinstance(event, ItemCompleted)]
    film = next(e for e in rehearsal.journal if isinstance(e, ItemCompleted) and e.step == "films")
    assert film.key in done
    assert phases(rehearsal.state, "stills").count("completed") < 4


def test_a_failed_job_is_bought_anew_only_when_a_resume_says_so() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.service.failing = 1.0
    rehearsal.take_up()
    rehearsal.run()
    rehearsal.take_up()
    rehearsal.run()
    assert len(rehearsal.service.charges) == 1
    rehearsal.service.failing = 0.0
    rehearsal.take_up(regenerate=("stills",))
    rehearsal.run()
    assert rehearsal.ended == ["failed", "failed", "completed"]
    assert len(rehearsal.service.charges) == 2


def test_a_refused_purchase_is_closed_and_the_next_one_has_another_key() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.service.refusing = 1.0
    rehearsal.take_up()
    rehearsal.run()
    rehearsal.service.refusing = 0.0
    rehearsal.take_up()
    rehearsal.run()
    keys = [e.idempotency_key for e in rehearsal.journal if isinstance(e, PurchaseIntended)]
    assert len(set(keys)) == 2
    assert rehearsal.ended == ["failed", "completed"]


def test_an_intent_older_than_the_window_is_uncertain_until_it_is_resubmitted() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    late = NOON + timedelta(hours=21)
    rehearsal.take_up(at=late)
    rehearsal.run()
    [item] = rehearsal.state.steps["stills"].items or ()
    assert (item.phase, item.code, rehearsal.state.spent) == (Phase.FAILED, "uncertain", 1)
    assert rehearsal.service.charges == {}
    rehearsal.take_up(at=late, resubmit=("stills[0]",))
    rehearsal.run()
    assert rehearsal.ended[-1] == "completed"
    assert len(rehearsal.service.charges) == 1


def test_equal_prompts_are_as_many_pictures() -> None:
    text = SET_OF.format(
        items="a, b, c, d", budget=9, model="z-image", on_exceed="fail", allowed=0, more=""
    ).replace("picture ${{ item }}", "one prompt")
    rehearsal = Rehearsal(frozen(text), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    assert len(rehearsal.service.charges) == 4


def test_a_failed_step_skips_its_dependants_and_leaves_the_others_alone() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService(rambling=1.0))
    rehearsal.take_up()
    rehearsal.run()
    assert statuses(rehearsal.state)["script"] == "failed"
    assert {statuses(rehearsal.state)[name] for name in ("stills", "films", "spot")} == {"skipped"}
    assert rehearsal.ended == ["failed"]


def test_replaying_the_written_journal_gives_the_same_state() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    rehearsal.run(random.Random(2))
    again = replay(parse(dump(event)) for event in rehearsal.journal)
    for name, current in rehearsal.state.steps.items():
        planned = rehearsal.state.planned(name)
        assert step_fields(planned, again.steps[name]) == step_fields(planned, current)


def test_nothing_is_asked_for_after_the_end() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    rehearsal.feed(RunEnded(status="completed", at=NOON))
    assert not rehearsal.advance(0)


def test_a_run_of_twice_as_many_items_takes_at_most_four_times_as_many_calls() -> None:
    def calls(count: int) -> int:
        text = f"""
version: 1
name: many
budget: {{credits: {count // 2}}}
steps:
  stills:
    uses: generate
    foreach: [{", ".join(map(str, range(count)))}]
    allow_failures: {count}
    max_parallel: 10
    with: {{model: z-image, prompt: "lamp ${{{{ item }}}}"}}
"""
        rehearsal = Rehearsal(frozen(text), NaiveService())
        rehearsal.take_up()
        made = within(10**7, rehearsal.run)
        assert rehearsal.ended == ["completed"]
        return made

    # Each event looks at each item a few times, and never at all items for each item.
    assert calls(80) < 4.5 * calls(40)
