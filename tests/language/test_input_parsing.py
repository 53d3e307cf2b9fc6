"""Values of inputs from the command line and from files."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.language.inputs import parse_assignments, read_values, resolve_inputs
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.load import load

STEPS = "steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: x}\n"


def workflow(**inputs: str) -> Workflow:
    """A workflow with these inputs, each the text of its declaration."""
    declared = "".join(f"  {name}: {{{text}}}\n" for name, text in inputs.items())
    text = f"version: 1\nname: test\ninputs:\n{declared}{STEPS}"
    return load(text, file="spec.yaml", catalogue=shipped())


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
