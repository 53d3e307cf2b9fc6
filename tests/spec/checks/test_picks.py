"""Checks of `pick`: each mistake at its place, with the fix."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, strategies as st

from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.spec.load import check
from rivya_flows.steps.judge import JUDGE_FRAME, MAX_CRITERION, judge_message
from support.spec_schema import errors_of
from support.wrong_specs import diagnostics_of

RIGHT = """
version: 1
name: right
inputs:
  how: {type: enum, values: [human, best, judge], default: human}
  judge: {type: enum, values: [gpt-5-2-chat, gemini-2-5-flash-chat], default: gpt-5-2-chat}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon], weight: [1, 2]}
    with: {model: z-image, prompt: "a lamp, ${{ matrix.style }}"}
  gates:
    uses: chat
    foreach: ${{ steps.stills.items }}
    with:
      model: gemini-2-5-flash-chat
      message: Score it from 0 to 10.
      attachments: ["${{ item.asset }}"]
      expect: {score: number, parts: [{name: string, whole: boolean}]}
"""
PICKS_THAT_FIT = [
    "mode: null, question: Which?",
    "count: 4",
    "mode: best, by: '${{ item.weight }}', order: min",
    "mode: best, by: '${{ steps.gates.by[item.key].json.score }}', count: 2",
    "mode: best, by: '${{ item.weight if item.status == ''completed'' else none }}'",
    "mode: judge, judge: {model: '${{ inputs.judge }}', criteria: [a], least: 6}, none: {rounds: 1}",
    "mode: human, judge: {model: gpt-5-2-chat, criteria: ['fits ${{ inputs.how }}']}, sign: true",
    "mode: human, none: {}, question: Which?, timeout: 1h, on_timeout: first",
    "mode: human, judge: {model: gpt-5-2-chat, criteria: [a]}, timeout: 1h, on_timeout: judge, "
    "none: {rounds: 1}",
    "mode: '${{ inputs.how }}', by: '${{ item.weight }}', none: {rounds: 5}, question: Which?, "
    "judge: {model: gpt-5-2-chat, criteria: [a]}",
]


def pick(step_id: str, arguments: str) -> str:
    return f"  {step_id}:\n    uses: pick\n    with: {{from: '${{{{ steps.stills.items }}}}', {arguments}}}\n"


@pytest.mark.parametrize("arguments", PICKS_THAT_FIT)
def test_a_pick_may_have_what_its_mode_needs(arguments: str) -> None:
    text = RIGHT + pick("hero", arguments)
    assert diagnostics_of(text) == ()
    assert errors_of(text) == []


SPOT = """
version: 1
name: spot
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
  look:
    uses: chat
    with: {model: gpt-5-2-chat, message: Name it., expect: {names: [string], score: number}}
outputs:
  still: ${{ steps.still.asset }}
  words: a lamp
  names: ${{ steps.look.json.names }}
  all: ${{ steps.look.json }}
"""
SPOTS = """
version: 1
name: spots
steps:
  spots: {uses: include, foreach: [a, b], with: {spec: spot.yaml}}
  hero: {uses: pick, with: {from: "${{ steps.spots.items }}"}}
outputs: {hero: "${{ steps.hero.asset }}"}
"""


@pytest.mark.parametrize(
    ("named", "more", "hints"),
    [
        ("items", "", []),
        (
            "items",
            "  other: {of: ['${{ steps.still.asset }}']}\n",
            [
                """name it: [{key: a, asset: "${{ steps.NAME.by['a'].outputs.NAME }}"}], or leave one in the outputs of their spec""",
                "these items have no asset: use .item",
            ],
        ),
        ("still", "", ["the step has several items: use .items, .by['KEY'].outputs.still"]),
    ],
)
def test_an_item_of_an_include_is_picked_by_the_one_medium_among_its_outputs(
    named: str, more: str, hints: list[str]
) -> None:
    text, includes = SPOTS.replace("spots.items", f"spots.{named}"), {"spot.yaml": SPOT + more}
    _, found = check(text, file="spots.yaml", catalogue=shipped(), includes=includes)
    assert [one.hint for one in found] == hints


def test_defaults_of_picks_hold_where_the_mode_has_them() -> None:
    judge = "judge: {model: gpt-5-2-chat, criteria: [a]}"
    defaults = f"defaults: {{pick: {{with: {{{judge}, question: Which?, by: '${{{{ item.weight }}}}'}}}}}}\n"
    text = RIGHT + "".join(
        pick(mode, f"mode: {mode}") for mode in ("human", "first", "best", "judge")
    )
    assert diagnostics_of(text + defaults) == ()
    assert errors_of(text + defaults) == []


def test_criteria_have_room_in_the_message_to_a_judge() -> None:
    wire = copy.deepcopy(dict(shipped().wire))
    [judge] = [model for model in wire["data"] if model["id"] == "gpt-5-2-chat"]
    judge["max_prompt_length"] = JUDGE_FRAME + 500
    live = from_wire(wire, date="2026-01-01", source="live")
    found: list[Diagnostic] = []
    for number in (2, 3):
        criteria = ", ".join(["x" * 200] * number)
        text = RIGHT + pick(
            "hero", f"mode: judge, judge: {{model: gpt-5-2-chat, criteria: [{criteria}]}}"
        )
        found += check(text, file="a.yaml", catalogue=live)[1]
    assert [one.code for one in found] == ["prompt-too-long"]
    assert "has room for 500" in found[0].message


@given(st.integers(1, 12), st.integers(1, MAX_CRITERION), st.integers(0, 3_000), st.integers(0, 9))
def test_what_check_lets_through_has_room_for_candidates(
    number: int, length: int, asked: int, spare: int
) -> None:
    criteria = ["x" * length] * number
    judge_message("x" * asked, criteria, (), JUDGE_FRAME + asked + number * length + spare)
