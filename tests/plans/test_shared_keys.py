"""Keys that several items were given: `by[…]` of one is refused, before anything is bought for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_flows.errors import SpecError
from rivya_flows.preparation.spec_file import SpecFile
from support.naive_service import played
from support.prepared_specs import prepared
from support.wrong_specs import diagnostics_of

SPEC = """
version: 1
name: ads
inputs:
  hooks: {type: list, of: string, default: [sun, rain, sun]}
steps:
  idea:
    uses: chat
    with: {model: gpt-5-2-chat, message: a place}
  stills:
    uses: generate
    foreach: LIST
    with: {model: z-image, prompt: "${{ item }}"}
  films:
    uses: generate
    foreach: ${{ steps.stills.items }}
    as: still
    with: {model: veo3-1-lite, prompt: push, references: ["${{ still.asset }}"]}
  ads:
    uses: generate
    foreach: OVER
    as: one
    with: {model: nano-banana, prompt: ad, references: ["${{ steps.stills.by[KEY].asset }}"]}
outputs:
  ads: ${{ steps.ads.assets }}
"""
TOLD = (
    "steps.stills.by['sun']: it is the key of items 1 and 3, so it names none of them: give the"
    " step a `key:` that differs between them, or use .items"
)


def spec(list_: str, over: str, key: str) -> str:
    return SPEC.replace("LIST", list_).replace("OVER", over).replace("KEY", key)


def refused(text: str, folder: Path, **inputs: list[str]) -> list[str]:
    """What a plan says of it; nothing where it may start."""
    try:
        prepared(SpecFile(text, "spec.yaml", folder), inputs, folder)
    except SpecError as error:
        return [one.message for one in error.diagnostics]
    return []


def test_a_shared_key_that_an_input_gives_is_refused_at_the_plan(tmp_path: Path) -> None:
    text = spec("${{ inputs.hooks }}", "${{ inputs.hooks }}", "one")
    assert refused(text, tmp_path) == [f"ads[sun]: {TOLD}", f"ads[sun-2]: {TOLD}"]
    assert refused(text, tmp_path, hooks=["sun", "rain"]) == []


def test_default_excuses_no_shared_key_in_an_argument(tmp_path: Path) -> None:
    text = spec("${{ inputs.hooks }}", "[1]", "'rain'").replace(
        "prompt: ad,", "prompt: \"${{ steps.stills.by[inputs.hooks[2]].key | default('x') }}\","
    )
    assert refused(text, tmp_path) == [f"ads[1]: {TOLD}"]


def test_a_shared_key_of_a_written_list_is_refused_at_the_check() -> None:
    [problem] = diagnostics_of(spec("[sun, rain, sun]", "[1]", "'sun'"))
    assert problem.code == "unknown-field"
    assert "the key of items 1 and 3" in str(problem.hint)
    assert diagnostics_of(spec("[sun, rain, sun]", "[1]", "'rain'")) == ()


def test_a_shared_key_of_a_list_that_the_run_makes_is_refused_before_its_purchase() -> None:
    listed = "${{ [steps.idea.text, 'rain', steps.idea.text] }}"
    run = played(spec(listed, listed, "one"))
    assert run.state.ended == "failed"
    first, rain, last = run.items("ads")
    assert rain.phase == "completed"
    for item in (first, last):
        assert (item.phase, item.code, item.purchases) == ("failed", "bad_arguments", ())
        assert "it is the key of items 1 and 3" in (item.reason or "")


def test_the_key_that_an_item_has_names_it_though_another_was_given_the_same() -> None:
    run = played(spec("${{ inputs.hooks }}", "${{ steps.films.items }}", "one.key"))
    assert run.state.ended == "completed"
    assert [item.key for item in run.items("ads")] == ["sun", "rain", "sun-2"]
    for item in run.items("ads"):
        still = run.item("stills", item.key).outputs
        assert still is not None
        assert item.request is not None
        assert item.request.arguments["references"] == [still["asset"]]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ("steps.stills.by['z' ~ 'z'].asset", "steps.stills.by has no 'zz'"),
        ("steps.stills.by[inputs.hooks[0]].asset", TOLD),
        ("steps.stills.by['snow'].asset", "steps.stills.by has no 'snow'"),
        ("steps.stills.items[inputs.hooks | length].asset", "steps.stills.items has 3 items"),
        ("steps.stills.by['z' ~ 'z'].asset | default(none)", None),
        ("steps.stills.by[inputs.hooks[0]].asset | default(none)", TOLD),
        ("'a' if steps.stills.by[inputs.hooks[0]] is defined else 'b'", TOLD),
        ("(steps.stills.by[inputs.hooks[0]].key ~ 'a') | default('x')", TOLD),
        ("(steps.idea.text ~ steps.stills.by[inputs.hooks[0]].key) | default('x')", None),
        ("steps.stills.by['z' ~ 'z'].asset if steps.idea.text else none", None),
    ],
)
def test_a_computed_key_that_is_known_is_tried_at_the_plan(
    shown: str, why: str | None, tmp_path: Path
) -> None:
    text = spec("${{ inputs.hooks }}", "[1]", "'rain'").replace("steps.ads.assets", shown)
    found = refused(text, tmp_path)
    assert len(found) == (why is not None)
    if why is not None:
        assert found[0].startswith(f"the output 'ads': {why}")
