"""The queue against a naive model: any order of events, any crash, any luck."""

from __future__ import annotations

import random

from hypothesis import given, strategies as st

from rivya_flows.queue.events import ItemCompleted, PurchaseIntended, RunEnded, dump, parse
from rivya_flows.queue.queue import has_failed, replay
from rivya_flows.queue.scope import step_fields
from rivya_flows.queue.state import State
from support.campaigns import SET_OF, a_set, campaign
from support.counted_calls import within
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

NEEDS = """
version: 1
name: needs
steps:
  still: {uses: generate, with: {model: z-image, prompt: A lamp}}
  large:
    uses: generate
    with: {model: nano-banana-2, prompt: Larger, references: ["${{ steps.still.asset }}"]}
  bed: {uses: generate, needs: [large], with: {model: z-image, prompt: A bed}}
  spare:
    uses: generate
    if: ${{ steps.still.status == 'completed' }}
    with: {model: z-image, prompt: A spare}
  after: {uses: generate, needs: [spare], with: {model: z-image, prompt: After it}}
"""


def phases(state: State, step: str) -> list[str]:
    return [item.phase.value for item in state.steps[step].items.values()]


def statuses(state: State) -> dict[str, str]:
    return {name: now.status for name, now in state.steps.items()}


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


def test_what_was_skipped_because_of_a_failure_counts_as_failed_and_what_its_condition_skipped_does_not() -> (
    None
):
    rehearsal = Rehearsal(frozen(NEEDS), NaiveService(failing=1.0))
    rehearsal.take_up()
    rehearsal.run()
    reasons = {name: item.reason for name, item in rehearsal.state.each()}
    assert reasons["large"] == reasons["bed"] == "still failed"
    assert reasons["spare"] == "its condition is false"
    assert statuses(rehearsal.state)["after"] == "failed"
    assert len(rehearsal.service.charges) == 2


def test_replaying_the_written_journal_gives_the_same_state() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    rehearsal.run(random.Random(2))
    again = replay(parse(dump(event)) for event in rehearsal.journal)
    for name, current in rehearsal.state.steps.items():
        assert step_fields(again.steps[name]) == step_fields(current)


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
