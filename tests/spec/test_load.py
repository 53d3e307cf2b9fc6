"""Whole specs: what loads, what comes out, and that nothing else can happen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.filters import FILTERS
from rivya_flows.language.field_types import SpecModel, keys_of
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.language.workflow import Budget, Deploy, Input, Retry, Step, Workflow
from rivya_flows.preparation.check import check_file, lint_spec
from rivya_flows.preparation.spec_file import read_spec, specs_at
from rivya_flows.spec.load import check, load
from rivya_flows.steps.registry import BUILT_IN

ROOT = Path(__file__).parents[2]
SPECS = specs_at(ROOT / "specs")
GUIDE = (ROOT / "docs" / "reference" / "spec.md").read_text("utf-8")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.stem))
def test_a_shipped_spec_has_no_warnings_and_runs_without_inputs(path: Path) -> None:
    file = check_file(path, shipped())
    workflow = file.checked
    assert isinstance(workflow, Workflow)
    assert lint_spec(read_spec(path), workflow, shipped()) == ()
    assert path.stem == workflow.name
    assert path.read_text("utf-8").startswith("# ")
    resolve_inputs(workflow, {}, folder=path.parent)


def test_guide_names_every_word_of_the_language() -> None:
    models: list[type[SpecModel]] = [Workflow, Input, Step, Budget, Deploy, Retry]
    models += (kind.takes for kind in BUILT_IN.values())
    words = {*FILTERS, *BUILT_IN, *(key for model in models for key in keys_of(model))}
    assert [word for word in sorted(words) if not re.search(rf"`[^`]*\b{word}\b", GUIDE)] == []


def test_byte_order_mark_and_windows_line_ends_are_allowed() -> None:
    text = (ROOT / "specs" / "first-picture.yaml").read_text("utf-8")
    changed = "\ufeff" + text.replace("\n", "\r\n")
    assert check(changed, file="a.yaml", catalogue=shipped())[1] == ()
    problems = check(changed.replace("z-image", "z-imag"), file="a", catalogue=shipped())[1]
    line = text[: text.index("z-image")].count("\n") + 1
    assert [(problem.line, problem.column) for problem in problems] == [(line, 14)]


def _is_reported(workflow: Workflow | None, problems: tuple[Diagnostic, ...]) -> bool:
    if workflow is not None:
        return problems == ()
    return bool(problems) and all(
        one.line >= 1 and one.column >= 1 and one.message and one.hint for one in problems
    )


KEYS = st.sampled_from(["a", "b", "include", "exclude", "type", "default", "of"]) | st.text(
    max_size=3
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["${{ steps.a.items }}", "${{ matrix.b }}", "${{ matrix.a }}", "${{ inputs.a }}", "${{ x", "z-image", "first"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
STEP_KEYS = ("matrix", "foreach", "zip", "if", "key", "needs", "as", "retry", "timeout", "cache",
             "title", "max_items", "allow_failures", "uses", "with")  # fmt: skip
WITH_KEYS = ("model", "prompt", "params", "references", "message", "expect", "from", "mode", "file",
             "video", "images", "audio", "attachments", "loudness", "timeout", "kind")  # fmt: skip


@given(
    st.sampled_from(["generate", "chat", "pick", "compose", "upload"]),
    st.dictionaries(st.sampled_from(STEP_KEYS), JSON, max_size=4),
    st.dictionaries(st.sampled_from(WITH_KEYS), JSON, max_size=5),
    st.dictionaries(st.sampled_from(["inputs", "outputs", "deploy", "defaults", "budget"]), JSON),
)
def test_any_values_give_a_workflow_or_problems_with_a_place(
    uses: str, step: dict[str, Any], arguments: dict[str, Any], top: dict[str, Any]
) -> None:
    spec = {"version": 1, "name": "a", "steps": {"a": {"uses": uses, "with": arguments, **step}}}
    text = json.dumps({**spec, **top}, ensure_ascii=True)
    assert _is_reported(*check(text, file="a.yaml", catalogue=shipped()))


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ("", "inputs.given or ['a']"),
        ("", "inputs.given | default(['a'])"),
        ("    if: ${{ inputs.names }}\n", "inputs.names"),
    ],
)
def test_lists_of_a_zip_are_no_mistake_where_their_lengths_are_those_of_no_run(
    more: str, left: str
) -> None:
    text = (
        "version: 1\nname: a\ninputs:\n  given: {type: list, of: string}\n"
        "  names: {type: list, of: string, default: []}\nsteps:\n  still:\n    uses: generate\n"
        f'{more}    zip: {{left: "${{{{ {left} }}}}", right: [b, c]}}\n'
        "    with: {model: z-image, prompt: '${{ zip.left }} ${{ zip.right }}'}\n"
        "outputs: {stills: '${{ steps.still.assets }}'}\n"
    )
    load(text, file="a.yaml", catalogue=shipped())


def test_rows_of_a_zip_are_no_mistake_though_another_row_would_not_fit_the_model() -> None:
    text = (
        "version: 1\nname: a\nsteps:\n  film:\n    uses: generate\n"
        "    zip: {model: [kling-2-6, seedance-1-5-pro], duration: [10, 8]}\n"
        "    with: {model: '${{ zip.model }}', prompt: a lamp, params: {duration: '${{ zip.duration }}'}}\n"
        "outputs: {films: '${{ steps.film.assets }}'}\n"
    )
    load(text, file="a.yaml", catalogue=shipped())
