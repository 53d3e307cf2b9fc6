"""What `expect` declares: the words of inputs, and the short forms beside them."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rivya_flows.language.answers import AnswerFieldError, is_short, read_expect
from rivya_flows.language.expressions.output_types import NUMBER, PROSE, TEXT

EXPECT: dict[str, Any] = {
    "title": "string",
    "mood": {"type": "enum", "values": ["warm", "cold"]},
    "score": {"type": "number", "min": 0, "max": 10},
    "note": {"type": "text", "required": False, "description": "Only if something is wrong"},
    "code": {"type": "string", "pattern": "[A-Z]{2}-[0-9]+"},
    "day": "date",
    "scenes": {
        "type": "list",
        "of": "map",
        "fields": {"line": {"type": "string", "max": 20}, "photo_url": "string"},
        "min": 1,
        "max": 2,
    },
    "tones": [{"type": "enum", "values": [1, 2]}],
}
GOOD: dict[str, Any] = {
    "title": "Lamp\nLight",
    "mood": "warm",
    "score": 7.5,
    "code": "AB-12",
    "day": "2026-11-08",
    "scenes": [{"line": "A lamp", "photo_url": "https://a.b/c.png"}],
    "tones": [1, 2, 1],
}


def test_an_answer_that_fits_is_kept_with_null_for_what_may_be_missing() -> None:
    declared, problems = read_expect(EXPECT)
    assert problems == ()
    assert declared.fit({**GOOD, "more": [1]}) == {**GOOD, "more": [1], "note": None}
    assert declared.fit({**GOOD, "note": "dim"})["note"] == "dim"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"mood": "hot"}, "mood: 'hot' is not one of warm, cold"),
        ({"score": 11}, "score: 11 is more than 10"),
        ({"score": True}, "score: expected a number, not true"),
        ({"note": 5}, "note: expected text, not 5"),
        ({"title": None}, "title: expected text, not nothing"),
        ({"code": "ab"}, "code: 'ab' does not match the pattern"),
        ({"day": "soon"}, "day: expected a date such as 2026-11-08, not 'soon'"),
        ({"scenes": []}, "scenes: 0 items is less than 1"),
        ({"scenes": GOOD["scenes"] * 3}, "scenes: 3 items is more than 2"),
        ({"scenes": [{"line": "a" * 21, "photo_url": "x"}]}, r"scenes\[0\].line: 21 characters is"),
        ({"scenes": [{"line": "a"}]}, r"scenes\[0\].photo_url is missing"),
        ({"tones": [3]}, r"tones\[0\]: 3 is not one of 1, 2"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(AnswerFieldError, match=problem):
        read_expect(EXPECT)[0].fit({**GOOD, **changed})


def test_expressions_see_the_declared_types() -> None:
    fields = read_expect(EXPECT)[0].shape().fields or {}
    assert fields["score"] == NUMBER
    assert fields["title"] == PROSE
    assert fields["mood"].values == ("warm", "cold")
    scene = fields["scenes"].member
    assert scene is not None
    assert (scene.fields or {})["photo_url"] == TEXT
    exact, _ = read_expect({"two": {"type": "list", "of": "string", "min": 2, "max": 2}})
    assert (exact.shape().fields or {})["two"].length == 2


def test_the_json_schema_for_a_model_accepts_what_fits_and_refuses_what_does_not() -> None:
    schema = read_expect(EXPECT)[0].json_schema()
    Draft202012Validator.check_schema(schema)
    accepts = Draft202012Validator(schema).is_valid
    assert accepts(GOOD)
    wrong = {"mood": "hot", "score": 11, "scenes": [], "code": "ab", "tones": [3]}
    assert [name for name, value in wrong.items() if accepts({**GOOD, name: value})] == []
    assert schema["properties"]["note"]["description"] == "Only if something is wrong"


def test_a_map_with_a_type_is_a_declaration_and_any_other_names_fields() -> None:
    assert is_short({"a": "string", "b": [{"c": "integer"}], "d": {"e": "boolean"}})
    assert not is_short({"a": [{"type": "enum", "values": ["x"]}]})
    declared, problems = read_expect({"type": "string", "shot": {"type": {"wide": "boolean"}}})
    assert problems == ()
    assert declared.fields["type"].type == "string"
    assert declared.fields["shot"].fields["type"].fields["wide"].type == "boolean"
    whole, problems = read_expect({"type": "map", "fields": {"a": "string"}})
    assert (problems, [*whole.fields]) == ((), ["a"])
