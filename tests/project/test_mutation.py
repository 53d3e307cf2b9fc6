"""The mistakes of `scripts/mutation`: small, in one function, and never in a file."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from support.loaded_scripts import loaded

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mutation() -> Any:
    """`scripts/mutation.py`, which is not in a package."""
    return loaded("scripts/mutation.py")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("a < b", "a <= b"),
        ("a is None", "a is not None"),
        ("a and b", "a or b"),
        ("a - 1", "a + 1"),
        ("not a", "not not a"),
        ("b if a else c", "b if not a else c"),
        ("True", "False"),
        ("7", "8"),
    ],
)
def test_a_mistake_is_small(mutation: Any, right: str, wrong: str) -> None:
    tree = ast.parse(right)
    node = tree.body[0].value  # type: ignore[attr-defined]  # of an expression
    assert mutation.mistake(node)
    assert ast.unparse(tree) == right  # it is only looked at
    mutation.mistake(node, apply=True)
    assert ast.unparse(tree) == wrong


def test_a_call_for_its_effect_is_dropped_and_a_result_is_nothing(mutation: Any) -> None:
    tree = ast.parse("def f():\n    g()\n    return 1")
    for node in tree.body[0].body:  # type: ignore[attr-defined]  # of a function
        mutation.mistake(node, apply=True)
    assert ast.unparse(tree) == "def f():\n    None\n    return None"


def test_each_mistake_is_in_a_function_that_can_be_replaced(mutation: Any) -> None:
    for package in mutation.PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            module = compile(path.read_text("utf-8"), str(path), "exec")
            for name in {mutant.function for mutant in mutation.mutants(path)}:
                assert mutation.code_of(module, name).co_qualname == name
