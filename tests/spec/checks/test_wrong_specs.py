"""Wrong specs: each mistake at its place with the fix, in the schema, and after its fixes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rivya_flows.language.diagnostic_report import Fixed, apply_fixes
from support.spec_schema import VALIDATOR, read
from support.wrong_specs import (
    ACCEPTED_BY_SCHEMA,
    HEAD,
    STILL,
    TOPICS,
    WRONG,
    assert_one_diagnostic,
    diagnostics_of,
)

GUIDE = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_wrong_spec_has_one_diagnostic_at_its_mark_with_the_fix(topic: str) -> None:
    for code, marked, hint in TOPICS[topic].values():
        assert_one_diagnostic(code, marked, hint)


def test_the_schema_refuses_what_a_schema_can_find() -> None:
    texts = {name: text.replace("☞", "") for name, (_, text, _) in WRONG.items()}
    accepted = {name for name, text in texts.items() if VALIDATOR.is_valid(read(text))}
    assert accepted == ACCEPTED_BY_SCHEMA


def test_a_wrong_spec_has_no_more_mistakes_after_its_fixes() -> None:
    for _, marked, _ in WRONG.values():
        wrong = marked.replace("☞", "")
        found = apply_fixes(wrong, "spec.yaml", diagnostics_of)
        if found.applied:
            if not any(one.code == "unquoted-expression" for one in found.applied):
                assert len(diagnostics_of(found.text)) <= len(diagnostics_of(wrong))
            assert apply_fixes(found.text, "spec.yaml", diagnostics_of) == Fixed(found.text, ())


def test_the_guide_to_errors_lists_the_codes_that_have_a_fix() -> None:
    blocks = GUIDE.read_text("utf-8").split("\n\n")
    line = next(one for one in blocks if "check --fix" in one and "`wrong-type`" in one)
    listed = set(re.findall(r"`([a-z]+-[a-z-]+)`", line)) - {"rivya-flows"}
    texts = [text.replace("☞", "") for _, text, _ in WRONG.values()]
    assert listed == {one.code for text in texts for one in diagnostics_of(text) if one.fix}


def test_each_mistake_is_told_once_and_those_of_a_spec_in_the_order_of_the_file() -> None:
    text = HEAD.replace("test", "Test") + "titel: x\ndefaults: {generate: {timeout: x}}\nsteps:\n"
    text += STILL.replace("z-image", "zz") + STILL.replace("still:", "other:")
    found = diagnostics_of(text + "outputs: {a: '${{ steps.x.y }}'}\n")
    assert [(one.line, one.code) for one in found] == [
        (2, "bad-name"), (3, "unknown-key"), (4, "wrong-value"), (8, "unknown-model"), (12, "unknown-step"),
    ]  # fmt: skip


def test_arguments_that_are_indented_as_a_step_are_told_to_be_indented() -> None:
    found = diagnostics_of(f"{HEAD}steps:\n{STILL}  with: {{prompt: a chair}}\n")
    [unknown] = [one for one in found if one.code == "unknown-key"]
    assert unknown.hint == "indent `with:`: it belongs to the step above"


@pytest.mark.parametrize(
    ("declared", "is_wrong"),
    [
        ("{type: file, default: a.png}", False),
        ("{type: file, default: true}", True),
        ("{type: list, of: file, default: [a.png]}", False),
        ("{type: list, of: file, default: a.png}", True),
    ],
)
def test_a_default_that_names_no_file_is_wrong_also_where_the_folder_is_unknown(
    declared: str, is_wrong: bool
) -> None:
    found = diagnostics_of(f"{HEAD}inputs:\n  photo: {declared}\nsteps:\n{STILL}")
    assert [one.code for one in found] == ["wrong-default"] * is_wrong


def test_an_empty_fan_out_is_reported_once_though_its_items_are_used() -> None:
    step = "  s:\n    uses: generate\n    foreach: []\n    with: {model: z-image, prompt: x}\n"
    output = "outputs:\n  a: ${{ steps.s.items[0].asset }}\n"
    assert [one.code for one in diagnostics_of(f"{HEAD}steps:\n{step}{output}")] == ["empty-list"]
