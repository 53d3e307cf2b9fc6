"""What docs/reference/spec.md says by hand follows the models of the language."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path

import pytest

from rivya_flows.language.expressions.resolve import evaluate
from rivya_flows.language.field_types import InputType
from rivya_flows.language.workflow import Step
from rivya_flows.steps.registry import BUILT_IN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "spec.md").read_text("utf-8")


def test_every_type_of_an_input_is_explained() -> None:
    table = PAGE.partition("| type | takes | and also |")[2].partition("\n\n")[0]
    explained = {
        name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert explained == set(typing.get_args(InputType))


def test_a_step_on_one_screen_has_every_key_and_every_kind() -> None:
    shown = PAGE.partition("## A step on one screen\n\n```text\n")[2].partition("```")[0]
    keys = {field.alias or name for name, field in Step.model_fields.items()} - {"id"}
    assert keys <= set(re.findall(r"^    (\w+):", shown, re.MULTILINE))
    assert set(BUILT_IN) <= set(re.findall(r"\w+", shown))
    assert shown.count("\n") <= 30


EXAMPLES = re.findall(r"^(\$\{\{ .+? \}\})  +(.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("written", "given"), EXAMPLES)
def test_an_example_of_an_expression_gives_what_the_page_says(written: str, given: str) -> None:
    value = evaluate(written, {})
    assert (value if isinstance(value, str) else json.dumps(value)) == given


def test_there_are_examples_of_expressions() -> None:
    assert len(EXAMPLES) == 9
