"""Values of inputs: typed, bounded, given in Python, on the command line and in files; patterns and names of secrets."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.language.inputs import parse_assignments, read_values, resolve_inputs
from rivya_flows.language.patterns import matches, parts_of, pattern_error
from rivya_flows.language.secret_names import is_secret_name, names_secret, refusal
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.load import check, load

STEPS = "steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: x}\n"


def workflow(**inputs: str) -> Workflow:
    """A workflow with these inputs, each the text of its declaration."""
    declared = "".join(f"  {name}: {{{text}}}\n" for name, text in inputs.items())
    text = f"version: 1\nname: test\ninputs:\n{declared}{STEPS}"
    return load(text, file="spec.yaml", catalogue=shipped())


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        ("type: string", "lamp", "lamp"),
        ("type: text", "two\nlines", "two\nlines"),
        ("type: integer, min: 1, max: 9", 5, 5),
        ("type: integer", 5.0, 5),
        ("type: number", 2.5, 2.5),
        ("type: number", 2, 2),
        ("type: boolean", False, False),
        ("type: enum, values: [en, hi]", "hi", "hi"),
        ("type: enum, values: [5, 10]", 10, 10),
        ("type: list, of: string, max: 2", ["a", "b"], ["a", "b"]),
        ("type: list", [1, "a"], [1, "a"]),
        ("type: list", [("a", datetime.date(2026, 11, 8))], [["a", "2026-11-08"]]),
        ("type: list, of: enum, values: [x, y]", ["y"], ["y"]),
        ("type: date", "2026-11-08", "2026-11-08"),
        ("type: date", datetime.date(2026, 11, 8), "2026-11-08"),
        ("type: secret", "env:SHOP_TOKEN", "env:SHOP_TOKEN"),
        ("type: secret", "block:shop-token", "block:shop-token"),
        ("type: file", "https://example.com/a.png?x=1", {"url": "https://example.com/a.png?x=1"}),
        ("type: file, kind: image", "file_abc123", {"file_id": "file_abc123"}),
        ("type: file", {"url": "https://example.com/a.png"}, {"url": "https://example.com/a.png"}),
        ("type: string, required: false", None, None),
        ("type: string, pattern: '[A-Z]{3}'", "ABC", "ABC"),
        ("type: string, default: lamp", None, "lamp"),
    ],
)
def test_value_fits(declared: str, given: Any, value: Any) -> None:
    found = resolve_inputs(workflow(a=declared), {"a": given}, folder=None)
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize(
    ("declared", "given", "code", "says"),
    [
        ("type: string", 5, "wrong-input", "expected text"),
        ("type: string", "two\nlines", "wrong-input", "expected one line"),
        ("type: string, max: 3", "long", "wrong-input", "4 characters is more than 3"),
        ("type: string, pattern: '[A-Z]{3}'", "ABCD", "wrong-input", "does not match"),
        ("type: integer", 5.5, "wrong-input", "expected a whole number"),
        ("type: integer", True, "wrong-input", "expected a whole number"),
        ("type: integer, min: 3", 2, "wrong-input", "2 is less than 3"),
        ("type: number", "2", "wrong-input", "expected a number"),
        ("type: number", float("nan"), "wrong-input", "expected a number"),
        ("type: boolean", "yes", "wrong-input", "expected true or false"),
        ("type: enum, values: [en, hi]", "fr", "wrong-input", "'fr' is not one of en, hi"),
        ("type: enum, values: [1]", True, "wrong-input", "true is not one of 1"),
        ("type: list, of: string", "a", "wrong-input", "expected a list"),
        ("type: list, of: string", ["a", 1], "wrong-input", "item 2: expected text"),
        ("type: list, of: string, min: 1", [], "wrong-input", "0 items is less than 1"),
        ("type: date", "8.11.2026", "wrong-input", "a date such as"),
        ("type: secret", "hunter2", "wrong-input", "instead of writing its value"),
        ("type: file", "missing.png", "wrong-input", "there is no file"),
        ("type: file", "ftp://example.com/a.png", "wrong-input", "is not an http"),
        (
            "type: file, kind: image",
            "https://example.com/a.mp4",
            "wrong-input",
            "extension of an image file",
        ),
        ("type: file", {"url": "a", "path": "b"}, "wrong-input", "a file must be a path"),
        ("type: string", None, "missing-input", "the input 'a' is required"),
    ],
)
def test_value_does_not_fit(declared: str, given: Any, code: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        resolve_inputs(workflow(a=declared), {"a": given}, folder=None)
    assert [(p.file, p.code) for p in caught.value.diagnostics] == [("<inputs>", code)]
    assert "hunter2" not in str(caught.value)  # a secret is not shown


def test_all_wrong_values_come_together() -> None:
    declared = workflow(a="type: integer", b="type: boolean", c="type: text")
    with pytest.raises(SpecError) as caught:
        resolve_inputs(declared, {"a": "x", "b": "y", "bb": 1}, folder=None)
    found = [(p.file, p.code) for p in caught.value.diagnostics]
    assert found == [
        ("<inputs>", "unknown-input"),
        ("<inputs>", "wrong-input"),
        ("<inputs>", "wrong-input"),
        ("<inputs>", "missing-input"),
    ]
    assert caught.value.diagnostics[0].hint == "did you mean 'b'? there are: a, b, c"


def test_a_default_file_starts_from_the_spec_and_a_given_one_from_here_if_a_path_may_be_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = tmp_path / "specs"
    specs.mkdir()
    for path in (specs / "own.jpg", tmp_path / "mine.jpg"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    (specs / "link.jpg").symlink_to(tmp_path / "mine.jpg")
    monkeypatch.chdir(tmp_path)
    declared = workflow(photo="type: file, kind: image, default: own.jpg")
    own = resolve_inputs(declared, {}, folder=specs)
    mine = resolve_inputs(declared, {"photo": "mine.jpg"}, folder=specs)
    assert own == {"photo": {"path": str(specs / "own.jpg")}}
    assert mine == {"photo": {"path": str(tmp_path / "mine.jpg")}}
    with pytest.raises(SpecError, match="is not allowed here"):  # from a deployment
        resolve_inputs(declared, {"photo": str(tmp_path / "mine.jpg")}, folder=None, paths=False)
    for name in ("../mine.jpg", "link.jpg", str(tmp_path / "mine.jpg")):
        with pytest.raises(SpecError, match="outside the folder"):
            resolve_inputs(workflow(photo=f"type: file, default: {name}"), {}, folder=specs)


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        ("type: string", "a=9:16", "9:16"),
        ("type: string", "a=012", "012"),
        ("type: string", "a=true", "true"),
        ("type: string", "a='it''s'", "it's"),
        ("type: string", "a=x=y: [z", "x=y: [z"),
        ("type: text", "a=", ""),
        ("type: integer", "a=12", 12),
        ("type: number", "a=.5", 0.5),
        ("type: boolean", "a=true", True),
        ("type: enum, values: [en, hi]", "a=hi", "hi"),
        ("type: enum, values: ['1:1', '5']", "a=5", "5"),
        ("type: enum, values: [5, 10]", "a=5", 5),
        ("type: list, of: string", "a=[studio, 9:16, 012, no, 'x']", ["studio", "9:16", "012", "no", "x"]),
        ("type: list, of: integer", "a=[1, 2]", [1, 2]),
        ("type: date", "a=2026-11-08", "2026-11-08"),
        ("type: file", "a=https://example.com/a.png", {"url": "https://example.com/a.png"}),
    ],
)  # fmt: skip
def test_assignment_is_read_against_the_type(declared: str, text: str, value: Any) -> None:
    made = workflow(a=declared)
    assert resolve_inputs(made, parse_assignments([text], made), folder=None) == {"a": value}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a", "wrong-input"),
        ("b=1", "unknown-input"),
        ("a=[1", "wrong-input"),
        ("a=x, y", "wrong-input"),
        ("a=!!python/object:os.system x", "wrong-input"),
    ],
)
def test_assignment_that_cannot_be_read(text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_assignments([text], workflow(a="type: list, of: integer"))
    assert [problem.code for problem in caught.value.diagnostics] == [code]


def test_bytes_of_another_encoding_are_reported_before_anything_starts() -> None:
    with pytest.raises(SpecError, match=r"'La\\udcffmp' is not UTF-8 text"):
        parse_assignments(["a=La\udcffmp"], workflow(a="type: string"))


def test_values_file_is_yaml_or_json() -> None:
    assert read_values('{"a": [1, "x"], "b": null}', file="v.json") == {"a": [1, "x"], "b": None}
    assert read_values("a: 9:16\nb: no\n", file="v.yaml") == {"a": "9:16", "b": "no"}
    for wrong in ("- a", "a: 1\na: 2", "", "a: [", "x"):
        with pytest.raises(SpecError) as caught:
            read_values(wrong, file="v.yaml")
        assert caught.value.diagnostics[0].file == "v.yaml"


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


@pytest.mark.parametrize(
    ("value", "is_name", "looks_like_one", "is_reserved"),
    [
        ("env:HOOK_URL", True, True, False),
        ("block:hook-url", True, True, False),
        ("block:secret/hook-url", True, True, False),
        ("env:HOOK URL", False, True, False),
        ("block:a/b/c", False, True, False),
        ("hunter2", False, False, False),
        ("https://example.com", False, False, False),
        (5, False, False, False),
        (None, False, False, False),
        ("env:RIVYA_API_KEY", True, True, True),
        ("env:prefect_api_key", True, True, True),
        ("block:rivya-api-key", True, True, True),
        ("block:secret/RIVYA-API-KEY", True, True, True),
    ],
)
def test_a_secret_is_named_as_a_variable_or_a_block_and_some_are_reserved(
    value: Any, is_name: bool, looks_like_one: bool, is_reserved: bool
) -> None:
    assert is_secret_name(value) is is_name
    assert names_secret(value) is looks_like_one
    assert (refusal(value) is not None) is is_reserved
