"""Regular expressions of inputs match in bounded time."""

from __future__ import annotations

import json
from typing import Any

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.inputs import matches, parts_of, pattern_error
from rivya_flows.spec.load import check


def test_pattern_matches_in_linear_time() -> None:
    for pattern in ("(a+)+", "(a|aa)+b", "(a*)*$", "a*a*a*a*b"):
        assert pattern_error(pattern) is None
        assert not matches(pattern, "a" * 50_000 + "!")
    assert matches("(a+)+", "a" * 50_000)
    told = {"(": "missing )", "(?=a)": "look-around", r"(a)\1": "backreferences",
            "(((a{1,99}){1,99}){1,99}){1,99}": "repeats too much",
            "(((a{1,30}){1,30}){1,30})*b?": "repeats too much", r"(\w{1,101})*": "repeats too much",
            "(a{0,1001})*b": "repeats too much", "(?:(?:a|b){500}){2}c": "repeats too much",
            "(?i:(a?{1,33}){1,33})": "multiple repeat", "(a{501}?)+(b{500})*": "repeats too much", "a" * 2000: "more than 1,000"}  # fmt: skip
    for pattern, words in told.items():
        assert words in (pattern_error(pattern) or "")
    assert not matches("a", "a\n")


def test_the_parts_of_a_pattern_are_counted_with_their_repetitions() -> None:
    counted = {"": 0, "abc": 3, "a|bc": 3, "[a-z]+": 1, "a{3}b*": 4, "(?:(ab){2,5}){3}c": 31,
               r"\w+": 10, r"[^\w-]": 10, r"\d{4}-\d\d": 7, "(?i:a(?P<n>b))": 2, "(){9}": 9}  # fmt: skip
    assert {pattern: parts_of(pattern) for pattern in counted} == counted


def test_a_long_value_of_a_large_pattern_is_refused_before_it_is_tried() -> None:
    large = {"type": "string", "pattern": "(a{1,500})*b?"}
    assert "2,000 characters are more than 1,996" in problem_of({**large, "default": "a" * 2_000})
    assert problem_of({**large, "default": "a" * 1_900}) == ""
    several = {
        "type": "list",
        "of": "string",
        "pattern": "(a{1,500})*b?",
        "default": ["a" * 500] * 5,
    }
    assert "2,500 characters are more than 1,996" in problem_of(several)
    assert "does not match" in problem_of({"type": "string", "pattern": "", "default": "a"})
    assert problem_of({"type": "text", "pattern": "[a-z ]+", "default": "a b" * 100_000}) == ""


def test_the_patterns_of_a_spec_together_are_bounded() -> None:
    one = {"type": "string", "pattern": "(a{1,900})*"}
    assert "all inputs repeat too much" in problem_of(one, one, one)
    assert problem_of(one, one) == ""


def problem_of(*inputs: dict[str, Any]) -> str:
    """The first problem of a spec with these inputs; empty if there is none."""
    spec = {
        "version": 1,
        "name": "a",
        "inputs": {f"one{number}": one for number, one in enumerate(inputs)},
        "steps": {"a": {"uses": "generate", "with": {"model": "z-image", "prompt": "a"}}},
    }
    found = check(json.dumps(spec), file="a.yaml", catalogue=shipped())[1]
    return next((f"{one.message}" for one in found if one.code != "unused-input"), "")
