"""Picks that ask nobody: the best by a number, and what fails them."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.queue.items import ItemState
from support.naive_service import played

LINES = """
version: 1
name: lines
inputs: {none: {type: number, required: false}}
steps:
  lines:
    uses: chat
    foreach: [a, bb, ccc]
    with:
      model: gemini-2-5-flash-chat
      message: "A line, ${{ item }}"
      expect: {visual: string, narration: string}
  hero: {uses: pick, with: {from: "${{ steps.lines.items }}", mode: best, by: "BY", count: 2}}
outputs:
  words: ${{ steps.hero.item.json.visual }}
"""


def best(by: str) -> ItemState:
    return played(LINES.replace("BY", by)).item("hero")


def test_the_answers_of_a_chat_are_compared_by_a_number() -> None:
    item = best("${{ item.key | length }}")
    assert item.request is not None
    assert item.request.arguments["values"] == {"a": 1, "bb": 2, "ccc": 3}
    outputs: Any = item.outputs
    assert [one["key"] for one in outputs["items"]] == ["ccc", "bb"]
    assert (outputs["asset"], outputs["assets"]) == (None, [])
    assert outputs["item"]["json"]["visual"] == "a lamp"


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        ("${{ inputs.none }}", "there is nothing to pick from: `by` is null for every candidate"),
        ("${{ 1 if item.key == 'a' else inputs.none }}", "2 must be picked, and `by` has a number for only 1 candidates"),
    ],
)  # fmt: skip
def test_a_pick_without_enough_numbers_fails_and_says_why(by: str, reason: str) -> None:
    item = best(by)
    assert (item.code, item.reason) == ("nothing_to_pick", reason)
