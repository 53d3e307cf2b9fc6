"""The price of a plan: what its bounds rest on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rivya_client.catalogue.prices import Price
from rivya_flows.estimate.estimate import ItemEstimate, estimate, rehearse
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.events import JobEnded, PurchaseAccepted, RunEnded
from rivya_flows.queue.queue import replay
from rivya_flows.queue.reducer import initial_state
from support.naive_service import NOON, NaiveService, Rehearsal, frozen
from support.prepared_specs import prepared

SPEC = """\
version: 1
name: priced
inputs: {product: {type: string, default: lamp}}
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Hi, expect: {ratio: string, high: boolean}}
  shot:
    uses: generate
    with: {model: MODEL, prompt: a lamp, params: {PARAMS}}
"""


Priced = Callable[[str], dict[str, ItemEstimate]]


@pytest.fixture
def priced(tmp_path: Path) -> Priced:
    """Gives the first item of each step of a spec."""

    def items(text: str) -> dict[str, ItemEstimate]:
        found = prepared(SpecFile(text, "spec.yaml", None), {}, tmp_path).estimate
        return {one.id: one.items[0] for one in found.steps}

    return items


def spec(model: str, params: str) -> str:
    return SPEC.replace("MODEL", model).replace("PARAMS", params)


@pytest.mark.parametrize(
    ("model", "params", "top"),
    [
        ("veo3-1-lite", 'aspectRatio: "${{ steps.script.json.ratio }}"', 10),
        ("veo3-1-lite", 'seeds: "${{ 12345 if steps.script.json.high else none }}"', 10),
        ("sora-2-pro", 'aspect_ratio: "${{ steps.script.json.ratio }}"', 75),
        ("sora-2-pro", "size: \"${{ 'high' if steps.script.json.high else 'standard' }}\"", None),
        ("sora-2-pro", 'remove_watermark: "${{ not inputs.product }}"', 75),
    ],
)
def test_only_a_computed_parameter_that_bears_a_price_takes_the_maximum_away(
    priced: Priced, model: str, params: str, top: int | None
) -> None:
    assert priced(spec(model, params))["shot"].price.max == top


def test_the_note_names_the_parameter_that_is_known_later(priced: Priced) -> None:
    text = spec("sora-2-pro", 'size: "${{ steps.script.json.ratio }}"')
    assert priced(text)["shot"].price.assumption == "size may change the base price"


def test_the_note_says_how_often_a_price_may_be_paid(priced: Priced) -> None:
    text = spec("veo3-1-lite", "") + "    regenerate: 1\n"
    found = {name: (one.price.max, one.price.assumption) for name, one in priced(text).items()}
    assert found == {
        "script": (3, "settled by tokens, up to the reserve of one turn, at most 3 times"),
        "shot": (20, "fixed price of the default request, at most 2 times"),
    }


SHOTS = """
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


def still_of(when: str = "", prompt: str = "A lamp", more: str = "") -> ItemEstimate:
    text = SHOTS.replace("WHEN", when).replace("PROMPT", prompt) + more
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
            f"{KNOWN}, at most 3 times; up to 9 more with its fallbacks: seedream-5-lite, nano-banana",
        ),
        (
            "",
            '"${{ steps.first.status }}"',
            1,
            12,
            f"{KNOWN}, at most 3 times; up to 9 more with its fallbacks: seedream-5-lite, nano-banana",
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
            "up to 3 items, known during the run; it fails with more;"
            " with fallbacks: seedream-5-lite, nano-banana",
        ),
    ],
    ids=["evaluated", "by the spec alone", "under a condition", "a fan-out of the run"],
)
def test_an_item_costs_at_most_all_its_jobs_and_all_its_fallbacks(
    when: str, prompt: str, least: int, most: int, assumption: str
) -> None:
    item = still_of(when, prompt)
    assert (item.price.min, item.price.max) == (least, most)
    assert item.price.assumption == assumption
    assert item.fallback == ("seedream-5-lite", "nano-banana")


def test_a_fallback_without_a_known_price_leaves_the_most_open() -> None:
    item = still_of(more="      - {params: {resolution: 2K}, model: nano-banana-pro}\n")
    assert (item.price.min, item.price.max) == (1, None)
    assert (
        "; more with its fallbacks: seedream-5-lite, nano-banana, nano-banana-pro"
        in item.price.assumption
    )


def test_what_is_left_of_a_run_is_the_alternative_it_is_at_and_those_behind() -> None:
    text = SHOTS.replace("WHEN", "").replace("PROMPT", "A lamp").replace("regenerate: 2", "")
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


def test_what_follows_a_running_job_that_fails_is_still_to_be_paid_at_most() -> None:
    text = """
version: 1
name: priced
steps:
  shot:
    uses: generate
    regenerate: 1
    with: {model: z-image, prompt: a lamp}
    fallback: [{model: seedream-5-lite}, {model: nano-banana}]
"""

    def top(service: NaiveService, jobs: int, *, settled: bool = False) -> ItemEstimate:
        """What is open while so many jobs have been accepted, and the last one runs."""
        run = Rehearsal(frozen(text), service)
        run.take_up()
        while sum(isinstance(one, PurchaseAccepted) for one in run.journal) < jobs:
            assert run.advance(0)
        while settled and not isinstance(run.journal[-1], JobEnded):
            assert run.advance(0)
        [step] = estimate(rehearse(replay(run.journal), NOON, lambda key: None), None).steps
        return step.items[0]

    failing = {"z-image", "seedream-5-lite"}
    found = [top(NaiveService(failing_models=failing), jobs).price for jobs in (1, 2, 3, 4)]
    assert [(one.min, one.max) for one in found] == [(0, 10), (0, 9), (0, 3), (0, 0)]
    assert found[0].assumption == "already bought; up to 10 more if its job fails"
    assert top(NaiveService(), 1, settled=True).price == Price(0, 0, "already bought")


EVERYTHING = """
version: 1
name: everything
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Hi, expect: {visual: string, narration: string}}
  stills:
    uses: generate
    foreach: [studio, neon, noir]
    regenerate: 2
    allow_failures: 3
    with: {model: z-image, prompt: "${{ item }}"}
    fallback: [{model: seedream-5-lite}, {model: nano-banana}]
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: judge
      judge: {model: gemini-2-5-flash-chat, criteria: [the lamp is whole]}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: "${{ steps.script.json.visual }}", references: ["${{ steps.hero.asset }}"]}
on_failure:
  sorry:
    uses: generate
    with: {model: z-image, prompt: a card}
"""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_a_budget_of_the_most_of_a_plan_pays_for_every_way_that_a_run_may_take(
    share: float,
) -> None:
    start = frozen(EVERYTHING)
    most = estimate(rehearse(initial_state(start), NOON, lambda _: None), None).max
    assert most is not None
    for seed in range(12):
        service = NaiveService(seed, failing=share, refusing=share / 2, rambling=share)
        run = Rehearsal(start.model_copy(update={"budget": most}), service)
        run.take_up()
        run.run()
        assert len(run.ended) == 1
        assert not [item for _, item in run.state.each() if item.code == "over_budget"]
        assert run.most <= most
