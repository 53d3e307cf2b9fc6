"""The price of a plan: what its bounds rest on."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_client.catalogue.prices import Price
from rivya_flows.estimate.estimate import ItemEstimate
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.events import JobEnded, PurchaseAccepted, RunEnded
from rivya_flows.queue.least_left import least_left
from rivya_flows.queue.queue import replay
from rivya_flows.queue.reducer import initial_state
from support.naive_service import NOON, NaiveService, Rehearsal, frozen, items_priced, priced
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
    regenerate: 1
    with: {model: MODEL, prompt: a lamp, params: {PARAMS}}
"""
TIMES = "at most 2 times"


@pytest.mark.parametrize(
    ("model", "params", "top", "assumption"),
    [
        ("veo3-1-lite", "", 20, f"fixed price of the default request, {TIMES}"),
        ("veo3-1-lite", 'aspectRatio: "${{ steps.script.json.ratio }}"', 20, None),
        ("veo3-1-lite", 'seeds: "${{ 12345 if steps.script.json.high else none }}"', 20, None),
        ("sora-2-pro", 'aspect_ratio: "${{ steps.script.json.ratio }}"', 150, None),
        ("sora-2-pro", "size: \"${{ 'high' if steps.script.json.high else 'standard' }}\"", None, None),
        ("sora-2-pro", 'size: "${{ steps.script.json.ratio }}"', None, "size may change the base price"),
        ("sora-2-pro", 'remove_watermark: "${{ not inputs.product }}"', 150, None),
    ],
)  # fmt: skip
def test_only_a_computed_parameter_that_bears_a_price_takes_the_maximum_away(
    model: str, params: str, top: int | None, assumption: str | None, tmp_path: Path
) -> None:
    text = SPEC.replace("MODEL", model).replace("PARAMS", params)
    found = prepared(SpecFile(text, "spec.yaml", None), {}, tmp_path).estimate
    script, shot = (step.items[0].price for step in found.steps)
    words = "settled by tokens, up to the reserve of one turn, at most 3 times"
    assert (script.max, script.assumption) == (3, words)
    assert shot.max == top
    assert assumption is None or shot.assumption.startswith(assumption)


SHOTS = """
version: 1
name: shots
steps:
  first: {uses: generate, with: {model: z-image, prompt: A lamp}}
  still:
    uses: generate
    WHEN
    regenerate: 2
    with: {model: z-image, prompt: PROMPT}
    fallback:
      - {model: seedream-5-lite}
      - {model: nano-banana}
"""
FALLBACKS = "fallbacks: seedream-5-lite, nano-banana"
KNOWN = f"fixed price of the default request, at most 3 times; up to 9 more with its {FALLBACKS}"


def shots(when: str = "#", prompt: str = "A lamp", more: str = "") -> str:
    return SHOTS.replace("WHEN", when).replace("PROMPT", prompt) + more


@pytest.mark.parametrize(
    ("when", "prompt", "least", "most", "assumption"),
    [
        ("#", "A lamp", 1, 12, KNOWN),
        ("#", '"${{ steps.first.status }}"', 1, 12, KNOWN),
        ("if: ${{ steps.first.status == 'completed' }}", "A lamp", 0, 12, f"only if its condition is met; with {FALLBACKS}"),
        ("foreach: ${{ steps.first.assets }}\n    max_items: 3", "A lamp", 0, 36,
         f"up to 3 items, known during the run; it fails with more; with {FALLBACKS}"),
    ],
    ids=["evaluated", "by the spec alone", "under a condition", "a fan-out of the run"],
)  # fmt: skip
def test_an_item_costs_at_most_all_its_jobs_and_all_its_fallbacks(
    when: str, prompt: str, least: int, most: int, assumption: str
) -> None:
    item = items_priced(frozen(shots(when, prompt)))["still"]
    assert item.price == Price(least, most, assumption)
    assert item.fallback == ("seedream-5-lite", "nano-banana")


def test_a_fallback_without_a_known_price_leaves_the_most_open() -> None:
    more = "      - {params: {resolution: 2K}, model: nano-banana-pro}\n"
    price = items_priced(frozen(shots(more=more)))["still"].price
    assert (price.min, price.max) == (1, None)
    assert f"; more with its {FALLBACKS}, nano-banana-pro" in price.assumption


def test_what_is_left_of_a_run_is_the_alternative_it_is_at_and_those_behind() -> None:
    text = shots().replace("regenerate: 2", "")
    run = Rehearsal(frozen(text), NaiveService(failing_models={"z-image"}))
    run.take_up()
    while run.item("still").alternative == 0:
        assert run.advance(0)
    run.feed(RunEnded(status="cancelled", at=NOON))
    item = items_priced(replay(run.journal))["still"]
    assert (item.price.min, item.price.max, item.fallback) == (6, 9, ("nano-banana",))


def test_what_follows_a_running_job_that_fails_is_still_to_be_paid_at_most() -> None:
    def top(service: NaiveService, jobs: int, *, settled: bool = False) -> ItemEstimate:
        """What is open while so many jobs have been accepted, and the last one runs."""
        text = shots().replace("regenerate: 2", "regenerate: 1").replace("  first:", "  #")
        run = Rehearsal(frozen(text), service)
        run.take_up()
        while len(run.events(PurchaseAccepted)) < jobs:
            assert run.advance(0)
        while settled and not isinstance(run.journal[-1], JobEnded):
            assert run.advance(0)
        return items_priced(replay(run.journal))["still"]

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
  sorry: {uses: generate, with: {model: z-image, prompt: a card}}
"""


def test_a_budget_of_the_most_of_a_plan_pays_for_every_way_that_a_run_may_take() -> None:
    start = frozen(EVERYTHING)
    most = priced(start).max
    assert most is not None
    for seed in range(16):
        share = (0.0, 0.3, 0.6, 1.0)[seed % 4]
        service = NaiveService(seed, failing=share, refusing=share / 2, rambling=share)
        run = Rehearsal(start.model_copy(update={"budget": most}), service).execute()
        assert len(run.ended) == 1
        assert not [item for _, item in run.state.each() if item.code == "over_budget"], seed
        assert run.most <= most


ADS = """
version: 1
name: ads
budget: {credits: 30}
inputs:
  rows:
    type: list
    of: map
    fields:
      name: {type: string}
      film: {type: boolean}
      engine: {type: enum, values: [veo3-1-lite, sora-2]}
    default:
      - {name: lamp, film: true, engine: veo3-1-lite}
      - {name: vase, film: false, engine: sora-2}
      - {name: rug, film: true, engine: sora-2}
steps:
  logo: {uses: generate, with: {model: z-image, prompt: logo}}
  stills:
    uses: generate
    foreach: ${{ inputs.rows }}
    as: row
    allow_failures: ALLOWED
    with: {model: nano-banana, prompt: "${{ row.name }}", references: ["${{ steps.logo.asset }}"]}
  scenes:
    uses: chat
    foreach: ${{ steps.stills.items }}
    as: still
    if: ${{ still.row.film }}
    with:
      model: gpt-5-2-chat
      message: Describe it
      attachments: ["${{ still.asset }}"]
      expect: {text: string}
  films:
    uses: generate
    foreach: ${{ steps.scenes.items }}
    as: scene
    with: {model: "${{ scene.row.engine }}", prompt: "${{ scene.json.text }}", references: ["${{ scene.still.asset }}"]}
"""


def test_a_plan_evaluates_what_the_rows_of_inputs_decide_through_the_steps_that_follow_each_other() -> (
    None
):
    start = frozen(ADS.replace("ALLOWED", "0"))
    films = priced(start).steps[-1].items
    assert [(one.model, one.price.min, one.price.max) for one in films] == [
        ("veo3-1-lite", 10, 10),
        ("sora-2", 0, 0),
        ("sora-2", 6, 6),
    ]
    assert films[1].price.assumption == "scenes is not made"
    assert priced(start).steps[2].items[1].price.assumption == "its `if` is false"


@pytest.mark.parametrize(("allowed", "least"), [(0, 1 + 9 + 16), (1, 1 + 6 + 6), (2, 1 + 3)])
def test_what_is_left_counts_the_films_that_rows_decide_but_those_that_may_lack_a_still(
    allowed: int, least: int
) -> None:
    start = frozen(ADS.replace("ALLOWED", str(allowed)))
    assert least_left(initial_state(start)) == least


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("inputs.tier == 'full' and steps.look.json.good", (0, 0)),
        ("steps.look.json.good and inputs.tier == 'full'", (0, 0)),
        ("inputs.tier == 'low' or steps.look.json.good", (10, 10)),
        ("steps.look.json.good or inputs.tier == 'low'", (10, 10)),
        ("inputs.tier == 'low' and steps.look.json.good", (0, 10)),
        ("not steps.look.json.good", (0, 10)),
    ],
)
def test_a_condition_is_decided_by_the_side_that_is_enough(
    written: str, price: tuple[int, int]
) -> None:
    start = frozen(f"""
version: 1
name: tiers
inputs: {{tier: {{type: enum, values: [full, low], default: low}}}}
steps:
  look: {{uses: chat, with: {{model: gpt-5-2-chat, message: Hi, expect: {{good: boolean}}}}}}
  film: {{uses: generate, if: "${{{{ {written} }}}}", with: {{model: veo3-1-lite, prompt: a lamp}}}}
""")
    film = priced(start).steps[-1]
    found = film.items[0].price if film.items else Price(0, 0, "")
    assert (found.min, found.max) == price


MAYBE = """
version: 1
name: maybe
inputs: {style: {type: string}}
steps:
  ask: {uses: chat, with: {model: gpt-5-2-chat, message: "${{ inputs.style }}", expect: {good: boolean}}}
  still: {uses: generate, if: "${{ steps.ask.json.good }}", with: {model: z-image, prompt: "${{ inputs.style }}"}}
outputs:
  still: ${{ steps.still.asset }}
  sure: ${{ steps.still.asset.url or steps.ask.text }}
"""
OF_ONE = "x: {uses: include, with: {spec: maybe.yaml, inputs: {style: neon}}}"
OF_EACH = (
    'x: {uses: include, foreach: LIST, with: {spec: maybe.yaml, inputs: {style: "${{ item }}"}}}'
)
OF_FOUND = (
    "list: {uses: chat, with: {model: gpt-5-2-chat, message: Hi,"
    " expect: {all: {type: list, of: string, min: 2, max: 2}}}}\n  "
    + OF_EACH.replace("LIST", '"${{ steps.list.json.all }}"')
)
OF_TWO = OF_EACH.replace("LIST", "[a, b]")


@pytest.mark.parametrize(
    ("included", "loop", "prompt", "least"),
    [
        (OF_ONE, "", "${{ steps.x.outputs.still.url }}", 0),
        (OF_ONE, "", "${{ steps.x.outputs.still.url or none }} lamp", 6),
        (OF_ONE, "", "${{ steps.x.outputs.sure }}", 6),
        (OF_TWO, "foreach: '${{ steps.x.items }}'", "${{ item.outputs.still.url }}", 0),
        (OF_TWO, "foreach: '${{ steps.x.items }}'", "${{ item.outputs.still.url or none }} lamp", 12),
        (OF_TWO, "foreach: '${{ steps.x.items }}'", "${{ item.outputs.sure }}, ${{ item.key }}", 12),
        (OF_FOUND, "foreach: '${{ steps.x.items }}'", "${{ item.outputs.still.url }}", 0),
        (OF_FOUND, "foreach: '${{ steps.x.items }}'", "${{ item.outputs.sure }}", 12),
    ],
)  # fmt: skip
def test_what_reads_an_output_that_a_condition_inside_an_include_may_leave_null_is_not_certain(
    included: str, loop: str, prompt: str, least: int
) -> None:
    start = frozen(
        f"""
version: 1
name: outer
steps:
  {included}
  y:
    uses: generate
    {loop}
    with: {{model: nano-banana, prompt: "{prompt}"}}
  z:
    uses: generate
    {loop.replace("x.items", "y.items")}
    with: {{model: nano-banana, prompt: lamp, references: ["${{{{ {"item" if loop else "steps.y"}.asset }}}}"]}}
""",
        includes={"maybe.yaml": MAYBE},
    )
    found = priced(start)
    assert found.min == least
    assert found.steps[-1].items[0].price.max
