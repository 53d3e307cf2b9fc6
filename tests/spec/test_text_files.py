"""Prompts, messages and JSON Schemas in files beside the spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.answers import read_expect
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.spec.files import MOST
from rivya_flows.spec.inlining import included_texts
from rivya_flows.spec.load import check, lint, load
from support.prepared_specs import prepared

SPEC = """\
version: 1
name: spot
inputs: {product: {type: string, default: lamp}, look: {type: string, default: warm}}
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: {file: prompts/script.md}, expect: schemas/script.json}
  stills:
    uses: generate
    foreach: ${{ steps.script.json.scenes }}
    with: {model: z-image, prompt: {file: prompts/still.md}}
    fallback: [{prompt: {file: prompts/other.md}}]
outputs: {stills: "${{ steps.stills.assets }}"}
"""
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["scenes"],
    "properties": {
        "scenes": {
            "type": "array",
            "minItems": 2,
            "maxItems": 3,
            "items": {
                "type": "object",
                "required": ["line"],
                "properties": {"line": {"type": "string", "maxLength": 40}},
            },
        },
        "mood": {"enum": ["warm", "cold"]},
    },
}
FILES = {
    "prompts/script.md": "Scenes\nfor ${{ inputs.product }}.\n",
    "prompts/still.md": "${{ item.line }}\nwith ${{ inputs.look }} light\n",
    "prompts/other.md": "A lamp",
    "schemas/script.json": json.dumps(SCHEMA),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def found(folder: Path, spec: str = SPEC) -> list[str]:
    _, problems = check(spec, file=str(folder / "spec.yaml"), catalogue=shipped(), folder=folder)
    return [
        f"{Path(one.file).relative_to(folder)}:{one.line}:{one.column} {one.code}"
        for one in problems
    ]


def test_texts_and_schemas_are_read_and_frozen_with_the_run(folder: Path) -> None:
    workflow = load(SPEC, file="spec.yaml", catalogue=shipped(), folder=folder)
    stills: Any = workflow.steps["stills"]
    assert stills.with_.prompt == "${{ item.line }}\nwith ${{ inputs.look }} light"
    assert stills.fallback[0].prompt == "A lamp"
    texts = included_texts(workflow)
    assert texts == FILES
    for path in FILES:
        (folder / path).unlink()
    frozen = load(SPEC, file="spec.yaml", catalogue=shipped(), includes=texts)
    assert frozen == workflow
    assert lint(SPEC, file="spec.yaml", workflow=workflow) == ()  # the inputs are used


def test_a_plan_counts_the_items_that_the_declared_list_may_have(folder: Path) -> None:
    source = SpecFile(SPEC, "spec.yaml", folder)
    [script, stills] = prepared(source, {}, folder).estimate.steps
    assert (stills.items[0].price.min, stills.items[0].price.max) == (2, 6)
    assert "up to 3 items" in stills.items[0].price.assumption
    assert script.items[0].price.min == 0


def test_mistakes_in_a_text_are_shown_in_its_file(folder: Path) -> None:
    (folder / "prompts/still.md").write_text("A picture\nof ${{ item.lin }} ${{ inputs.lok }}\n")
    assert found(folder) == [
        "prompts/still.md:2:8 unknown-field",
        "prompts/still.md:2:24 unknown-input",
    ]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ('{"type": "array", "items": {"type": "string"}}', "bad-expect"),
        ('{"type": "object", "properties": {"a": {"anyOf": []}}}', "bad-expect"),
        ('{"type": "object"}', "bad-expect"),
        ("[]", "bad-expect"),
        ("{", "yaml-syntax"),
    ],
)
def test_a_schema_with_more_than_a_check_can_use_is_refused_in_its_file(
    changed: str, code: str, folder: Path
) -> None:
    (folder / "schemas/script.json").write_text(changed)
    problems = found(folder)
    assert {one.split(":")[0] for one in problems} == {"schemas/script.json"}
    assert problems[0].endswith(code)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("prompts/gone.md", "bad-file"),
        ("../still.md", "bad-file"),
        ("'${{ inputs.look }}.md'", "expression-not-allowed"),
        ("5", "wrong-type"),
        (".env", "bad-file"),
        (".prompts/still.md", "bad-file"),
        ("id_rsa", "bad-file"),
        ("prompts/linked.md", "bad-file"),
    ],
)
def test_a_text_that_is_not_beside_the_spec_is_refused(
    written: str, code: str, folder: Path
) -> None:
    for hidden in (".env", "id_rsa", ".prompts/still.md", "prompts/.secret"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_text("KEY=secret")
    (folder / "prompts/linked.md").symlink_to(".secret")
    spec = SPEC.replace("file: prompts/still.md", f"file: {written}")
    assert [one.rpartition(" ")[2] for one in found(folder, spec)] == [code]


def test_no_line_of_a_file_that_cannot_be_a_schema_is_shown(folder: Path) -> None:
    (folder / ".env").write_text("KEY=secret")
    spec = SPEC.replace("expect: schemas/script.json", "expect: .env")
    problems = check(spec, file="spec.yaml", catalogue=shipped(), folder=folder)[1]
    assert [one.code for one in problems] == ["bad-expect"]
    assert "secret" not in str(problems)


def chats(count: int, **given: Any) -> str:
    arguments = {"model": "gemini-2-5-flash-chat", "message": "hi"} | given
    step = {"uses": "chat", "with": arguments}
    steps = {f"s{n}": step for n in range(count)}
    return json.dumps({"version": 1, "name": "spot", "steps": steps})


def declared_as(folder: Path, schema: dict[str, Any]) -> Any:
    """The field `a` with this schema."""
    whole = {"type": "object", "required": ["a"], "properties": {"a": schema}}
    (folder / "one.json").write_text(json.dumps(whole))
    spec = chats(1, expect="one.json")
    workflow = load(spec, file="spec.yaml", catalogue=shipped(), folder=folder)
    return expected(workflow.steps["s0"]).fields["a"]


def test_an_enum_with_null_may_be_missing(folder: Path) -> None:
    one = declared_as(folder, {"type": ["string", "null"], "enum": ["S", "M", None]})
    assert (one.values, one.required) == (("S", "M"), False)


def test_the_description_of_items_is_told_with_that_of_the_list(folder: Path) -> None:
    items = {"type": "string", "description": "a colour"}
    schema = {"type": "array", "description": "Colours", "items": items}
    assert declared_as(folder, schema).description == "Colours; each: a colour"


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ('{type: array,\nitems: {type: integer, minimum: 1}}', "2:8"),
        ('{type: array,\nitems: {type: [string, "null"]}}', "2:8"),
        ("{type: string,\nformat: uri}", "2:9"),
        ("{type: string,\npattern: 5}", "2:10"),
        ("{type: string,\npattern: '['}", "2:10"),
        ("{type: string,\nmaximum: 5}", "2:1"),
        ("{type: number,\nminimum: 5, maximum: 4}", "2:22"),
        ("{type: string,\nminLength: 1.5}", "2:12"),
        ("{type: array, items: {type: string},\nminItems: 1.5}", "2:11"),
        ("{type: object, properties: {min: {type: string,\npattern: '['}}}", "2:10"),
        ("{enum: [a],\nmaxLength: 5}", "2:1"),
        ("{enum:\n[]}", "2:1"),
        ("{type: [string, integer], enum:\n[]}", "2:1"),
        ("{type: object, properties: {b: {type: string}},\nrequired: b}", "2:11"),
        ("{type: object, properties: {b: {type: string}},\nrequired: [c]}", "2:11"),
        ("{type: array, items: {type: object, properties: {b: {type: string,\npattern: '['}}}}", "2:10"),
    ],
)  # fmt: skip
def test_what_a_schema_says_in_vain_is_refused_at_its_place(
    schema: str, place: str, folder: Path
) -> None:
    (folder / "one.yaml").write_text(f"type: object\nproperties: {{a: {schema}}}")
    line, _, column = place.partition(":")
    [problem] = found(folder, chats(1, expect="one.yaml"))
    assert problem == f"one.yaml:{int(line) + 1}:{column} bad-expect"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Low limits."""
    for what in MOST:
        monkeypatch.setitem(MOST, what, 30)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("short", [True, False])
def test_declared_fields_are_bounded_in_the_spec_and_beside_it(short: bool, folder: Path) -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    (folder / "s.yaml").write_text("type: object\nproperties: {a: {enum: [x]}}")
    expect = {"inner": dict.fromkeys(names, "string")} if short else "s.yaml"
    MOST["characters in other files"] = 10_000
    allowed = 4 if short else 30
    assert found(folder, chats(allowed, expect=expect)) == []
    [problem] = found(folder, chats(allowed + 1, expect=expect))
    assert problem.endswith("too-large")


@pytest.mark.usefixtures("few")
def test_expressions_are_bounded_in_the_spec_and_beside_it(folder: Path) -> None:
    MOST["characters in other files"] = 10_000
    (folder / "long.md").write_text("${{ run.date }}" * 16)
    long = {"file": "long.md"}
    assert found(folder, chats(1, message=long)) == []
    assert found(folder, chats(2, message=long)) == ["long.md:1:1 too-large"]


@pytest.mark.usefixtures("few")
def test_a_file_counts_each_time_it_is_used(folder: Path) -> None:
    (folder / "long.md").write_text("a" * 16)
    long = {"file": "long.md"}
    assert found(folder, chats(1, message=long)) == []
    [problem] = found(folder, chats(2, message=long))
    assert problem.endswith("bad-file")


def test_a_schema_is_the_same_as_what_expect_declares(folder: Path) -> None:
    declared = """\
{scenes: {type: list, of: map, fields: {line: {type: string, max: 40}}, min: 2, max: 3},
        mood: {type: enum, values: [warm, cold], required: false}}"""
    spec = SPEC.replace("expect: schemas/script.json", f"expect: {declared}")
    one, other = (
        load(text, file="spec.yaml", catalogue=shipped(), folder=folder).steps["script"]
        for text in (SPEC, spec)
    )
    assert one.model_dump() != other.model_dump()  # a schema has its own order of keys
    assert expected(one) == expected(other)


def expected(step: Any) -> Any:
    return read_expect(step.with_.expect)[0]
