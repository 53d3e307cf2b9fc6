"""The chart of a plan."""

from __future__ import annotations

import pytest

from rivya_flows.estimate.mermaid import mermaid
from rivya_flows.queue.reducer import initial_state
from support.naive_service import frozen, priced

SPEC = """
version: 1
name: chart
inputs:
  models: {type: list, of: string}
steps:
  stills:
    uses: generate
    title: The stills
    foreach: ${{ inputs.models }}
    with: {model: "${{ item }}", prompt: a lamp}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}"}}
  end:
    uses: generate
    if: ${{ false }}
    with: {model: z-image, prompt: a lamp}
finally:
  tell: {uses: notify, with: {url: "https://example.com", body: {still: "${{ steps.hero.asset }}"}}}
"""
MODELS = ["z-image", "nano-banana", "seedream-5-lite", "nano-banana-2"]


def chart(count: int, *, text: str = SPEC) -> list[str]:
    start = frozen(text, models=MODELS[:count])
    return mermaid(initial_state(start).plan, priced(start)).split("\n")


def test_steps_are_nodes_and_what_they_wait_for_are_arrows() -> None:
    lines = chart(1)
    assert lines[:7] == [
        "flowchart TD",
        '    stills["stills × 1<br/>The stills<br/>generate: z-image<br/>1 credit"]',
        '    S1["end<br/>generate<br/>skipped"]',  # `end` is a word of Mermaid
        '    hero{{"hero<br/>pick"}}',
        '    subgraph FINALLY["finally"]',
        '        tell(["tell<br/>notify"])',
        "    end",
    ]
    assert "    stills --> hero" in lines
    assert lines[-1] == "    class S1 skipped"


@pytest.mark.parametrize(
    ("count", "models"),
    [
        (1, "z-image"),
        (3, "z-image, nano-banana, seedream-5-lite"),
        (4, "z-image, nano-banana, seedream-5-lite and 1 more"),
    ],
)
def test_a_priced_step_names_three_models_and_its_credits(count: int, models: str) -> None:
    stills = chart(count)[1]
    assert f"<br/>generate: {models}<br/>" in stills
    assert stills.endswith(' credit"]' if count == 1 else ' credits"]')


def test_a_step_whose_price_is_a_range_says_both_ends() -> None:
    text = SPEC.replace("prompt: a lamp}\n  hero", "prompt: a lamp}\n    regenerate: 1\n  hero")
    [stills] = [line for line in chart(1, text=text) if "stills[" in line]
    assert stills.endswith('<br/>1 to 2 credits"]')
