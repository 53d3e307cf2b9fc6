"""docs/reference/spec.md follows the models of the language. Its examples, and those of the comparison with other tools, run."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.expressions.resolve import evaluate
from rivya_flows.language.field_types import InputType
from rivya_flows.language.workflow import Step
from rivya_flows.questions.question import Answer, Question
from rivya_flows.spec.load import check
from rivya_flows.steps.registry import BUILT_IN
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal
from support.engine_runs import Studio, studio_at
from support.wrong_specs import HEAD, STILL

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference" / "spec.md").read_text("utf-8")
COMPARED = (DOCS / "concepts" / "compared.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FILES = dict(re.findall(r"```yaml (\S+)\n(.*?)```", PAGE, re.DOTALL))
WHOLE = re.findall(r"```yaml\n(version:.*?)```", PAGE, re.DOTALL)
COMPARED_WHOLE = re.findall(r"```yaml\n(version:.*?)```", COMPARED, re.DOTALL)
PARTS = {match[1]: block for block in BLOCKS if (match := re.match(r"\w+:\n  (\w+):\n", block))}
LOGO = """\
version: 1
name: logo
inputs:
  word: {type: string}
  photo: {type: file, kind: image}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "a logo for ${{ inputs.word }}"}}
outputs: {picture: "${{ steps.still.asset }}"}
"""


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


def test_an_example_of_an_expression_gives_what_the_page_says() -> None:
    examples = re.findall(r"^(\$\{\{ .+? \}\})  +(.+)$", PAGE, re.MULTILINE)
    assert len(examples) == 15
    for written, given in examples:
        value = evaluate(written, {})
        assert (value if isinstance(value, str) else json.dumps(value)) == given


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


async def approve(question: Question) -> Answer | None:
    answered = {one.by.name for one in question.responses}
    return Answer(("approve",), "", next(one for one in question.reviewers if one not in answered))


@pytest.mark.parametrize(
    ("page", "text"),
    [(PAGE, text) for text in WHOLE] + [(COMPARED, text) for text in COMPARED_WHOLE],
    ids=[text.split("\n")[1].removeprefix("name: ") for text in WHOLE + COMPARED_WHOLE],
)
def test_whole_example_runs_to_its_end(
    page: str, text: str, studio: Studio, tmp_path: Path
) -> None:
    for name, part in re.findall(r"```yaml (\S+)\n(.*?)```", page, re.DOTALL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(part)
    state = studio.run(text, ask=approve, folder=tmp_path)
    assert state.ended == "completed"
    outputs = studio.receipt("run-1")["outputs"]
    written = text.partition("\noutputs:\n")[2].partition("\ndeploy:")[0]
    assert [*outputs] == re.findall(r"^  (\w+):", written, re.MULTILINE)
    # Where one of two steps ran, or nothing failed, an output is nothing.
    assert any(value is not None for value in outputs.values())


def test_the_example_of_a_repeated_include_passes_its_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    call = Terminal(capsys)
    assert call("check", "poster.yaml", "poster.test.yaml").code == 0
    tested = call("test", "poster.test.yaml")
    assert tested.code == 0, tested.out


def test_every_example_is_one_or_the_other() -> None:
    assert set(PARTS) == {"logo", "tell", "still"}  # the last one runs with its function
    assert len(WHOLE) + len(PARTS) == len(BLOCKS)


@pytest.mark.parametrize("name", ["logo", "tell"])
def test_part_of_a_spec_fits_into_one(name: str, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "logo.yaml").write_text(LOGO)
    rest = PARTS[name]
    steps = f"steps:\n{STILL}"
    if rest.startswith("steps:\n"):
        steps, rest = steps + rest.removeprefix("steps:\n"), ""
    text = f"{HEAD}inputs: {{product: {{type: string, default: lamp}}}}\n{steps}{rest}"
    assert check(text, file="spec.yaml", catalogue=shipped(), folder=tmp_path)[1] == ()
