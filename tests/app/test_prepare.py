"""What is found before a run starts, and its bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_flows.app.prepare import Market, RunRequest, prepare
from rivya_flows.app.spec_file import SpecFile
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.receiver.addresses import asset_address
from rivya_flows.store.assets import AssetStore
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
            run_id="run-1",
            assets=store,
            look_up=lambda _: None,
            secret=lambda: "ours",
        )
        found: dict[str, Any] = prepared.frozen.inputs["photo"]
        return found

    assert (photo("ours")["sha256"], photo("ours")["width"]) == (digest, 800)
    assert list(photo("of another store")) == ["url"]
    store.remove(digest)
    with pytest.raises(UsageError, match="is not in the store"):
        photo("ours")
