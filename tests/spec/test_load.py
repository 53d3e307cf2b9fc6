"""Whole specs: what loads, what comes out, and that nothing else can happen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_client.catalogue.prices import price
from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.filters import FILTERS
from rivya_flows.language.field_types import SpecModel, keys_of
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.language.workflow import Budget, Deploy, Input, Retry, Step, Workflow
from rivya_flows.preparation.spec_file import specs_at
from rivya_flows.spec.load import check, load
from rivya_flows.steps.chat import ChatWith
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.pick import PickWith
from rivya_flows.steps.registry import BUILT_IN

ROOT = Path(__file__).parents[2]
SPECS = specs_at(ROOT / "specs")
GUIDE = (ROOT / "docs" / "reference" / "spec.md").read_text("utf-8")
EXAMPLES = [
    block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if "version:" in block
]


def load_file(path: Path) -> Workflow:
    text = path.read_text("utf-8")
    return load(text, file=path.name, catalogue=shipped(), folder=path.parent)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.stem))
def test_shipped_spec_loads_and_runs_with_its_defaults(path: Path) -> None:
    workflow = load_file(path)
    assert path.stem == workflow.name
    resolve_inputs(workflow, {}, folder=path.parent)
    assert path.read_text("utf-8").startswith("# ")


def test_there_are_the_five_specs() -> None:
    names = {
        "casting",
        "product-launch",
        "first-picture",
        "own-photo",
        "social-set",
        "festival-film-hi",
    }
    assert names <= {path.stem for path in SPECS}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.stem))
def test_budget_of_a_shipped_spec_is_enough_for_its_default_run(path: Path) -> None:
    workflow, catalogue = load_file(path), shipped()
    total = 0
    for step in workflow.steps.values():
        arguments = step.with_
        if not isinstance(arguments, ChatWith | GenerateWith):
            continue
        model = catalogue.get(arguments.model)
        assert model is not None
        params = arguments.params if isinstance(arguments, GenerateWith) else {}
        turns = 3 if isinstance(arguments, ChatWith) else 1
        cost = price(model, params)
        # No shipped spec fans out into more than four items by default.
        total += (cost.max or cost.min) * turns * (4 if step.fans_out else 1)
    assert workflow.budget is not None
    assert total <= workflow.budget.credits


def test_examples_of_the_guide_are_there() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text[11:40].split("\n")[0])
def test_example_of_the_guide_loads(text: str) -> None:
    _, problems = check(text, file="docs/reference/spec.md", catalogue=shipped())
    assert problems == (), "\n".join(map(str, problems))


def test_guide_names_every_word_of_the_language() -> None:
    models: list[type[SpecModel]] = [Workflow, Input, Step, Budget, Deploy, Retry]
    models += (kind.takes for kind in BUILT_IN.values())
    words = {*FILTERS, *BUILT_IN, *(key for model in models for key in keys_of(model))}
    assert [word for word in sorted(words) if not re.search(rf"`[^`]*\b{word}\b", GUIDE)] == []


def test_product_launch_has_the_values_of_the_design() -> None:
    workflow = load_file(ROOT / "specs" / "product-launch.yaml")
    assert list(workflow.inputs)[:3] == ["product", "brief", "styles"]
    assert workflow.budget is not None
    assert workflow.budget.credits == 60
    film, stills, hero = (workflow.steps[name] for name in ("film", "stills", "hero"))
    assert (film.timeout, film.retry.attempts, film.max_parallel) == (900, 5, 4)
    assert (stills.fans_out, stills.allow_failures, film.fans_out) == (True, 1, False)
    assert isinstance(film.with_, GenerateWith)
    assert film.with_.params == {"aspectRatio": "9:16"}
    assert isinstance(hero.with_, PickWith)
    assert (hero.with_.timeout, hero.with_.on_timeout) == (172_800, "first")
    assert workflow.deploy[1].schedules[0].timezone == "Asia/Kolkata"


def test_byte_order_mark_and_windows_line_ends_are_allowed() -> None:
    text = (ROOT / "specs" / "first-picture.yaml").read_text("utf-8")
    changed = "\ufeff" + text.replace("\n", "\r\n")
    assert check(changed, file="a.yaml", catalogue=shipped())[1] == ()
    problems = check(changed.replace("z-image", "z-imag"), file="a", catalogue=shipped())[1]
    line = text[: text.index("z-image")].count("\n") + 1
    assert [(problem.line, problem.column) for problem in problems] == [(line, 14)]


WORDS = [
    "version: 1", "name: a", "inputs:", "steps:", "outputs:", "deploy:", "defaults:", "budget:",
    "  a:", "  b:", "    uses: generate", "    uses: chat", "    uses: pick", "    with:",
    "      model: z-image", "      prompt: x", "    with: {model: z-image, prompt: y}",
    "      params: {aspect_ratio: 9:16}", "    matrix: {a: [1, 2]}", "    foreach: [1]", "  - name: a",
    "    if: ${{ steps.a.status }}", "  c: ${{ steps.a.asset }}", "  d: {type: list, default: [1]}",
    "  e: {type: file, default: x}", "    needs: [a, b]", "    - 1", "null", "  ? [", "    zip: 5",
    "    matrix: {a: ${{ x }}}", "    key: [1]", "  generate: {timeout: [1]}", "    with: [1]",
    "      expect: [string]", "    include: 5", "  x-a: 1", "    as: 5", "    matrix: {include: {a: 1}}",
    "    matrix: {a: [1], exclude: [[1]]}", "    title: [1]", "  a: null", "    schedules: [{cron: 5}]",
    "    references: ['${{ steps.b.items[0][1].asset }}']", "    retry: 5", "    with: {from: 1}",
]  # fmt: skip


def _is_reported(workflow: Workflow | None, problems: tuple[Diagnostic, ...]) -> bool:
    if workflow is not None:
        return problems == ()
    return bool(problems) and all(
        one.line >= 1 and one.column >= 1 and one.message and one.hint for one in problems
    )


@given(st.text(max_size=80))
def test_any_text_gives_a_workflow_or_problems_with_a_place(text: str) -> None:
    assert _is_reported(*check(text, file="a.yaml", catalogue=shipped()))


@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_lines_give_a_workflow_or_problems_with_a_place(lines: list[str]) -> None:
    assert _is_reported(*check("\n".join(lines), file="a.yaml", catalogue=shipped()))


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


def test_rows_of_a_zip_are_no_mistake_though_another_row_would_not_fit_the_model() -> None:
    text = (
        "version: 1\nname: a\nsteps:\n  film:\n    uses: generate\n"
        "    zip: {model: [kling-2-6, seedance-1-5-pro], duration: [10, 8]}\n"
        "    with: {model: '${{ zip.model }}', prompt: a lamp, params: {duration: '${{ zip.duration }}'}}\n"
        "outputs: {films: '${{ steps.film.assets }}'}\n"
    )
    load(text, file="a.yaml", catalogue=shipped())
