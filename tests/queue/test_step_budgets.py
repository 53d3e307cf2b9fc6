"""The budget of a step: over all that it buys, and for each of its items."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from rivya_flows.preparation.prepare import verdict
from rivya_flows.queue import budget
from rivya_flows.queue.state import State
from support.naive_service import NaiveService, Rehearsal, frozen, priced

SPEC = """
version: 1
name: ads
inputs: {shots: {type: integer, default: 3}}
steps:
  stills:
    uses: generate
    matrix: {n: [1, 2, 3, 4]}
    MORE
    with: {model: z-image, prompt: "a lamp ${{ matrix.n }}"}
  poster:
    uses: generate
    with: {model: z-image, prompt: a poster}
"""


def spec(more: str) -> str:
    return SPEC.replace("MORE", more)


def played(text: str, service: NaiveService | None = None) -> Rehearsal:
    return Rehearsal(frozen(text), service or NaiveService()).execute()


@pytest.mark.parametrize(
    ("more", "price", "said"),
    [
        ("budget: {credits: 4}", (5, 5), "no limit is known"),
        ("budget: {credits: 5}\n    regenerate: 3", (5, 6), "no limit is known"),
        ("budget: {per_item: 2}\n    regenerate: 3", (5, 9), "no limit is known"),
        ("budget: {credits: 2}\n    allow_failures: 3", (3, 3), "no limit is known"),
        ("budget: {credits: 3}", (5, 5), "over the budget of the step stills: at least 4 credits, and it has 3 left"),
        ('budget: {credits: "${{ inputs.shots }}"}', (5, 5), "over the budget of the step stills: at least 4 credits, and it has 3 left"),
        ("budget: {per_item: 0}", (5, 5), "over the budget of the step stills: an item costs at least 1 credit, and may cost 0"),
    ],
)  # fmt: skip
def test_a_plan_counts_a_step_within_its_own_budget_or_refuses_it(
    more: str, price: tuple[int, int], said: str
) -> None:
    found = priced(frozen(spec(more)))
    assert (found.min, found.max) == price
    assert verdict(found) == said


def test_a_step_whose_least_exceeds_its_budget_buys_nothing() -> None:
    text = spec("budget: {credits: 3}")
    run = played(text)
    assert (run.state.ended, run.bought) == ("failed", ["poster"])
    item = run.item("stills", "1")
    assert item.code == "over_step_budget"
    assert item.reason == "needs 4 credits; the budget of stills of 3 has 3 left"
    run = played(text.replace("name: ads", "name: ads\nbudget: {credits: 9, on_unfit: go_on}"))
    assert Counter(run.bought) == {"stills": 3, "poster": 1}


def test_items_that_may_fail_are_left_out_where_the_budget_of_their_step_ends() -> None:
    run = played(spec("budget: {credits: 3}\n    allow_failures: 1"))
    assert (run.state.ended, Counter(run.bought)) == ("completed", {"stills": 3, "poster": 1})


@pytest.mark.parametrize(
    ("budget", "models"),
    [
        ("{credits: 12}", {"z-image": 4, "nano-banana": 4}),
        ("{credits: 11}", {"z-image": 4, "nano-banana": 3}),
        ("{per_item: 3}", {"z-image": 4, "nano-banana": 4}),
        ("{per_item: 2}", {"z-image": 4}),
    ],
)
def test_fallbacks_are_bought_as_far_as_the_budget_of_their_step_covers_them(
    budget: str, models: dict[str, int]
) -> None:
    text = spec(f"budget: {budget}\n    fallback: [{{model: nano-banana}}]")
    run = played(text, NaiveService(failing_models=["z-image"]))
    bought = (
        json.loads(one.body)["model"] for item in run.items("stills") for one in item.purchases
    )
    assert Counter(bought) == models
    failed = {item.code for item in run.items("stills")} - {None}
    assert failed == (
        set() if "nano-banana" in models and models["nano-banana"] == 4 else {"over_step_budget"}
    )


PICKED = """
version: 1
name: ads
steps:
  stills:
    uses: generate
    matrix: {n: [1, 2]}
    budget: {credits: BUDGET}
    with: {model: z-image, prompt: "a lamp ${{ matrix.n }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 2}}
"""


def test_rounds_of_a_pick_count_in_the_budget_of_the_step_that_they_buy_again() -> None:
    assert priced(frozen(PICKED.replace("BUDGET", "9"))).max == 6
    assert priced(frozen(PICKED.replace("BUDGET", "5"))).max == 5
    run = played(PICKED.replace("BUDGET", "3"))
    run.answer("hero", none=True)
    run.run()
    assert run.bought == ["stills", "stills", "hero.stills.2"]


def test_the_budget_of_an_item_covers_all_its_rounds() -> None:
    for limit, most, bought in ((1, 2, 2), (2, 4, 4), (3, 6, 6)):
        text = PICKED.replace("credits: BUDGET", f"per_item: {limit}")
        assert priced(frozen(text)).max == most
        run = played(text)
        for _ in range(2):
            if not run.state.ended:
                run.answer("hero", none=True)
                run.run()
        assert len(run.bought) == bought
    text = PICKED.replace("credits: BUDGET", "per_item: 1")
    run = played(text)
    run.answer("hero", none=True)
    run.run()
    [reason] = {one.reason for one in run.items("hero.stills.2")}
    assert reason == "needs 1 credit; its budget is 1, and 1 are spent"


LATER = """
version: 1
name: launch
steps:
  words:
    uses: chat
    with: {model: gpt-5-2-chat, message: two, expect: {scenes: {type: list, of: string, min: LEAST, max: 4}}}
  market:
    uses: include
    foreach: ${{ steps.words.json.scenes }}
    MORE
    with: {spec: ads.yaml}
"""


@pytest.mark.parametrize(
    ("budget", "least", "more", "over"),
    [
        ("budget: {credits: 3}", 2, "", "its step stills: at least 4 credits, and it has 3 left"),
        ("budget: {credits: 3}", 0, "", None),
        ("budget: {credits: 3}", 2, "allow_failures: 2", None),
        ("budget: {credits: 5}\n    regenerate: 3", 2, "", None),
    ],
)  # fmt: skip
def test_a_budget_in_each_campaign_of_a_later_list_is_compared_with_what_it_buys(
    budget: str, least: int, more: str, over: str | None
) -> None:
    text = LATER.replace("LEAST", f"{least}").replace("MORE", more or "max_items: 4")
    found = priced(frozen(text, includes={"ads.yaml": spec(budget)}))
    [market] = [one for one in found.steps if one.id == "market"]
    assert market.over == over
    [price] = [one.price for one in market.items]
    each = 6 if "regenerate" in budget else 5
    assert (price.min, price.max) == (5 * least, each * 4)


FOLLOWING = """
version: 1
name: ads
steps:
  cheap: {uses: generate, foreach: [a, b, c, d], with: {model: z-image, prompt: "a ${{ item }}"}}
  stills:
    uses: generate
    foreach: ${{ steps.cheap.items }}
    budget: {credits: BUDGET}
    with: {model: nano-banana, prompt: "a lamp ${{ item.key }}"}
"""


@pytest.mark.parametrize(("budget", "bought"), [(11, 0), (12, 4)])
def test_items_whose_source_has_not_ended_count_in_what_a_step_needs(
    budget: int, bought: int
) -> None:
    for seed in range(8):
        run = Rehearsal(frozen(FOLLOWING.replace("BUDGET", str(budget))), NaiveService())
        run.execute(random.Random(seed))
        assert Counter(run.bought) == Counter({"cheap": 4, "stills": bought}), seed


def test_the_items_of_a_step_that_does_not_fit_are_priced_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    priced_steps = list[str]()

    def count(state: State, step_id: str) -> int:
        priced_steps.append(step_id)
        return least_of_step(state, step_id)

    least_of_step = budget._least_of_step
    monkeypatch.setattr(budget, "_least_of_step", count)
    run = played(spec("budget: {credits: 3}"))
    assert {item.code for item in run.items("stills")} == {"over_step_budget"}
    assert priced_steps == ["stills"]


@pytest.mark.parametrize(("cap", "asked"), [(8, []), (7, ["Raise the budget to 8?"])])
def test_a_step_counts_in_all_that_is_left_within_its_own_budget(
    cap: int, asked: list[str]
) -> None:
    listed = FOLLOWING.replace("[a, b, c, d]", "'${{ [steps.first.asset, steps.first.asset, 3] }}'")
    first = f"budget: {{credits: {cap}, on_unfit: pause}}\nsteps:\n  first: {{uses: generate, with: {{model: z-image, prompt: a}}}}\n"
    text = listed.replace("steps:\n", first, 1).replace("BUDGET", "4").replace("a ${{ item }}", "x")
    run = played(text)
    assert [one.text.partition(". ")[2] for ask in run.asked for one in ask.questions] == asked
