"""`models` of a spec, and `defaults` of a medium."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.load import load

HEAD = "version: 1\nname: spot\n"


def loaded(text: str) -> Workflow:
    return load(HEAD + text, file="spec.yaml", catalogue=shipped())


def arguments(workflow: Workflow) -> dict[str, dict[str, Any]]:
    return {name: one.with_.model_dump() for name, one in workflow.steps.items()}


def test_a_name_of_models_stands_for_its_model_everywhere() -> None:
    workflow = loaded("""\
models: {words: gemini-2-5-flash-chat, still: z-image, other: seedream-5-lite}
defaults: {chat: {with: {model: words}}}
steps:
  line: {uses: chat, with: {message: A line}}
  stills:
    uses: generate
    matrix: {light: [day, night]}
    with: {model: still, prompt: "a lamp, ${{ matrix.light }}"}
    fallback: [{model: other}]
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: judge, judge: {model: words, criteria: [It is sharp]}}
""")
    given = arguments(workflow)
    assert given["line"]["model"] == "gemini-2-5-flash-chat"
    assert given["stills"]["model"] == "z-image"
    assert workflow.steps["stills"].fallback[0].model == "seedream-5-lite"
    assert given["hero"]["judge"]["model"] == "gemini-2-5-flash-chat"


def test_a_name_may_be_an_expression_of_inputs() -> None:
    workflow = loaded("""\
inputs: {fast: {type: boolean, default: true}}
models: {still: "${{ 'z-image' if inputs.fast else 'nano-banana' }}"}
steps: {a: {uses: generate, with: {model: still, prompt: a lamp}}}
""")
    written = "${{ 'z-image' if inputs.fast else 'nano-banana' }}"
    assert arguments(workflow)["a"]["model"] == written


DEFAULTS = """\
inputs:
  film: {type: enum, values: [runway, sora-2], default: runway}
  any: {type: enum, values: [z-image, sora-2], default: sora-2}
defaults:
  generate: {with: {aspect: "9:16"}, timeout: 5m, regenerate: 1}
  image: {with: {aspect: "1:1"}, timeout: 1m}
  video: {with: {seconds: 10}}
"""


def test_defaults_of_a_medium_are_nearer_than_those_of_the_kind_and_further_than_the_step() -> None:
    workflow = loaded(
        DEFAULTS
        + """\
steps:
  still: {uses: generate, with: {model: z-image, prompt: x}}
  own: {uses: generate, timeout: 2m, with: {model: z-image, prompt: x, aspect: "4:3"}}
  film: {uses: generate, with: {model: runway, prompt: x}}
"""
    )
    given = arguments(workflow)
    assert [given[name]["aspect"] for name in ("still", "own", "film")] == ["1:1", "4:3", "9:16"]
    assert [given[name]["seconds"] for name in ("still", "own", "film")] == [None, None, 10]
    assert [one.timeout for one in workflow.steps.values()] == [60, 120, 300]
    assert {one.regenerate for one in workflow.steps.values()} == {1}


def test_the_models_of_a_condition_have_the_defaults_of_the_medium_that_both_make() -> None:
    chosen = "{uses: generate, with: {model: still, prompt: x}}"
    for other, aspect in (("nano-banana", "1:1"), ("sora-2", "9:16")):
        model = f"${{{{ 'z-image' if inputs.any == 'z-image' else '{other}' }}}}"
        workflow = loaded(f'{DEFAULTS}models: {{still: "{model}"}}\nsteps: {{a: {chosen}}}')
        assert arguments(workflow)["a"]["aspect"] == aspect


def test_models_may_have_notes_and_a_bad_name_is_that_of_a_model() -> None:
    steps = "steps: {a: {uses: generate, with: {model: still, prompt: x}}}"
    assert loaded(f"models: {{still: z-image, x-why: cheap}}\n{steps}").models == {
        "still": "z-image"
    }
    with pytest.raises(SpecError, match="'Big' is not a valid name for a model"):
        loaded(f"models: {{still: z-image, Big: z-image}}\n{steps}")


def test_a_computed_model_has_the_defaults_of_the_medium_that_all_its_values_make() -> None:
    workflow = loaded(
        DEFAULTS
        + """\
steps:
  chosen: {uses: generate, with: {model: "${{ inputs.film }}", prompt: x}}
  mixed: {uses: generate, with: {model: "${{ inputs.any }}", prompt: x}}
  each: {uses: generate, matrix: {m: [z-image, nano-banana]}, with: {model: "${{ matrix.m }}", prompt: x}}
"""
    )
    given = arguments(workflow)
    assert [given[name]["seconds"] for name in ("chosen", "mixed", "each")] == [10, None, None]
    assert [given[name]["aspect"] for name in ("chosen", "mixed", "each")] == [
        "9:16",
        "9:16",
        "1:1",
    ]
