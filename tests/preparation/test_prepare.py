"""What is found before a run starts, and its bounds."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jinja2 import nodes
from PIL import Image

from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_flows.engine.run_context import ServiceConnection, open_context
from rivya_flows.errors import BudgetError, SpecError, UsageError
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.language.expressions import evaluation
from rivya_flows.preparation.prepare import (
    Market,
    PlanningStore,
    Prepared,
    RunRequest,
    close_budget,
    prepare,
    prepare_here,
    refuse_over,
    soft_limits,
    verdict,
)
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.events import PoolTotal
from rivya_flows.receipt.phrases import total_of
from rivya_flows.receiver.addresses import asset_address
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from support.prepared_specs import prepared


def of(body: str, folder: Path, **inputs: Any) -> Prepared:
    """A spec of this body, made ready."""
    spec = SpecFile(f"version: 1\nname: test\n{body}", "spec.yaml", folder)
    return prepared(spec, inputs, folder)


def test_an_output_that_inputs_make_impossible_is_reported_before_the_run(tmp_path: Path) -> None:
    body = """
inputs: {n: {type: integer, default: 0}, rest: {type: text, required: false}}
steps: {still: {uses: generate, with: {model: z-image, prompt: a lamp}}}
outputs: {share: "${{ 60 // inputs.n }}", rest: "${{ inputs.rest }}"}
"""
    assert of(body, tmp_path, n=7).frozen.inputs == {"n": 7, "rest": None}
    with pytest.raises(SpecError, match=r"the output 'share': division by zero"):
        of(body, tmp_path)


def test_all_values_of_a_plan_together_have_a_bound(tmp_path: Path) -> None:
    body = """
inputs: {half: {type: text}, numbers: {type: list, of: integer}}
steps:
  told:
    uses: notify
    foreach: ${{ inputs.numbers }}
    max_items: 10000
    with: {url: https://example.com/, body: "${{ inputs.half ~ item ~ inputs.half }}"}
"""
    with pytest.raises(SpecError) as caught:
        of(body, tmp_path, half="x" * 500_000, numbers=list(range(200)))
    [problem] = caught.value.diagnostics
    assert problem.message.startswith("told[134]: 'body' does not fit")
    assert "134,217,728 bytes" in problem.message


def test_a_plan_of_a_nested_expression_takes_work_that_grows_with_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate, count = evaluation._evaluate_sourced, 0

    def counting(tree: nodes.Node, here: evaluation.Evaluation) -> tuple[Any, str | None]:
        nonlocal count
        count += 1
        return evaluate(tree, here)

    monkeypatch.setattr(evaluation, "_evaluate_sourced", counting)

    def evaluations(depth: int) -> int:
        nested = "none if [" * depth + "inputs.nothing" + "] else 1" * depth
        body = f"""
inputs: {{nothing: {{type: text, required: false}}}}
steps:
  told: {{uses: generate, with: {{model: z-image, prompt: "${{{{ [{nested}] | length }}}}"}}}}
"""
        before = count
        with contextlib.suppress(SpecError):
            of(body, tmp_path)
        return count - before

    assert 0 < evaluations(12) < 3 * evaluations(6)


@pytest.mark.parametrize(("key", "needs"), [("prompt", ""), ("model", "needs: [first]")])
def test_the_work_of_a_plan_is_bounded_for_all_items_together(
    tmp_path: Path, key: str, needs: str
) -> None:
    """Each text takes seventeen parts of eighteen of what one text may take."""
    work = "(inputs.large" + " | upper | lower" * 4 + " | length)"
    given = {"prompt": "a lamp", "model": "z-image"}
    given[key] = "${{ '" + given[key] + "' if " + work + " > 0 else 'b' }}"
    body = f"""
inputs: {{large: {{type: text}}, numbers: {{type: list, of: integer}}}}
steps:
  first: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}
  told:
    uses: generate
    {needs}
    foreach: ${{{{ inputs.numbers }}}}
    max_items: 10000
    with: {{model: "{given["model"]}", prompt: "{given["prompt"]}"}}
"""

    large = "x" * 990_000
    assert of(body, tmp_path, large=large, numbers=[*range(8)]).estimate.min == 9
    with pytest.raises(SpecError, match="all items handle more than 536,870,912 characters"):
        of(body, tmp_path, large=large, numbers=[*range(200)])


def test_only_the_first_of_very_many_certain_failures_are_reported(tmp_path: Path) -> None:
    body = """
inputs: {numbers: {type: list, of: integer}}
steps:
  still:
    uses: generate
    foreach: ${{ inputs.numbers }}
    max_items: 10000
    with: {model: z-image, prompt: "${{ 1 / (item * 0) }}"}
"""
    with pytest.raises(SpecError) as caught:
        of(body, tmp_path, numbers=[*range(300)])
    *first, last = caught.value.diagnostics
    assert [one.message.partition(":")[0] for one in first] == [f"still[{n}]" for n in range(100)]
    assert last.code == "too-many-problems"


def test_an_address_of_the_receiver_is_the_medium_in_the_store(tmp_path: Path) -> None:
    text = """
version: 1
name: own
inputs: {photo: {type: file, kind: image}}
steps:
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: it turns, references: ["${{ inputs.photo }}"]}
"""
    store = AssetStore((tmp_path / "assets").as_uri(), tmp_path / "copies")
    Image.new("RGB", (800, 600), "red").save(tmp_path / "mine.png")
    digest = store.put(tmp_path / "mine.png")

    def photo(secret: str) -> dict[str, Any]:
        address = asset_address("https://old.example/m", secret, digest, "image/png")
        prepared = prepare(
            RunRequest(
                SpecFile(text, "own.yaml", None), lambda _: {"photo": address}, local_files=False
            ),
            Market(shipped(), "sandbox:test", 100, {}),
            "run-1",
            PlanningStore(store, secret=lambda: "ours"),
        )
        found = prepared.frozen.inputs["photo"]
        assert isinstance(found, dict)
        return found

    assert (photo("ours")["sha256"], photo("ours")["width"]) == (digest, 800)
    assert list(photo("of another store")) == ["url"]
    store.remove(digest)
    with pytest.raises(UsageError, match="is not in the store"):
        photo("ours")


LABELLED = """
version: 1
name: labelled
labels: {client: "${{ inputs.client }}"}
budget: {credits: 9}
inputs: {client: {type: string, default: acme}}
steps:
  stills: {uses: generate, foreach: [1, 2, 3], with: {model: z-image, prompt: "${{ item }}"}}
  voice:
    uses: generate
    with: {model: elevenlabs-turbo-2-5, prompt: "${{ steps.stills.status }}", params: {voice: TX3LPaxmHKxFdv7VOQHJ}}
"""


def priced_with(folder: Path, *pools: PoolTotal, pauses: bool = False) -> Estimate:
    text = LABELLED.replace("9}", "9, on_unfit: pause}") if pauses else LABELLED
    spec = SpecFile(text, "labelled.yaml", None)

    def read(labels: Mapping[str, str]) -> tuple[PoolTotal, ...]:
        assert labels == {"client": "beta"}
        return pools

    return prepared(spec, {"client": "beta"}, folder, pools=read).estimate


DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


UNBOUND = "What voice will cost at most is not known: metered"


@pytest.mark.parametrize(
    ("least", "most", "limits", "total", "words"),
    [
        (3, 3, "budget 3", "3 credits", "fits the budget"),
        (3, 3, "budget 3, balance 3", "3 credits", "fits the budget and the balance"),
        (1, 7, "budget 6", "at least 1, at most 7 credits", "may exceed the budget of 6. Nothing beyond is"),
        (1, 7, "budget 9, spent 3", "at least 1, at most 7 credits", "may exceed the budget of 9. Nothing"),
        (1, 7, "balance 6, budget 5", "at least 1, at most 7 credits", "may exceed the b"),
        (9, 12, "budget 6", "at least 9, at most 12 credits", "over the budget: at least 9"),
        (0, 0, "balance 3", "0 credits", "buys nothing"),
        (2, None, "", "at least 2 credits", "no limit is known"),
        (2, None, "balance 99", "at least 2 credits", f"may exceed the balance of 99. {UNBOUND}"),
        (2, None, "balance 99, budget 9", "at least 2 credits", f"may exceed the budget of 9. {UNBOUND}"),
    ],
)  # fmt: skip
def test_a_plan_never_fits_what_it_may_exceed(
    least: int, most: int | None, limits: str, total: str, words: str, tmp_path: Path
) -> None:
    known = {name: int(value) for name, value in map(str.split, filter(None, limits.split(", ")))}
    nothing: dict[str, Any] = {"budget": None, "balance": None, "spent": 0}
    found = replace(priced_with(tmp_path), min=least, max=most, **(nothing | known))
    fits = {"may exceed": "may_exceed", "over the b": "exceeds"}
    assert found.fit == fits.get(words[:10], "fits")
    assert total_of(found) == total
    assert verdict(found).startswith(words)


def test_the_items_of_a_matrix_that_the_run_makes_are_bounded_by_max_items(tmp_path: Path) -> None:
    body = """
steps:
  idea: {uses: chat, with: {model: gpt-5-2-chat, message: places, expect: {places: [string]}}}
  grid:
    uses: generate
    matrix: {place: "${{ steps.idea.json.places }}", light: [day, night]}
    with: {model: z-image, prompt: "${{ matrix.place }}"}
  row:
    uses: generate
    foreach: ${{ steps.idea.json.places }}
    max_items: 4
    with: {model: z-image, prompt: "${{ item }}"}
"""
    found = of(body, tmp_path).estimate
    assert found.unbounded == ()
    most = {step.id: [item.price.max for item in step.items] for step in found.steps}
    assert (most["grid"], most["row"]) == ([100], [4])


def test_a_plan_names_the_pools_that_it_fits(tmp_path: Path) -> None:
    wide = PoolTotal(name="wide", credits=100, spent=91)
    found = priced_with(tmp_path, PoolTotal(name="beta", credits=10, spent=1), wide)
    assert (found.min, found.verdict) == (9, "ok")
    assert (found.fit, found.may_exceed) == ("may_exceed", ("the budget of 9",))
    assert verdict(found) == (
        "may exceed the budget of 9. What voice will cost at most is not known: metered by length, and only its"
        " base price of 6 credits is published. The purchase that passes it is the last."
    )
    assert list(close_budget(found)) == [f"warning: {verdict(found)}"]
    assert not list(close_budget(replace(found, min=3)))
    known = replace(found, max=9)
    assert not list(close_budget(known))
    assert (known.fit, known.unbounded[0][0]) == ("fits", "voice")
    assert verdict(known) == "fits the budget, the pool beta and the pool wide"
    document: Any = found.as_json()
    assert document["pools"][1] == {
        "name": "wide", "credits": 100, "soft": None, "spent": 91, "until": None, "left": 9,
    }  # fmt: skip


def test_the_least_price_over_a_pool_is_over_the_budget(tmp_path: Path) -> None:
    small = PoolTotal(name="beta", credits=10, spent=2, until=DECEMBER)
    found = priced_with(tmp_path, small)
    assert found.verdict == "over_budget"
    with pytest.raises(BudgetError) as caught:
        refuse_over(found)
    left = "8 of 10 credits left until 2026-12-01 (UTC)"
    assert caught.value.message == f"over the pool beta: {left}; it takes at least 9 credits"
    assert "budgets set beta --credits N" in str(caught.value.hint)
    pausing = priced_with(tmp_path, small, pauses=True)
    refuse_over(pausing)
    assert verdict(pausing) == f"over the pool beta: {left}; the run buys what fits, then asks"


def test_over_the_balance_the_hint_says_how_many_credits_are_missing(tmp_path: Path) -> None:
    with pytest.raises(BudgetError) as caught:
        refuse_over(replace(priced_with(tmp_path), balance=2))
    assert caught.value.message == "over the balance: at least 9 credits, and the balance is 2"
    words = "add at least 7 credits, then the same command; nothing was bought"
    assert caught.value.hint == words


def test_the_greatest_price_over_a_soft_limit_is_a_warning(tmp_path: Path) -> None:
    pool = PoolTotal(name="beta", credits=900, soft=800, spent=5)
    assert soft_limits(priced_with(tmp_path, pool.model_copy(update={"soft": None}))) == []
    # The most that a voice costs is known to the service alone.
    assert soft_limits(priced_with(tmp_path, pool)) == [
        "warning: pool beta: 895 of 900 credits left; this may take from 9 credits and pass its soft limit of 800"
    ]


async def test_other_prices_than_the_shipped_ones_and_lints_are_told_once(tmp_path: Path) -> None:
    text = (
        "version: 1\nname: lamps\ninputs: {a: {type: string, default: b}}\n"
        "steps:\n  stills: {uses: generate, foreach: [a, b],"
        ' with: {model: z-image, prompt: "${{ item }}"}}\n'
    )
    wire = {**shipped().wire, "data": [{**shipped().wire["data"][0], "base_credits": 2}]}
    service, told = ServiceConnection("https://rivya.ai", None, "https://rivya.ai", 1.0), [""]
    market = Market(from_wire(wire, date="2026-12-01", source="live"), service.identity, 100)
    with open_context(Settings(rivya_flows_data=tmp_path), service) as context:
        request = RunRequest(SpecFile(text, "spec.yaml", None), lambda _: {})
        ready = await prepare_here(
            context, request, "run-1", starts=True, notify=told.append, market=market
        )
    assert told[1:] == [
        "z-image: 2 credits here, 1 in the shipped catalogue",
        "warning: the spec has no outputs, and 1 more warning; `rivya-flows check` shows where",
    ]
    assert ready.estimate.min == 4
