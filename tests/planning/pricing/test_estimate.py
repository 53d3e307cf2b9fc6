"""The price of a plan: what its items cost at least and at most."""

from __future__ import annotations

import pytest

from rivya_flows.planning.pricing.estimate import ItemEstimate, estimate, rehearse
from rivya_flows.planning.queue.events import RunEnded
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.reducer import initial_state
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: shots
steps:
  first:
    uses: generate
    with: {model: z-image, prompt: A lamp}
  still:
    uses: generate
    WHEN
    regenerate: 2
    with: {model: z-image, prompt: PROMPT}
    fallback:
      - {model: seedream-5-lite}
      - {model: nano-banana}
"""
KNOWN = "fixed price of the default request"


def priced(when: str = "", prompt: str = "A lamp", more: str = "") -> ItemEstimate:
    text = SPEC.replace("WHEN", when).replace("PROMPT", prompt) + more
    found = estimate(rehearse(initial_state(frozen(text)), NOON, lambda _: None), None)
    [step] = [one for one in found.steps if one.id == "still"]
    return step.items[0]


@pytest.mark.parametrize(
    ("when", "prompt", "least", "most", "assumption"),
    [
        (
            "",
            "A lamp",
            1,
            12,
            f"{KNOWN}; up to 9 more with its fallbacks: seedream-5-lite, nano-banana",
        ),
        (
            "",
            '"${{ steps.first.status }}"',
            1,
            12,
            f"{KNOWN}; up to 9 more with its fallbacks: seedream-5-lite, nano-banana",
        ),
        (
            "if: ${{ steps.first.status == 'completed' }}",
            "A lamp",
            0,
            12,
            "only if its condition is met; with fallbacks: seedream-5-lite, nano-banana",
        ),
        (
            "foreach: ${{ steps.first.assets }}\n    max_items: 3",
            "A lamp",
            0,
            36,
            "up to 3 items, known during the run; with fallbacks: seedream-5-lite, nano-banana",
        ),
    ],
    ids=["evaluated", "by the spec alone", "under a condition", "a fan-out of the run"],
)
def test_an_item_costs_at_most_all_its_jobs_and_all_its_fallbacks(
    when: str, prompt: str, least: int, most: int, assumption: str
) -> None:
    item = priced(when, prompt)
    assert (item.price.min, item.price.max) == (least, most)
    assert item.price.assumption == assumption
    assert item.fallback == ("seedream-5-lite", "nano-banana")


def test_a_fallback_without_a_known_price_leaves_the_most_open() -> None:
    item = priced(more="      - {params: {resolution: 2K}, model: nano-banana-pro}\n")
    assert (item.price.min, item.price.max) == (1, None)
    assert (
        "; more with its fallbacks: seedream-5-lite, nano-banana, nano-banana-pro"
        in item.price.assumption
    )


def test_what_is_left_of_a_run_is_the_alternative_it_is_at_and_those_behind() -> None:
    text = SPEC.replace("WHEN", "").replace("PROMPT", "A lamp").replace("regenerate: 2", "")
    run = Rehearsal(frozen(text), NaiveService(failing_models={"z-image"}))
    run.take_up()
    while run.state.item("still", "").alternative == 0:
        assert run.advance(0)
    run.feed(RunEnded(status="cancelled", at=NOON))
    state = replay(run.journal)
    found = estimate(rehearse(state, NOON, lambda _: None), None)
    [step] = [one for one in found.steps if one.id == "still"]
    assert (step.items[0].price.min, step.items[0].price.max) == (6, 9)
    assert step.items[0].fallback == ("nano-banana",)
