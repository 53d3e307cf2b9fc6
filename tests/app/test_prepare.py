"""What is found before a run starts, and its bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_flows.app.spec_file import SpecFile
from rivya_flows.errors import SpecError
from support.prepared_specs import prepared


def test_an_output_that_inputs_make_impossible_is_reported_before_the_run(tmp_path: Path) -> None:
    text = (
        "version: 1\nname: sums\ninputs: {n: {type: integer, default: 0}, "
        "rest: {type: text, required: false}}\n"
        "steps:\n  still: {uses: generate, with: {model: z-image, prompt: a lamp}}\n"
        'outputs: {share: "${{ 60 // inputs.n }}", rest: "${{ inputs.rest }}"}\n'
    )
    sums = SpecFile(text, "sums.yaml", None)
    assert prepared(sums, {"n": 7}, tmp_path).frozen.inputs == {"n": 7, "rest": None}
    with pytest.raises(SpecError, match=r"the output 'share': division by zero"):
        prepared(sums, {}, tmp_path)


def test_all_values_of_a_plan_together_have_a_bound(tmp_path: Path) -> None:
    text = """
version: 1
name: large
inputs:
  half: {type: text}
  numbers: {type: list, of: integer}
steps:
  told:
    uses: notify
    foreach: ${{ inputs.numbers }}
    max_items: 10000
    with:
      url: https://example.com/
      body: "${{ inputs.half ~ item ~ inputs.half }}"
"""
    given = {"half": "x" * 500_000, "numbers": list(range(200))}
    with pytest.raises(SpecError) as caught:
        prepared(SpecFile(text, "large.yaml", tmp_path), given, tmp_path)
    [problem] = caught.value.diagnostics
    assert problem.message.startswith("told[134]: 'body' does not fit")
    assert "134,217,728 bytes" in problem.message


def test_only_the_first_of_very_many_certain_failures_are_reported(tmp_path: Path) -> None:
    text = """
version: 1
name: many
inputs: {numbers: {type: list, of: integer}}
steps:
  still:
    uses: generate
    foreach: ${{ inputs.numbers }}
    max_items: 10000
    with: {model: z-image, prompt: "${{ 1 / (item * 0) }}"}
"""
    given = {"numbers": list(range(300))}
    with pytest.raises(SpecError) as caught:
        prepared(SpecFile(text, "many.yaml", tmp_path), given, tmp_path)
    assert len(caught.value.diagnostics) == 101
    assert "and 200 more items fail" in {one.message for one in caught.value.diagnostics}
