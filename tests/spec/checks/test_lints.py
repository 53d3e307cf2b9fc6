"""Warnings about specs without mistakes: what nothing uses, at its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.workflow import Workflow
from rivya_flows.preparation.check import check_file, lint_spec
from rivya_flows.preparation.spec_file import read_spec, specs_at
from rivya_flows.spec.load import check, lint
from support.wrong_specs import HEAD, STILL
from support.wrong_specs.pieces import SCRIPT

ROOT = Path(__file__).parents[3]
OUT = 'outputs: {still: "${{ steps.still.asset }}"}\n'
DRAFT = "  draft:\n    uses: generate\n    with: {model: z-image, prompt: a lamp}\n"
CALL = "  call:\n    uses: notify\n    with: {url: https://a.b/c}\n"


def warnings_of(marked: str) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]:
    """Places and codes as marked by ☞code☞, and as found."""
    parts = re.split(r"☞([a-z-]+)☞", marked)
    text, expected = parts[0], []
    for code, rest in zip(parts[1::2], parts[2::2], strict=True):
        expected.append((text.count("\n") + 1, len(text) - text.rfind("\n"), code))
        text += rest
    workflow, problems = check(text, file="spec.yaml", catalogue=shipped())
    assert workflow is not None, "\n".join(map(str, problems))
    found = lint(text, file="spec.yaml", workflow=workflow)
    assert all(one.hint for one in found)
    return expected, [(one.line, one.column, one.code) for one in found]


@pytest.mark.parametrize(
    "marked",
    [
        pytest.param("☞no-outputs☞" + HEAD + "steps:\n" + STILL, id="no outputs"),
        pytest.param(HEAD + "steps:\n" + STILL + CALL, id="a callback takes what there is"),
        pytest.param(
            HEAD + "steps:\n" + STILL + "  ☞unused-step☞" + DRAFT.lstrip() + OUT, id="a step"
        ),
        pytest.param(
            HEAD
            + "steps:\n"
            + STILL
            + DRAFT
            + "  ☞unused-step☞chosen:\n    uses: pick\n    with: {from: ['${{ steps.draft }}']}\n"
            + OUT,
            id="a pick",
        ),
        pytest.param(
            HEAD + "steps:\n" + DRAFT + STILL + "    needs: [draft]\n" + OUT, id="a step that is needed"
        ),
        pytest.param(
            HEAD + "steps:\n" + STILL + "finally:\n" + DRAFT
            + "on_failure:\n" + DRAFT.replace("draft", "other") + OUT,
            id="a step at the end, which no output can name",
        ),
        pytest.param(
            HEAD + "steps:\n" + SCRIPT + STILL + "    if: ☞text-condition☞${{ steps.script.json.visual }}\n" + OUT,
            id="a text as a whole condition",
        ),
        pytest.param(
            HEAD + "steps:\n" + SCRIPT + STILL + "    if: ${{ steps.script.json.visual != '' }}\n" + OUT,
            id="a text that is compared",
        ),
        pytest.param(
            HEAD + "steps:\n" + STILL + "  ok:\n    uses: generate\n"
            "    if: ${{ steps.still.status == 'failed' }}\n"
            "    with: {model: z-image, prompt: a lamp}\n"
            "outputs: {still: '${{ steps.ok.asset | default(steps.still.asset) }}'}\n",
            id="a step whose status is read",
        ),
        pytest.param(
            HEAD
            + "inputs: {☞unused-input☞a: {type: string}, b: {type: string}, c: {type: string}}\n"
            + "labels: {c: '${{ inputs.c }}'}\nsteps:\n"
            + STILL.replace("a lamp", "'${{ inputs.b }}'")
            + OUT,
            id="an input",
        ),
        pytest.param(
            HEAD
            + "inputs:\n  a: {type: string, ☞empty-default☞default: }\n  b: {type: date, required: false, default: }\n"
            + "steps:\n" + STILL.replace("a lamp", "'${{ inputs | json }}'") + OUT,
            id="an empty default",
        ),
        pytest.param(
            HEAD + "inputs: {a: {type: string}}\nsteps:\n"
            + STILL.replace("a lamp", "'${{ inputs | json }}'") + OUT,
            id="all inputs at once",
        ),
    ],
)  # fmt: skip
def test_what_nothing_uses_is_told_at_its_place_and_nothing_else(marked: str) -> None:
    expected, found = warnings_of(marked)
    assert found == expected


@pytest.mark.parametrize("path", specs_at(ROOT / "specs"), ids=lambda path: path.name)
def test_specs_of_the_repository_have_no_warnings(path: Path) -> None:
    workflow = check_file(path, shipped()).checked
    assert isinstance(workflow, Workflow)
    assert lint_spec(read_spec(path), workflow, shipped()) == ()


def test_examples_of_the_docs_have_no_warnings() -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for text in re.findall(
            r"^```yaml[^\n]*\n(version:.*?)^```", page.read_text("utf-8"), re.M | re.S
        ):
            workflow, _ = check(text, file=page.name, catalogue=shipped())
            if workflow is not None and page.name != "errors.md":
                assert lint(text, file=str(page), workflow=workflow) == ()
