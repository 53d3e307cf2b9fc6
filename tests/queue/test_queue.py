"""The queue against a naive model: any order of events, any crash, any luck."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from hypothesis import given, settings, strategies as st

from rivya_flows.queue.actions import Buy
from rivya_flows.queue.events import ItemCompleted, PurchaseIntended, RunEnded, dump, parse
from rivya_flows.queue.queue import has_failed, replay
from rivya_flows.queue.scope import step_fields
from support.campaigns import SET_OF, campaign
from support.counted_calls import within
from support.naive_service import NOON, NaiveService, Rehearsal, frozen, played
from support.samples import examples

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


def test_an_undisturbed_campaign_completes_every_step_and_asks_for_nothing_after_its_end() -> None:
    run = Rehearsal(campaign()).execute()
    assert run.ended == ["completed"]
    found = run.statuses
    assert (found.pop("stand_in"), found.pop("loop")) == ("skipped", "skipped")
    assert set(found.values()) == {"completed"}
    assert run.state.spent == sum(run.service.charges.values())
    run.feed(RunEnded(status="completed", at=NOON))
    assert not run.advance(0)


@settings(max_examples=examples(40))
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
    disturbed, smooth = (
        Rehearsal(campaign(), NaiveService(seed, extra, failing=failing, rambling=rambling))
        for _ in range(2)
    )
    order = random.Random(seed)
    for limit in crashes:
        disturbed.take_up()
        disturbed.run(order, limit)
    disturbed.execute(order)
    smooth.execute()
    assert disturbed.ended[-1:] == smooth.ended[-1:]
    assert disturbed.statuses == smooth.statuses
    charges = disturbed.service.charges
    assert charges == smooth.service.charges
    assert disturbed.state.spent == sum(charges.values())
    intents = disturbed.events(PurchaseIntended)
    assert {intent.idempotency_key for intent in intents} == set(charges)
    # What runs at the end is bought once, however often the run ended.
    once = {"card"} | ({"stand_in"} if has_failed(disturbed.state, "steps") else set())
    assert set(disturbed.bought) & {"card", "stand_in"} == once
    works = [event for event in disturbed.events(ItemCompleted) if event.step == "reel"]
    assert len(works) <= len(disturbed.ended)


def test_an_item_of_a_following_step_starts_before_its_siblings_are_done() -> None:
    run = Rehearsal(campaign())
    run.take_up()
    order = random.Random(5)
    while "films" not in [event.step for event in run.events(ItemCompleted)]:
        assert run.advance(order.randrange(1000))
    [film] = [event for event in run.events(ItemCompleted) if event.step == "films"]
    assert run.item("stills", film.key).phase == "completed"
    assert run.phases("stills").count("completed") < 4


def test_equal_prompts_are_as_many_pictures() -> None:
    options = {"budget": 9, "model": "z-image", "on_unfit": "fail", "allowed": 0, "more": ""}
    text = SET_OF.format(items="a, b, c, d", **options).replace("picture ${{ item }}", "one prompt")
    assert len(played(text).service.charges) == 4


def test_a_failed_step_skips_its_dependants_and_leaves_the_others_alone() -> None:
    run = Rehearsal(campaign(), NaiveService(rambling=1.0)).execute()
    assert run.statuses["script"] == "failed"
    assert {run.statuses[name] for name in ("stills", "films", "spot")} == {"skipped"}
    assert run.ended == ["failed"]


def test_what_a_failure_skips_counts_as_failed_and_what_its_condition_skips_does_not() -> None:
    run = played(NEEDS, NaiveService(failing=1.0))
    reasons = {name: item.reason for name, item in run.state.each()}
    assert reasons["large"] == reasons["bed"] == "still failed"
    assert reasons["spare"] == "its `if` is false"
    assert run.statuses["after"] == "failed"
    assert len(run.service.charges) == 2


def test_replaying_the_written_journal_gives_the_same_state() -> None:
    run = Rehearsal(campaign()).execute(random.Random(2))
    again = replay(parse(dump(event)) for event in run.journal)
    for name, current in run.state.steps.items():
        assert step_fields(again.steps[name]) == step_fields(current)


def test_a_run_of_twice_as_many_items_takes_at_most_four_times_as_many_calls() -> None:
    def calls(count: int) -> int:
        text = f"""
version: 1
name: many
budget: {{credits: {count // 2}, on_unfit: go_on}}
steps:
  stills:
    uses: generate
    foreach: [{", ".join(map(str, range(count)))}]
    allow_failures: {count}
    max_parallel: 10
    with: {{model: z-image, prompt: "lamp ${{{{ item }}}}"}}
"""
        run = Rehearsal(frozen(text))
        run.take_up()
        made = within(10**7, run.run)
        assert run.ended == ["completed"]
        return made

    # Each event looks at each item a few times, and never at all items for each item.
    assert calls(80) < 4.5 * calls(40)


SLOW = """
version: 1
name: slow
inputs: {large: {type: text, default: LARGE}}
steps:
  ideas: {uses: chat, with: {model: gpt-5-2-chat, message: numbers, expect: {numbers: [number]}}}
  told:
    uses: generate
    foreach: ${{ steps.ideas.json.numbers }}
    with: {model: z-image, prompt: "${{ (inputs.large | upper | lower | upper | lower | length) ~ item }}"}
"""


@dataclass
class Counting(NaiveService):
    """A service whose chat answers with so many numbers."""

    numbers: int = 0

    def answer(self, buy: Buy) -> tuple[str, str]:
        return "s_1", json.dumps({"numbers": list(range(self.numbers))})


def test_a_list_of_the_run_does_not_make_a_step_endless() -> None:
    text = SLOW.replace("LARGE", "x" * 990_000)
    for numbers, ended, bought in ((60, "completed", 61), (90, "failed", 68)):
        run = played(text, Counting(numbers=numbers))
        assert (run.state.ended, len(run.bought)) == (ended, bought)
        reasons = [item.reason or "" for item in run.items("told")][67:]
        assert all("all items handle more than 536,870,912 characters" in one for one in reasons)
