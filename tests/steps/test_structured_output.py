"""Structured answers: lists of maps, and where they do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.steps.structured_output import MAX_DEPTH, AnswerError, instruction, read, repeat

SCENES: Any = {"scenes": [{"line": "string", "seconds": "number", "tags": ["string"]}]}


def test_a_list_of_maps_is_read_with_its_other_fields() -> None:
    content = '{"scenes": [{"line": "so", "seconds": 2, "tags": ["a"], "more": 1}]}'
    assert read(content, SCENES)["scenes"] == [
        {"line": "so", "seconds": 2, "tags": ["a"], "more": 1}
    ]
    assert read('{"scenes": []}', SCENES) == {"scenes": []}
    assert '[{"line":"string"' in instruction(SCENES)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"scenes": {"line": "so"}}', "scenes must be a list"),
        ('{"scenes": ["so"]}', r"scenes\[0\] must be an object"),
        ('{"scenes": [{"line": "so", "seconds": 2}]}', r"scenes\[0\]\.tags is missing"),
        ('{"scenes": [{"line": "so", "seconds": "2", "tags": []}]}', r"scenes\[0\]\.seconds: expected a number"),
        ('{"scenes": [{"line": "so", "seconds": 2, "tags": [true]}]}', r"scenes\[0\]\.tags\[0\]: expected text"),
    ],
)  # fmt: skip
def test_what_does_not_fit_in_a_list_of_maps_is_told_with_its_place(
    content: str, problem: str
) -> None:
    with pytest.raises(AnswerError, match=problem):
        read(content, SCENES)


def test_a_declared_answer_is_asked_for_by_its_json_schema_and_again_with_what_is_wrong() -> None:
    expect: Any = {"mood": {"type": "enum", "values": ["warm", "cold"]}, "note": "string"}
    assert '"mood":{"enum":["warm","cold"]}' in instruction(expect)
    assert "JSON Schema" in instruction(expect)
    assert read('{"mood": "warm", "note": "so"}', expect) == {"mood": "warm", "note": "so"}
    asked = repeat(lambda: read('{"mood": "hot", "note": "so"}', expect))
    assert asked == "That answer could not be used: mood: 'hot' is not one of warm, cold."


def test_an_answer_may_be_nested_to_its_bound_and_no_deeper() -> None:
    assert read('{"a": ' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}", {})
    with pytest.raises(AnswerError, match=f"deeper than {MAX_DEPTH}"):
        read('{"a": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", {})


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("9" * 301, "more than 300 digits"),
        ("1e999", "too large"),
        ("NaN", "NaN is not a JSON number"),
        ("-Infinity", "-Infinity is not a JSON number"),
    ],
)
def test_a_number_that_other_parsers_refuse_is_refused(number: str, problem: str) -> None:
    assert read('{"a": ' + "9" * 300 + "}", {}) == {"a": int("9" * 300)}
    with pytest.raises(AnswerError, match=problem):
        read(f'{{"a": {number}}}', {})
