"""Specs in Python: built from the same models, written down, and the same plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.workflow import Deploy, Included, Input, Retry, Schedule, Step, Workflow
from rivya_flows.preparation.spec_file import specs_at
from rivya_flows.spec.dump import dump
from rivya_flows.spec.inlining import included_texts
from rivya_flows.spec.load import load
from rivya_flows.steps.connections import IncludeWith, NotifyWith
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.pick import PickWith
from support.every_key import EVERY_KEY
from support.naive_service import NaiveService, Rehearsal, frozen

ROOT = Path(__file__).parents[2]
TEXT = """
version: 1
name: two-looks
inputs: {product: {type: string, default: lamp}}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, "no", "9:16", "0o17"]}
    allow_failures: 1
    timeout: 15m
    retry: {attempts: 3}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.style }}", params: {aspect_ratio: "9:16"}}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}"}}
finally:
  tell: {uses: notify, with: {url: https://shop.example/hook, body: {film: "${{ steps.hero.key }}"}}}
outputs: {picture: "${{ steps.hero.asset }}"}
"""
STILLS = Step(
    id="stills",
    uses="generate",
    matrix={"style": ["studio", "no", "9:16", "0o17"]},
    allow_failures=1,
    timeout=900,
    retry=Retry(attempts=3),
    with_=GenerateWith(
        model="z-image",
        prompt="${{ inputs.product }}, ${{ matrix.style }}",
        params={"aspect_ratio": "9:16"},
    ),
)
HERO = Step(id="hero", uses="pick", with_=PickWith(from_="${{ steps.stills.items }}"))
TOLD = NotifyWith(url="https://shop.example/hook", body={"film": "${{ steps.hero.key }}"})
IN_PYTHON = Workflow(
    version=1,
    name="two-looks",
    inputs={"product": Input(type="string", default="lamp")},
    steps={"stills": STILLS, "hero": HERO},
    finally_={"tell": Step(id="tell", uses="notify", with_=TOLD)},
    outputs={"picture": "${{ steps.hero.asset }}"},
)


def loaded(workflow: Workflow) -> Workflow:
    return load(
        dump(workflow), file="a.yaml", catalogue=shipped(), includes=included_texts(workflow)
    )


def test_a_workflow_in_python_is_the_one_in_yaml_and_runs_from_its_text() -> None:
    assert load(TEXT, file="a.yaml", catalogue=shipped()) == IN_PYTHON
    run = Rehearsal(frozen(dump(IN_PYTHON)), NaiveService())
    run.take_up()
    run.run()
    assert run.ended == ["completed"]


def test_the_example_of_the_guide_is_a_spec() -> None:
    guide = (ROOT / "docs" / "reference" / "spec.md").read_text("utf-8")
    section = guide[guide.index("## A spec in Python") :]
    code = section[section.index("```python\n") + 10 : section.index("\n```\n")]
    names: dict[str, Any] = {}
    exec(code, names)
    workflow = load(names["text"], file="a.yaml", catalogue=shipped())
    assert list(workflow.steps) == ["morning", "evening"]


def test_an_included_workflow_is_written_beside_it() -> None:
    inner = IN_PYTHON.model_copy(update={"finally_": {}})
    outer = Workflow(
        version=1,
        name="outer",
        steps={"looks": Step(id="looks", uses="include", with_=IncludeWith(spec="looks.yaml"))},
        outputs={"picture": "${{ steps.looks.outputs.picture }}"},
        includes={"looks.yaml": Included(path="looks.yaml", text=dump(inner), workflow=inner)},
    )
    assert loaded(outer) == outer


def test_a_step_under_another_key_is_refused() -> None:
    still = Step(id="still", uses="generate", with_=GenerateWith(model="z-image", prompt="x"))
    with pytest.raises(ValidationError, match="the step 'still' is under the key 'other'"):
        Workflow(version=1, name="a", steps={"other": still})


# What YAML can carry, without what our reader takes for a mistake: `${{`, `{{ inputs.` and `<<`.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="{<")
TEXTS = st.text(CHARACTERS, max_size=12) | st.sampled_from(
    ["\xa0", "a\u2003", "no", "9:16", "0o17", "0x1F", "1e5", "1_000", "null", "~", "", " a ", "- a", "a: b", "a #b",
     "true", ".inf", "2026-11-25", "=", "१२", "'", '"', "\\", "a\nb", "a\n", "\t", "[", "99999999999999999999999"]
)  # fmt: skip
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(TEXTS, JSON, st.none() | NUMBERS)
def test_any_text_and_number_is_the_same_after_it_was_written(
    text: str, value: Any, number: float | None
) -> None:
    still = GenerateWith(model="z-image", prompt=f"x{text}")
    told = NotifyWith(url="https://a.example/b", body=value)
    workflow = Workflow(
        version=1,
        name="no",
        title=text,
        description=text,
        inputs={
            "word": Input(type="text", default=text, description=text),
            "on": Input(type="number", default=number, required=False),
            "pick": Input(type="enum", values=("no", 1, True, "1.0"), default="no"),
        },
        steps={
            "still": Step(id="still", uses="generate", title=text, if_=True, with_=still),
            "told": Step(id="told", uses="notify", needs=("still",), with_=told),
        },
        deploy=(
            Deploy(name="1", tags=("no",), schedules=(Schedule(cron="0 9 * * 1"),)),
            Deploy(name="b c", schedules=(Schedule(interval=60, active=False),)),
        ),
    )
    assert loaded(workflow) == workflow


@pytest.mark.parametrize(
    "path", [None, *specs_at(ROOT / "specs")], ids=lambda path: path.stem if path else "every key"
)
def test_a_spec_is_the_same_after_it_was_written(path: Path | None) -> None:
    folder = path.parent if path else None
    text = path.read_text("utf-8") if path else EVERY_KEY
    workflow = load(text, file="a.yaml", catalogue=shipped(), folder=folder)
    # The rows of a table are in what is written, which names its file no more.
    texts = {path: text for path, text in workflow.texts.items() if not path.endswith(".csv")}
    assert loaded(workflow) == workflow.model_copy(update={"texts": texts})
