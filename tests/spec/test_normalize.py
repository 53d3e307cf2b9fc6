"""Normalizing a spec: defaults, and any value at any place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.load import check, load
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.pick import PickWith
from support.samples import sample

SPEC = yaml.safe_load("""
version: 1
name: all
title: All keys
description: Every key that there is
inputs:
  a: {type: string, title: A, description: a, default: abc, required: true, min: 1, max: 9, pattern: "[a-z]+"}
  f: {type: file, kind: image, required: false}
  e: {type: enum, values: [a, b], default: a}
  l: {type: list, of: string, default: [a]}
budget: {credits: 100, warn_at: 0.5, on_exceed: fail}
concurrency: {group: g, limit: 1}
cache: run
defaults: {generate: {timeout: 5m, retry: {attempts: 2, patience: 5m}, max_parallel: 2}}
steps:
  c:
    uses: chat
    retry: {attempts: 2}
    with: {model: gpt-5-2-chat, message: hi, session: s, attachments: ["${{ inputs.f }}"], reasoning_effort: low, web_search: false, expect: {x: string}}
  g:
    uses: generate
    title: Pictures
    foreach: ${{ inputs.l }}
    as: it
    key: ${{ it }}
    max_items: 5
    allow_failures: 1
    if: ${{ inputs.a == 'abc' }}
    needs: [c]
    regenerate: 1
    timeout: 5m
    max_parallel: 2
    cache: run
    with: {model: nano-banana-2, prompt: x, params: {aspect_ratio: "1:1"}, references: ["${{ inputs.f }}"]}
  m:
    uses: generate
    matrix: {a: [1, 2], include: [{a: 1, b: 2}], exclude: [{a: 2}]}
    with: {model: z-image, prompt: x}
  z: {uses: generate, zip: {a: [1, 2], b: [1, 2]}, with: {model: z-image, prompt: x}}
  p: {uses: pick, with: {from: "${{ steps.g.items }}", mode: human, question: q, timeout: 5m, on_timeout: first}}
  k: {uses: compose, with: {images: ["${{ steps.p.asset }}"], audio: ["https://a.b/c.mp3"], loudness: -14, fit: hold}}
  u: {uses: upload, with: {file: "https://a.b/c.png", kind: image, model: nano-banana-2}}
on_failure:
  n: {uses: notify, with: {url: "https://a.b/c", body: 1, secret: "env:X"}}
finally:
  o: {uses: notify, with: {url: "https://a.b/c"}}
outputs: {a: "${{ steps.p.asset }}"}
deploy:
- name: d
  description: x
  schedules: [{cron: 0 9 * * 1, timezone: Asia/Kolkata, active: true, catchup: latest}]
  triggers: [{event: a.b, match: {x: y}, inputs: {a: abc}, active: true}]
  inputs: {a: abc}
  tags: [t]
  work_pool: {name: w, queue: q, job_variables: {memory: 1g}}
  concurrency_limit: 1
  when_busy: wait
""")


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


@pytest.mark.parametrize(
    "value", [None, "", "x", -1, True, [], {"q": None}, ["x"], "${{ inputs.a }}"], ids=json.dumps
)
def test_any_value_at_any_place_is_accepted_or_reported(value: Any) -> None:
    for *above, last in sample(places(SPEC), 6):
        spec = copy.deepcopy(SPEC)
        held: Any = spec
        for key in above:
            held = held[key]
        held[last] = value
        for problem in problems_of(spec):
            assert problem.line == 1, (above, last)  # JSON is one line
            assert problem.hint, (above, last, problem.message)


def test_defaults_of_questions_go_only_to_picks_that_ask() -> None:
    text = """
version: 1
name: a
inputs:
  who: {type: enum, values: [human, first], default: first}
defaults:
  pick: {with: {question: Which one?, timeout: 48h, on_timeout: first}}
steps:
  s: {uses: generate, matrix: {a: [x, y]}, with: {model: z-image, prompt: "${{ matrix.a }}"}}
  first: {uses: pick, with: {from: "${{ steps.s.items }}", mode: first}}
  unsaid: {uses: pick, with: {from: "${{ steps.s.items }}"}}
  human: {uses: pick, with: {from: "${{ steps.s.items }}", mode: human}}
  either: {uses: pick, with: {from: "${{ steps.s.items }}", mode: "${{ inputs.who }}"}}
"""
    workflow = load(text, file="a.yaml", catalogue=shipped())
    picks = {name: step.with_ for name, step in workflow.steps.items()}
    merged = {n: p.question for n, p in picks.items() if isinstance(p, PickWith)}
    asked = "Which one?"
    assert merged == {"first": None, "unsaid": None, "human": asked, "either": asked}


def test_defaults_of_fan_outs_go_only_to_steps_that_have_one() -> None:
    text = """
version: 1
name: a
defaults:
  generate: {max_items: 5, allow_failures: 1, timeout: 5m}
steps:
  one: {uses: generate, with: {model: z-image, prompt: x}}
  none: {uses: generate, foreach: null, with: {model: z-image, prompt: x}}
  each: {uses: generate, foreach: [x, y], with: {model: z-image, prompt: "${{ item }}"}}
  grid: {uses: generate, matrix: {a: [x, y]}, with: {model: z-image, prompt: "${{ matrix.a }}"}}
"""
    workflow = load(text, file="a.yaml", catalogue=shipped())
    merged = {
        name: (s.max_items, s.allow_failures, s.timeout) for name, s in workflow.steps.items()
    }
    assert merged == {
        "one": (100, 0, 300.0),
        "none": (100, 0, 300.0),
        "each": (5, 1, 300.0),
        "grid": (100, 1, 300.0),
    }


def test_defaults_are_merged_and_the_step_wins() -> None:
    workflow = load(
        """
version: 1
name: test
x-note: {anything: goes}
defaults:
  generate:
    x-why: quick
    timeout: 15m
    retry: {attempts: 3, patience: 2m}
    with: {model: z-image, params: {aspect_ratio: "9:16"}}
steps:
  a:
    uses: generate
    with: {prompt: x}
  b:
    uses: generate
    x-owner: marketing
    timeout: 10s
    retry: {attempts: 9}
    with: {prompt: x, params: {aspect_ratio: "1:1"}, x-note: y}
  c:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Hi}
""",
        file="a.yaml",
        catalogue=shipped(),
    )
    a, b, c = workflow.steps.values()
    assert isinstance(a.with_, GenerateWith)
    assert isinstance(b.with_, GenerateWith)
    assert (a.timeout, a.retry.attempts, a.retry.patience) == (900, 3, 120)
    assert (b.timeout, b.retry.attempts, b.retry.patience) == (10, 9, 120)
    assert (a.with_.model, a.with_.params) == ("z-image", {"aspect_ratio": "9:16"})
    assert b.with_.params == {"aspect_ratio": "1:1"}
    assert c.timeout is None


def prompts(step: str) -> list[str]:
    """The prompts of the fallbacks of a step."""
    text = f"version: 1\nname: a\nsteps:\n  s:\n    uses: generate\n    matrix: {{look: [neon]}}\n{step}"
    workflow = load(text, file="a.yaml", catalogue=shipped())
    return [str(one.prompt) for one in workflow.steps["s"].fallback]


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
        pytest.param("${{ prompt }}" * 3_000, id="too long"),
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
