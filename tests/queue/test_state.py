"""What the queue keeps up to date is what a plain count over all items gives."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.queue.events import RunResumed
from rivya_flows.queue.reducer import apply_event, initial_state
from rivya_flows.queue.state import ChargedPrices, charged_price, note_price
from rivya_flows.steps.request import PriceClass, PricedBy
from support.naive_service import frozen
from support.plain_queue import everything
from support.samples import examples
from support.wrong_specs import HEAD, STILL


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 10**6))
def test_each_event_does_what_looking_at_all_items_again_would_do(seed: int) -> None:
    chance = random.Random(seed)
    everything(chance).play(chance)  # each event of a wild run is compared


PRICE = {"min": 20, "max": 21}


@pytest.mark.parametrize(
    ("price", "budget", "quote", "share"),
    [
        (PRICE, 20, None, 16),
        ({"min": 20, "max": None}, 20, None, 16),
        ({"min": 20, "max": 20}, 20, None, None),
        (PRICE, None, None, None),
        (PRICE, 20, "q", None),
    ],
)
def test_a_budget_warns_where_the_plan_may_cost_more_and_nobody_agreed_to_it(
    price: dict[str, Any], budget: int | None, quote: str | None, share: float | None
) -> None:
    plan = {"credits": price, "budget": budget}
    started = frozen(HEAD + "steps:\n" + STILL, budget=20)
    update = {"plan": plan, "quote": quote}
    assert initial_state(started.model_copy(update=update)).warns_at == share


@pytest.mark.parametrize(("cap", "share"), [(20, None), (30, None), (10, 8)])
def test_a_cap_that_comes_later_warns_where_the_plan_may_cost_more(
    cap: int, share: float | None
) -> None:
    started = frozen(HEAD + "steps:\n" + STILL)
    plan = {"credits": {"min": 20, "max": 20}, "budget": None}
    state = initial_state(started.model_copy(update={"plan": plan}))
    apply_event(state, RunResumed(at=started.started_at, budget=cap))
    assert state.warns_at == share


def test_results_of_another_wallet_are_those_of_another_seller() -> None:
    start = frozen(HEAD + "steps:\n" + STILL)
    named = [start.model_copy(update={"wallet": wallet}) for wallet in (None, "acme", "other")]
    sellers = [initial_state(one).seller for one in named]
    assert sellers == [start.service, f"{start.service} acme", f"{start.service} other"]


@given(
    charged=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=30),
    asked=st.integers(0, 25),
)
def test_a_text_costs_what_the_next_longer_one_was_charged(
    charged: list[tuple[int, int]], asked: int
) -> None:
    quoted: ChargedPrices = {}
    for length, credits in charged:
        note_price(quoted, PricedBy("speech", length), credits)
    lengths = [length for length, _ in charged if length >= asked]
    expected = max(c for length, c in charged if length == min(lengths)) if lengths else None
    assert charged_price(quoted, PriceClass(PricedBy("speech", asked), 1, None, False)) == expected
    assert charged_price(quoted, PriceClass(PricedBy("other", asked), 1, None, False)) is None


def test_the_service_does_not_decide_what_a_function_costs() -> None:
    quoted: ChargedPrices = {}
    note_price(quoted, PricedBy("cut"), 9)
    assert charged_price(quoted, PriceClass(PricedBy("cut"), 2, 2, True)) == 2
