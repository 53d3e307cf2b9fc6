"""Tests of specs: what a file of them may say, and how its mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.spec.json_schema import TESTS_FILE, schema_of_tests
from rivya_flows.spec.load import load
from rivya_flows.spec.spec_tests import CaseAnswer, SpecTests, check_against, read_tests

ROOT = Path(__file__).parents[2]
SPEC = """
version: 1
name: stills
inputs:
  product: {type: string}
  photo: {type: file, kind: image, required: false}
  count: {type: integer, default: 2}
steps:
  still:
    uses: generate
    foreach: [a, b]
    with: {model: z-image, prompt: "${{ inputs.product }} ${{ item }}"}
  hero: {uses: pick, with: {from: "${{ steps.still.items }}", mode: human}}
outputs: {picture: "${{ steps.hero.asset }}"}
"""
HEAD = "version: 1\ncases:\n  - name: one\n"
INPUTS = "    inputs: {product: lamp}\n"

WRONG = {
    "no map": ("- a\n", "not-a-spec", 1, 1),
    "unknown key": (f"spc: a.yaml\n{HEAD}{INPUTS}", "unknown-key", 1, 1),
    "other version": (HEAD.replace("1", "2", 1) + INPUTS, "wrong-choice", 1, 10),
    "no cases": ("version: 1\ncases: []\n", "empty-list", 2, 8),
    "unknown key of a case": (f"{HEAD}{INPUTS}    expects: {{}}\n", "unknown-key", 5, 5),
    "unknown key of a step": (
        f"{HEAD}{INPUTS}    expect: {{steps: {{still: {{item: 1}}}}}}\n", "unknown-key", 5, 30),
    "two of a name": (f"{HEAD}{INPUTS}  - name: one\n{INPUTS}", "duplicate-name", 5, 11),
    "credits of text": (f"{HEAD}{INPUTS}    expect: {{credits: many}}\n", "wrong-type", 5, 23),
    "less than least": (
        f"{HEAD}{INPUTS}    expect: {{credits: {{min: 3, max: 2}}}}\n", "out-of-range", 5, 23),
    "other status": (f"{HEAD}{INPUTS}    expect: {{status: done}}\n", "wrong-choice", 5, 22),
    "answer of a map": (f"{HEAD}{INPUTS}    answers: {{hero: {{key: a}}}}\n", "wrong-value", 5, 21),
    "no answer": (f"{HEAD}{INPUTS}    answers: {{hero: []}}\n", "wrong-value", 5, 21),
    "unknown code": (f"{HEAD}    expect: {{diagnostics: [bad-inptu]}}\n", "unknown-code", 4, 28),
    "more than a refusal": (
        f"{HEAD}    expect: {{credits: 1, diagnostics: [bad-input]}}\n", "needless-key", 4, 14),
    "missing input": (f"{HEAD}    budget: 2\n", "missing-input", 3, 5),
    "unknown input": (f"{HEAD}    inputs: {{product: a, prodcut: a}}\n", "unknown-input", 4, 26),
    "wrong input": (f"{HEAD}    inputs: {{product: a, count: two}}\n", "wrong-input", 4, 33),
    "lost file": (f"{HEAD}    inputs: {{product: a, photo: no.png}}\n", "wrong-input", 4, 33),
    "unknown step": (f"{HEAD}{INPUTS}    expect: {{steps: {{stil: failed}}}}\n", "unknown-step", 5, 22),
    "answer of no step": (f"{HEAD}{INPUTS}    answers: {{heroe: a}}\n", "unknown-step", 5, 15),
    "unknown output": (
        f"{HEAD}{INPUTS}    expect: {{outputs: {{pictur: {{count: 1}}}}}}\n", "unknown-output", 5, 24),
}  # fmt: skip


def checked(text: str) -> tuple[SpecTests | None, DiagnosticCollector]:
    report = DiagnosticCollector("stills.test.yaml", text)
    tests = read_tests(text, report)
    if tests is not None:
        workflow = load(SPEC, file="stills.yaml", catalogue=shipped())
        check_against(tests, workflow, ROOT / "specs", report)
    return tests, report


@pytest.mark.parametrize(("text", "code", "line", "column"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_once_at_its_place(text: str, code: str, line: int, column: int) -> None:
    _, report = checked(text)
    found = [(one.code, one.line, one.column) for one in report.diagnostics]
    assert found == [(code, line, column)]
    assert all(one.hint for one in report.diagnostics)


def test_all_mistakes_are_told_at_once_also_beside_a_case_that_does_not_fit() -> None:
    text = f"{HEAD}    budget: many\n  - name: two\n    inputs: {{produkt: a}}\n  - 5\n"
    _, report = checked(text)
    codes = {one.code for one in report.diagnostics}
    assert codes == {"wrong-type", "unknown-input", "missing-input"}


def test_a_case_has_short_forms_and_notes() -> None:
    text = (
        f"x-note: 1\n{HEAD}{INPUTS}    x-why: because\n"
        "    answers: {hero: street}\n"
        "    expect: {credits: 3, steps: {still: completed, hero: {items: 1}}}\n"
    )
    tests, report = checked(text)
    assert not report.diagnostics
    assert tests is not None
    [case] = tests.cases
    assert case.answers == {"hero": (CaseAnswer(picked=("street",)),)}
    assert case.expect.credits is not None
    assert (case.expect.credits.min, case.expect.credits.max) == (3, 3)
    assert case.expect.steps["still"].status == "completed"


@pytest.mark.parametrize(
    ("written", "rounds"),
    [
        ("street", [("street",)]),
        ("2", [("2",)]),
        ("[a, b]", [("a", "b")]),
        ("{none: bluer}", [()]),
        ("[{none: bluer}, {none: }, street]", [(), (), ("street",)]),
        ("[{none: bluer}, [a, b]]", [(), ("a", "b")]),
    ],
)
def test_an_answer_is_a_key_a_list_of_keys_or_a_round_after_another(
    written: str, rounds: list[tuple[str, ...]]
) -> None:
    tests, report = checked(f"{HEAD}{INPUTS}    answers: {{hero: {written}}}\n")
    assert not report.diagnostics
    assert tests is not None
    assert [one.picked for one in tests.cases[0].answers["hero"]] == rounds


def test_a_wrong_input_is_no_mistake_of_a_case_that_expects_it() -> None:
    text = f"{HEAD}    inputs: {{count: two}}\n    expect: {{diagnostics: [wrong-input]}}\n"
    assert not checked(text)[1].diagnostics


def test_the_schema_lies_beside_the_specs() -> None:
    assert json.loads((ROOT / "specs" / TESTS_FILE).read_text("utf-8")) == schema_of_tests()


@pytest.mark.parametrize(
    "name", sorted(WRONG.keys() - {"two of a name", "less than least", "no answer"})
)
def test_the_schema_refuses_what_needs_no_spec_to_be_seen(name: str) -> None:
    text, code, _, _ = WRONG[name]
    of_spec = {"missing-input", "unknown-input", "wrong-input", "unknown-step", "unknown-output"}
    valid = Draft202012Validator(schema_of_tests()).is_valid(yaml.safe_load(text))
    assert valid == (code in {*of_spec, "needless-key"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "inputs", "answers", "expect", "steps", "credits", "hero", "none"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, min_size=1, max_size=3))
def test_whatever_a_case_is_it_is_read_or_refused(cases: list[Any]) -> None:
    text = json.dumps({"version": 1, "cases": cases})
    checked(text)
