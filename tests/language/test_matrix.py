"""Combinations of a matrix and the keys of items."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.matrix import combinations, item_keys, shared_keys, written_keys
from support.counted_calls import within

COMBINED: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "one axis": ({"a": [1, 2]}, [{"a": 1}, {"a": 2}]),
    "product in the order written": (
        {"a": [1, 2], "b": ["x", "y"]},
        [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]),
    "exclude by one axis or by several": (
        {"a": [1, 2], "b": ["x", "y"], "exclude": [{"a": 1, "b": "x"}, {"a": 2}]}, [{"a": 1, "b": "y"}]),
    "include extends what it fits": (
        {"a": [1, 2], "include": [{"a": 2, "extra": "z"}]}, [{"a": 1}, {"a": 2, "extra": "z"}]),
    "include is one more item where it fits nothing": (
        {"a": [1, 2], "include": [{"a": 3, "extra": "z"}]}, [{"a": 1}, {"a": 2}, {"a": 3, "extra": "z"}]),
    "include without an axis extends all": (
        {"a": [1, 2], "include": [{"extra": "z"}]}, [{"a": 1, "extra": "z"}, {"a": 2, "extra": "z"}]),
    "exclude comes before include": (
        {"a": [1, 2], "exclude": [{"a": 1}], "include": [{"a": 1, "b": 5}]}, [{"a": 2}, {"a": 1, "b": 5}]),
    "an added item is not extended": (
        {"a": [1], "include": [{"a": 3}, {"a": 3, "b": 4}]}, [{"a": 1}, {"a": 3}, {"a": 3, "b": 4}]),
    "include alone": ({"include": [{"x": 1}, {"x": 2}]}, [{"x": 1}, {"x": 2}]),
    "true is not 1": ({"a": [True, 1], "exclude": [{"a": 1}]}, [{"a": True}]),
    "an empty axis has no items": ({"a": []}, []),
    "nothing": ({}, []),
}  # fmt: skip


@pytest.mark.parametrize(("matrix", "expected"), COMBINED.values(), ids=COMBINED)
def test_combinations(matrix: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert [one.values for one in combinations(matrix, {})] == expected


@pytest.mark.parametrize(
    "matrix",
    [
        {"a": "text"},
        {"a": [1], "include": "text"},
        {"a": [1], "exclude": ["text"]},
        {"a": list(range(101)), "b": list(range(101))},
        {f"a{n}": list(range(10)) for n in range(60)},
    ],
)
def test_combinations_refuse_a_matrix_that_is_not_valid(matrix: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError):
        combinations(matrix, {})


NESTED = {"a": ["x", "y", "z"], "b": "${{ inputs.of[matrix.a] }}", "c": [1, 2]}


@pytest.mark.parametrize(
    ("of", "keys", "places"),
    [
        ({"x": ["p", "q"], "y": [], "z": ["r"]}, "xp1 xp2 xq1 xq2 zr1 zr2", [(0, 0, 0), (2, 0, 1)]),
        ({"x": None, "y": ["p"], "z": None}, "yp1 yp2", [(1, 0, 0), (1, 0, 1)]),
        ({"x": [], "y": [], "z": []}, "", []),
    ],
)
def test_an_axis_may_read_those_before_it(
    of: dict[str, Any], keys: str, places: list[tuple[int, ...]]
) -> None:
    made = combinations(NESTED, {"inputs": {"of": of}})
    assert ["".join(map(str, one.values.values())) for one in made] == keys.split()
    assert [one.places for one in (*made[:1], *made[-1:])] == places


def test_an_axis_that_is_null_for_each_value_before_it_is_null() -> None:
    with pytest.raises(UsesNull, match=r"inputs\.of"):
        combinations(NESTED, {"inputs": {"of": {"x": None, "y": [], "z": None}}})


def test_nested_axes_have_a_bound_together() -> None:
    many = {name: list(range(4_000)) for name in "xyz"}
    with pytest.raises(ExpressionError, match="more than 10,000 combinations"):
        combinations(NESTED, {"inputs": {"of": many}})


@pytest.mark.parametrize(
    ("items", "written", "keys"),
    [
        ([{"style": "neon"}, {"style": "noir"}], None, ("neon", "noir")),
        ([{"a": 1, "b": True}, {"a": 2.5, "b": "x"}], None, ("1, true", "2.5, x")),
        ([{"s": "a"}, {"s": "a"}, {"s": "a"}], None, ("a", "a-2", "a-3")),
        ([{"s": "a"}, {"s": "a-2"}, {"s": "a"}], None, ("a", "a-2", "a-3")),
        ([{"s": "a"}, {"s": "a"}, {"s": "a-2"}], None, ("a", "a-3", "a-2")),
        ([{"item": {"x": 1}}, {"item": [1]}, {"item": None}], None, ("0", "1", "2")),
        ([{"item": {"x": 1}}, {"item": {"x": 2}}], ["one", 2], ("one", "2")),
        ([], None, ()),
    ],
)
def test_item_keys(items: list[Any], written: list[Any] | None, keys: tuple[str, ...]) -> None:
    assert tuple(one.text for one in item_keys(items, written)) == keys


def test_a_key_that_several_items_were_given_is_named_with_its_items() -> None:
    keys = item_keys([{"s": one} for one in ("a", "b", "a", "b-2", *"ccccccc")])
    assert [one.repeats for one in keys[:4]] == [None, None, "a", None]
    shared = shared_keys(keys)
    assert [*shared] == ["a", "c"]
    assert shared["a"].startswith("it is the key of items 1 and 3, so it names none of them")
    assert "items 5, 6, 7, 8, 9 and 2 more" in shared["c"]
    assert shared_keys(item_keys([{"s": "a"}, {"s": "a-2"}])) == {}
    assert item_keys([{"s": "a"}] * 1_000)[-1] == ("a-1000", "a")


@pytest.mark.parametrize(
    ("step", "keys"),
    [
        ({"matrix": {"a": [1, 2], "include": [{"a": 2, "b": "x"}]}}, ("1", "2, x")),
        ({"matrix": {"a": [1, 2], "exclude": [{"a": 1}]}}, ("2",)),
        (
            {"matrix": {"a": [{"x": 1}, {"key": "b"}], "b": ["x", "y"]}},
            ("0, x", "0, y", "b, x", "b, y"),
        ),
        ({"matrix": {"a": [{"x": 1}, {"x": 2}], "b": [None, {}]}}, ("0", "1", "2", "3")),
        ({"zip": {"a": [1, 2], "b": [True, None]}}, ("1, true", "2, 1")),
        ({"foreach": ["a", "a", 5]}, ("a", "a-2", "5")),
        # what is computed, named by an expression, large or wrong is not known yet
        ({"matrix": {"a": [1, "${{ inputs.x }}"]}}, None),
        ({"foreach": [1], "key": "${{ item }}"}, None),
        ({"foreach": [{"key": "x"}]}, None),
        ({"foreach": list(range(101))}, None),
        ({"matrix": {"a": list(range(50)), "b": [1, 2, 3]}}, None),
        ({"matrix": {"a": 5}}, None),
        ({"zip": {"a": [1], "b": [1, 2]}}, None),
        ({"zip": {"a": [1], "b": "x"}}, None),
        ({"matrix": {"a": [1]}, "foreach": [1]}, None),
        ({}, None),
    ],
)
def test_keys_of_a_fan_out_that_is_written_out(
    step: dict[str, Any], keys: tuple[str, ...] | None
) -> None:
    found = written_keys(step)
    assert (None if found is None else tuple(one.text for one in found)) == keys


@pytest.mark.parametrize(
    "matrix",
    [
        {"include": [{"a": n % 50, "x": n} for n in range(1500)]},
        {"exclude": [{"a": n % 50, "b": 2500 + n} for n in range(2500)]},
        {"include": [{"x": n} for n in range(2500)]},
        {"a": [1] * 2_500, "b": [1], "exclude": [{"a": 1}] * 2_500},
        {"a": [1] * 2_500, "b": [1], "include": [{"a": 1, "x": 2}] * 2_500},
    ],
)
def test_rules_of_a_matrix_do_not_look_at_each_combination(matrix: dict[str, Any]) -> None:
    axes = {"a": list(range(50)), "b": list(range(50))}

    def expanded() -> None:
        with contextlib.suppress(ExpressionError):  # refusing them is no look at each either
            combinations({**axes, **matrix}, {})

    within(2_000_000, expanded)


@pytest.mark.parametrize("written", [None, ["k" * 100_000] * 200])
def test_keys_of_a_fan_out_have_a_bound(written: list[str] | None) -> None:
    rows = [{"style": "s" * 100_000, "n": n} for n in range(200)]
    with pytest.raises(ExpressionError, match="more than 16,777,216 characters"):
        item_keys(rows, written)
