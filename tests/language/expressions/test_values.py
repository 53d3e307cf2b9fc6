"""Values of expressions: their kinds, their text form and their size limits."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.language.expressions.values import (
    MAX_BYTES,
    MAX_MEMBERS,
    ExpressionError,
    as_text,
    checked_number,
    checked_size,
    memory_of,
    type_name,
)
from support.expression_scope import ASSET


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), (ASSET, "asset"), (True, "boolean"), (1, "number"), (0.5, "number"),
     ("a", "text"), ([], "list"), ({}, "map")],
)  # fmt: skip
def test_each_value_has_a_kind(value: Any, kind: str) -> None:
    assert type_name(value) == kind


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (None, ""), (True, "true"), (12, "12"), (2.5, "2.5"), (1e5, "100000"),
     (1e20, "100000000000000000000")],
)  # fmt: skip
def test_a_scalar_has_a_plain_text_form(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "hint"),
    [(ASSET, "name one of its fields, such as .url"),
     ([1], "write `| join(', ')`, or pick one item with [0]"),
     ({"a": 1}, "name one of its fields, or write `| json`")],
)  # fmt: skip
def test_a_list_a_map_and_an_asset_have_no_text_form(value: Any, hint: str) -> None:
    with pytest.raises(ExpressionError, match="cannot be used in text") as caught:
        as_text(value)
    assert caught.value.hint == hint


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1 << 63, -(1 << 63)])
def test_a_number_that_json_cannot_carry_is_refused(value: float) -> None:
    with pytest.raises(ExpressionError, match="the result is"):
        checked_number(value)


@pytest.mark.parametrize("value", ["x" * (MAX_BYTES + 1), "é" * MAX_BYTES, [0] * MAX_MEMBERS])
def test_a_result_that_is_too_large_is_refused(value: Any) -> None:
    with pytest.raises(ExpressionError, match="would be larger than"):
        checked_size(value)


def test_memory_counts_every_part() -> None:
    assert memory_of("a" * 100) == 164
    assert memory_of(["a", "a"]) == 3 * 64 + 2
    assert memory_of({"a": 1}) == 3 * 64 + 1
