"""Normalizing a spec: defaults, and any value at any place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import yaml

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.workflow import Input
from rivya_flows.spec.load import check, load
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.pick import PickWith
from support.every_key import EVERY_KEY
from support.samples import sample
from support.spec_schema import errors_of

SPEC = yaml.safe_load(EVERY_KEY)
REMOVED = "(removed)"


def problems_of(spec: dict[str, Any]) -> tuple[Any, ...]:
    return check(json.dumps(spec), file="spec.yaml", catalogue=shipped())[1]


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        yield (*before, key)
        if isinstance(part, dict | list):
            yield from places(part, (*before, key))


def test_the_spec_is_valid() -> None:
    assert problems_of(SPEC) == ()
    assert errors_of(EVERY_KEY) == []


# The shares are primes, so that each place meets other values.
VALUES: tuple[Any, ...] = (
    REMOVED,
    None,
    "",
    "x",
    -1,
    True,
    [],
    {"q": None},
    ["x"],
    "${{ inputs.a }}",
)


@pytest.mark.sweep
def test_any_value_at_any_place_is_reported_or_accepted_by_the_schema_too() -> None:
    for (*above, last), value in sample(product(places(SPEC), VALUES), 59, thorough=7):
        spec = copy.deepcopy(SPEC)
        held: Any = spec
        for key in above:
            held = held[key]
        if value is REMOVED:
            del held[last]
        else:
            held[last] = value
        found = problems_of(spec)
        if not found:
            assert errors_of(json.dumps(spec)) == [], (above, last, value)
        for problem in found:
            assert problem.line == 1, (above, last, value)  # JSON is one line
            assert problem.hint, (above, last, value, problem.message)


def test_defaults_are_merged_where_they_have_a_use_and_the_step_wins() -> None:
    text = """
version: 1
name: a
x-note: {anything: goes}
inputs:
  who: {type: enum, values: [human, first], default: first}
defaults:
  generate:
    x-why: quick
    max_items: 5
    allow_failures: 1
    timeout: 15m
    retry: {attempts: 3, patience: 2m}
    with: {model: z-image, params: {aspect_ratio: "9:16"}}
  pick: {with: {question: Which one?, timeout: 48h, on_timeout: first}}
steps:
  one: {uses: generate, with: {prompt: x}}
  none: {uses: generate, foreach: null, with: {prompt: x}}
  each: {uses: generate, foreach: [x, y], with: {prompt: "${{ item }}"}}
  grid: {uses: generate, matrix: {a: [x, y]}, with: {prompt: "${{ matrix.a }}"}}
  own:
    uses: generate
    x-owner: marketing
    timeout: 10s
    retry: {attempts: 9}
    with: {prompt: x, params: {aspect_ratio: "1:1"}, x-note: y}
  words: {uses: chat, with: {model: gemini-2-5-flash-chat, message: Hi}}
  first: {uses: pick, with: {from: "${{ steps.grid.items }}", mode: first}}
  unsaid: {uses: pick, with: {from: "${{ steps.grid.items }}"}}
  human: {uses: pick, with: {from: "${{ steps.grid.items }}", mode: human}}
  either: {uses: pick, with: {from: "${{ steps.grid.items }}", mode: "${{ inputs.who }}"}}
"""
    steps = load(text, file="a.yaml", catalogue=shipped()).steps
    asked = {name: s.with_.question for name, s in steps.items() if isinstance(s.with_, PickWith)}
    ask = "Which one?"
    assert asked == {"first": None, "unsaid": None, "human": ask, "either": ask}
    loops = {
        name: (steps[name].max_items, steps[name].allow_failures)
        for name in ("one", "none", "each", "grid")
    }
    assert loops == {"one": (100, 0), "none": (100, 0), "each": (5, 1), "grid": (5, 1)}
    one, own = steps["one"], steps["own"]
    assert isinstance(one.with_, GenerateWith)
    assert isinstance(own.with_, GenerateWith)
    assert (one.timeout, one.retry.attempts, one.retry.patience) == (900, 3, 120)
    assert (own.timeout, own.retry.attempts, own.retry.patience) == (10, 9, 120)
    assert (one.with_.model, one.with_.params) == ("z-image", {"aspect_ratio": "9:16"})
    assert own.with_.params == {"aspect_ratio": "1:1"}
    assert steps["words"].timeout is None


def prompts(step: str) -> list[str]:
    """The prompts of the fallbacks of a step."""
    text = f"version: 1\nname: a\nsteps:\n  s:\n    uses: generate\n    matrix: {{look: [neon]}}\n{step}"
    workflow = load(text, file="a.yaml", catalogue=shipped())
    return [str(one.prompt) for one in workflow.steps["s"].fallback]


def test_a_type_alone_declares_an_input_or_a_field_of_a_table() -> None:
    text = """version: 1
name: short
inputs:
  word: string
  rows: {type: list, of: map, fields: {title: string, price: number}, default: []}
steps:
  still:
    uses: generate
    foreach: ${{ inputs.rows }}
    with: {model: z-image, prompt: "${{ inputs.word }} ${{ item.title }} ${{ item.price + 1 }}"}
outputs: {stills: "${{ steps.still.assets }}"}
"""
    assert errors_of(text) == []
    inputs = load(text, file="spec.yaml", catalogue=shipped()).inputs
    assert inputs["word"] == Input(type="string")
    assert inputs["rows"].fields == {"title": Input(type="string"), "price": Input(type="number")}
    wrong = text.replace("word: string", "word: strng").replace("price: number", "price: 3")
    found = check(wrong, file="spec.yaml", catalogue=shipped())[1]
    assert [(one.line, one.code) for one in found] == [(4, "wrong-choice"), (5, "wrong-choice")]


def test_a_fallback_adds_to_the_prompt_of_its_step() -> None:
    step = """\
    with: {model: z-image, prompt: "a lamp, ${{ matrix.look }}"}
    fallback: [{prompt: "${{ prompt }}, no text"}, {prompt: "calm: ${{prompt}}"}, {model: nano-banana}]
"""
    lamp = "a lamp, ${{ matrix.look }}"
    assert prompts(step) == [f"{lamp}, no text", f"calm: {lamp}", "None"]


@pytest.mark.parametrize(
    "fallback",
    [
        pytest.param("${{ prompt | upper }}", id="inside an expression"),
        pytest.param("${{ prompt }}" * 1_100, id="too long"),
    ],
)
def test_the_prompt_of_a_step_is_no_name_of_expressions(fallback: str) -> None:
    text = "version: 1\nname: a\nsteps:\n  s:\n    uses: generate\n"
    text += f"    with: {{model: z-image, prompt: '{'x' * 100}'}}\n"
    text += f"    fallback: [{{prompt: '{fallback}'}}]\n"
    _, found = check(text, file="a.yaml", catalogue=shipped())
    assert "unknown-name" in {one.code for one in found}


def test_a_mistake_in_the_prompt_of_a_step_is_told_once_and_not_for_each_fallback() -> None:
    text = """\
version: 1
name: a
steps:
  s:
    uses: generate
    with: {model: z-image, prompt: "a lamp, ${{ inputs.look }}"}
    fallback: [{prompt: "${{ prompt }}, no text"}, {prompt: "${{ prompt }} ${{ inputs.hue }}"}]
"""
    _, found = check(text, file="a.yaml", catalogue=shipped())
    assert [(one.line, one.code) for one in found] == [
        (6, "unknown-input"), (7, "unknown-input"),
    ]  # fmt: skip
