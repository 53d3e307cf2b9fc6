"""What the queue keeps up to date is what a plain count over all items gives."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.queue.events import RunResumed
from rivya_flows.queue.reducer import apply_event, initial_state
from support.naive_service import frozen
from support.plain_queue import everything
from support.samples import examples
from support.wrong_specs import HEAD, STILL


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 10**6))
def test_each_event_does_what_looking_at_all_items_again_would_do(seed: int) -> None:
    chance = random.Random(seed)
    everything(chance).play(chance)  # each event of a wild run is compared


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 10**6))
def test_the_changed_items_of_an_event_are_those_that_differ(seed: int) -> None:
    chance = random.Random(seed)
    run = everything(chance)
    run.take_up()
    run.run(chance, chance.randrange(100))
    for _ in range(chance.randrange(50)):
        old = {(name, item.key): item for name, item in run.state.each()}
        if not run.advance(chance.randrange(1000)):
            break
        new = {(name, item.key): item for name, item in run.state.each()}
        differing = {name: old.get(name) for name, item in new.items() if old.get(name) != item}
        assert {name: run.state.changed[name] for name in differing} == differing


def warns_at(plan: dict[str, Any], quote: str | None = None) -> float | None:
    started = frozen(HEAD + "steps:\n" + STILL, budget=20)
    started = started.model_copy(update={"plan": plan, "quote": quote})
    return initial_state(started).warns_at


def test_a_budget_warns_where_the_plan_may_cost_more_and_nobody_agreed_to_it() -> None:
    price = {"min": 20, "max": 21}
    assert warns_at({"credits": price, "budget": 20}) == 16
    assert warns_at({"credits": {"min": 20, "max": None}, "budget": 20}) == 16
    assert warns_at({"credits": {"min": 20, "max": 20}, "budget": 20}) is None
    assert warns_at({"credits": price, "budget": None}) is None
    assert warns_at({"credits": price, "budget": 20}, quote="q") is None


@pytest.mark.parametrize(("cap", "share"), [(20, None), (30, None), (10, 8)])
def test_a_cap_that_comes_later_warns_where_the_plan_may_cost_more(
    cap: int, share: float | None
) -> None:
    started = frozen(HEAD + "steps:\n" + STILL)
    plan = {"credits": {"min": 20, "max": 20}, "budget": None}
    state = initial_state(started.model_copy(update={"plan": plan}))
    resumed = RunResumed(at=started.started_at, budget=cap)
    apply_event(state, resumed)
    assert state.warns_at == share


def test_results_of_another_wallet_are_those_of_another_seller() -> None:
    start = frozen(HEAD + "steps:\n" + STILL)
    named = [start.model_copy(update={"wallet": wallet}) for wallet in (None, "acme", "other")]
    sellers = [initial_state(one).seller for one in named]
    assert sellers == [start.service, f"{start.service} acme", f"{start.service} other"]
