"""What has become of a deployed spec, by the models of a service."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_flows.preparation.drift import Credits, Drift, drift_of, price_of_entry
from rivya_flows.preparation.spec_file import deployed_file, load_spec
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import DeployedSpec

SPEC = """\
version: 1
name: lamp
inputs: {model: {type: string, default: z-image}}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: "${{ inputs.model }}", prompt: "A lamp, ${{ matrix.style }}"}
    fallback: [{model: seedream-5-lite}]
deploy:
  - {name: daily}
"""


def changed(change: Callable[[dict[str, Any]], object], model: str = "z-image") -> Catalogue:
    """The models of a service that lists one of them otherwise."""
    wire: Any = copy.deepcopy(dict(shipped().wire))
    change(next(one for one in wire["data"] if one["id"] == model))
    return from_wire(wire, date="2026-12-03", source="live")


def costing(credits: int, model: str = "z-image") -> Catalogue:
    return changed(lambda one: one.update(base_credits=credits), model)


def without(model: str) -> Catalogue:
    return changed(lambda one: one.update(id="another-model"), model)


def found(catalogue: Catalogue, folder: Path, text: str = SPEC, *, priced: bool = True) -> Drift:
    spec = DeployedSpec("lamp", text)
    before = None
    if priced:
        file = deployed_file(spec)
        estimate = price_of_entry(file, load_spec(file, shipped()).deploy[0], shipped())
        before = Credits(estimate.min, estimate.max)
    store = AssetStore((folder / "assets").as_uri(), folder / "scratch")
    return drift_of("lamp/daily", spec, before, catalogue, store)


def test_a_model_that_is_gone_breaks_a_spec_also_one_that_an_input_names(tmp_path: Path) -> None:
    fine = found(shipped(), tmp_path)
    assert (fine.status, fine.sentence) == ("ok", "2–14 credits a run")
    literal = SPEC.replace("${{ inputs.model }}", "z-image")
    for text in (SPEC, literal):
        gone = found(without("z-image"), tmp_path, text)
        assert (gone.status, gone.now) == ("broken", None)
        assert gone.sentence.startswith("no longer works: ")
        assert "z-image" in gone.problems[0].message
    [fallback] = found(without("seedream-5-lite"), tmp_path).problems
    assert (fallback.code, fallback.line) == ("unknown-model", 9)


def test_a_parameter_that_a_model_no_longer_takes_breaks_a_spec(tmp_path: Path) -> None:
    text = SPEC.replace("prompt:", "params: {aspect_ratio: '1:1'}, prompt:")
    text = text.replace("${{ inputs.model }}", "z-image")
    text = text.replace("    fallback: [{model: seedream-5-lite}]\n", "")
    assert found(shipped(), tmp_path, text).status == "ok"
    fewer = changed(lambda one: one.update(params=[]))
    assert found(fewer, tmp_path, text).problems[0].code == "unknown-param"


@pytest.mark.parametrize(
    ("budget", "credits", "status"),
    [
        (None, 2, "dearer"),
        (None, 0, "ok"),  # cheaper
        (16, 2, "ok"),  # within what was agreed to
        (14, 2, "dearer"),  # a run could break off
        (13, 2, "ok"),  # it could break off before, too
        (13, 7, "dearer"),  # each run is refused
    ],
)
def test_dearer_is_more_than_the_budget_or_else_than_the_price_as_deployed(
    tmp_path: Path, budget: int | None, credits: int, status: str
) -> None:
    cap = "" if budget is None else f"budget: {{credits: {budget}}}\n"
    drift = found(costing(credits), tmp_path, SPEC + cap)
    assert (drift.status, drift.cap) == (status, budget)
    assert drift.now is not None
    assert drift.now.min == 2 * credits
    changes = [f"z-image: {credits} credits here, 1 in the shipped catalogue"]
    assert list(drift.models) == changes
    if budget == 14:
        assert drift.sentence == (
            "4–16 credits a run, 2–14 credits when it was deployed; its budget is 14 credits"
        )


def test_without_a_price_as_deployed_only_the_models_count(tmp_path: Path) -> None:
    drift = found(costing(9), tmp_path, priced=False)
    assert (drift.status, drift.sentence) == ("ok", "works; its price depends on its inputs")


def test_a_document_has_bounds(tmp_path: Path) -> None:
    steps = "".join(
        f"  s{number}: {{uses: generate, with: {{model: z-image, prompt: A}}}}\n"
        for number in range(40)
    )
    text = SPEC.replace("steps:\n", f"steps:\n{steps}").replace("${{ inputs.model }}", "z-image")
    document: Any = found(without("z-image"), tmp_path, text).as_json()
    assert len(document["problems"]) == 20
    assert all(len(one["message"]) <= 300 for one in document["problems"])
