"""The price of a plan: what its bounds rest on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rivya_flows.app.spec_file import SpecFile
from rivya_flows.planning.pricing.estimate import ItemEstimate
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
