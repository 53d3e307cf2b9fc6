"""Expressions in a scope of which only a part is known."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.language.expressions.evaluation import (
    KnownKeys,
    KnownPlaces,
    NotKnown,
    PartlyKnown,
    holds,
    look_ahead,
)
from rivya_flows.language.expressions.resolve import template
from rivya_flows.language.expressions.values import ExpressionError, UsesNull

SCOPE = {
    "inputs": {"word": "a", "count": 2, "empty": None},
    "steps": {
        "still": PartlyKnown(
            items=KnownPlaces([PartlyKnown(key="x")]), by=KnownKeys(x=PartlyKnown(key="x"))
        )
    },
}


def tree(text: str) -> Any:
    return template(f"${{{{ {text} }}}}").expressions[0].tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.word ~ inputs.count", "a2"),
        ("inputs.word or steps.later.text", "a"),
        ("inputs.word if inputs.count > 1 else steps.later.text", "a"),
        ("steps.still.items[0].key ~ steps.still.by.x.key", "xx"),
        ("steps.still.by.y.asset | default('none')", "none"),
        ("steps.still.items[4] is defined", False),
    ],
)
def test_what_reads_known_parts_alone_has_its_value(text: str, value: Any) -> None:
    assert look_ahead(tree(text), SCOPE) == value


@pytest.mark.parametrize(
    "text",
    ["steps.later.text", "inputs.other", "item", "run.date", "steps.still.status", "steps.still.items[0].asset",
     "steps.still.items", "steps.still.by | length", "steps.still.items[0]", "steps.later.text | default('x')",
     "steps.later.json.a + inputs.word.b", "inputs.word in steps.still.by", "[steps.later.text, 1]"],
)  # fmt: skip
def test_what_reads_more_than_is_known_is_not_known(text: str) -> None:
    with pytest.raises(NotKnown):
        look_ahead(tree(text), SCOPE)


@pytest.mark.parametrize(
    "text", ["steps.later.text ~ inputs.empty", "steps.later.n + inputs.empty"]
)
def test_a_null_makes_all_null_whatever_comes_later(text: str) -> None:
    with pytest.raises(UsesNull):
        look_ahead(tree(text), SCOPE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("steps.still.by.y.asset", "steps.still.by has no 'y'; it has: x"),
        ("steps.still.items[4].asset", "steps.still.items has 1 item, so there is no [4]"),
    ],
)
def test_a_key_or_a_place_that_there_will_not_be_is_a_mistake(text: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why.replace("[", r"\[")):
        look_ahead(tree(text), SCOPE)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("steps.later.text", None),
        ("not steps.later.text", None),
        ("steps.later.text and inputs.count > 5", False),
        ("not (steps.later.text and inputs.count > 5)", None),  # a null would decide
        ("steps.later.text or inputs.count > 1", True),
        ("steps.later.text or inputs.empty", None),
        ("steps.later.text and inputs.word + 1", None),
        ("inputs.empty", False),
    ],
)
def test_a_side_that_is_known_may_decide_a_condition(text: str, known: bool | None) -> None:
    assert holds(tree(text), SCOPE) is known
