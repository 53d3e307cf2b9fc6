"""Budgets whose credits follow the inputs of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import UsageError
from rivya_flows.language.workflow import Workflow
from rivya_flows.plans.budgets import deployed_cap, run_budget, run_cap
from rivya_flows.spec.load import check, load

SPEC = """
version: 1
name: ads
budget: {credits: "${{ inputs.shots * 4 }}", warn_at: "${{ inputs.share }}"}
inputs:
  shots: {type: integer, default: 3}
  share: {type: number, default: 0.5}
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
deploy:
  - DEPLOY
"""
DAILY = 'schedules: [{cron: "@daily"}]'


def spec(deploy: str = "{name: daily}", text: str = SPEC) -> Workflow:
    return load(text.replace("DEPLOY", deploy), file="ads.yaml", catalogue=shipped())


def test_a_budget_follows_the_inputs_of_its_run() -> None:
    budget = run_budget(spec(), {"shots": 5, "share": 0.25})
    assert budget is not None
    assert (budget.credits, budget.warn_at) == (20, 0.25)
    assert run_cap(spec(text=SPEC.replace("* 4", "* 2.5")), {"shots": 3, "share": 1}) == 7
    assert run_cap(spec(text=SPEC.replace("budget:", "x-budget:")), {}) is None


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"shots": -1, "share": 1}, "budget: 'credits' must be a number of credits, 0 or more, not -4"),
        ({"shots": 1, "share": 2}, "budget: 'warn_at' must be 0 to 1, not 2"),
        ({"shots": None, "share": 1}, "budget: inputs.shots is null"),
    ],
)  # fmt: skip
def test_inputs_that_give_no_budget_are_refused(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_cap(spec(), inputs)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("deploy", "of_run", "bound"),
    [
        ("{name: daily}", 20, None),  # a person writes any number of shots
        (f"{{name: daily, {DAILY}}}", 20, 12),
        (f"{{name: daily, inputs: {{shots: 9}}, {DAILY}}}", 20, 36),
        (f"{{name: daily, budget: {{credits: 7}}, {DAILY}}}", 7, 7),
        ("{name: daily, budget: {credits: 7}}", 7, 7),
        ('{name: daily, budget: {credits: "${{ inputs.shots }}"}}', 5, None),
        (f"{{name: daily, {DAILY}, triggers: [{{event: x, inputs: {{shots: 8}}}}]}}", 20, 32),
        ('{name: daily, triggers: [{event: x, inputs: {shots: "${{ event.payload.n }}"}}]}', 20, None),
        ("{name: daily, triggers: [{event: x, inputs: {shots: -8}}]}", 20, None),
        ("{name: other, budget: {credits: 7}}", 20, 7),
    ],
)  # fmt: skip
def test_a_deployment_has_its_own_budget_or_that_of_the_inputs_it_starts_with(
    deploy: str, of_run: int, bound: int | None
) -> None:
    workflow = spec(deploy)
    assert run_cap(workflow, {"shots": 5, "share": 1}, "daily") == of_run
    assert deployed_cap(workflow, workflow.deploy[0]) == bound


MARKET = """
version: 1
name: market
inputs: {cap: {type: integer, default: 3}}
steps:
  still:
    uses: generate
    budget: {credits: "${{ inputs.cap }}"}
    with: {model: z-image, prompt: a lamp}
"""
AROUND = """
version: 1
name: around
inputs: {caps: {type: list, of: integer, default: [3]}}
steps:
  each:
    uses: include
    foreach: ${{ inputs.caps }}
    with: {spec: market.yaml, inputs: {cap: "${{ item }}"}}
"""
LAUNCH = """
version: 1
name: launch
inputs: {most: {type: integer, default: 3}}
steps:
  words:
    uses: chat
    with: {model: gpt-5-2-chat, message: two, expect: {cap: integer, caps: {type: list, of: integer}}}
  market:
    uses: include
    LOOP
    with: {spec: FILE, inputs: {GIVEN}}
"""
LATER = "foreach: ${{ steps.words.json.caps }}"
WHY = "a budget of market reads the input {!r}, and this reads a step"


@pytest.mark.parametrize(
    ("file", "loop", "given", "wrong"),
    [
        ("market.yaml", "", 'cap: "${{ steps.words.json.cap }}"', "cap"),
        ("market.yaml", LATER, 'cap: "${{ item }}"', "cap"),
        ("market.yaml", LATER, 'cap: "${{ inputs.most }}"', None),
        ("market.yaml", "foreach: [4, 5]", 'cap: "${{ item }}"', None),
        ("around.yaml", "", 'caps: "${{ steps.words.json.caps }}"', "caps"),
        ("around.yaml", "", 'caps: ["${{ inputs.most }}"]', None),
    ],
)  # fmt: skip
def test_what_the_run_gives_to_a_budget_of_an_included_step_is_refused(
    tmp_path: Path, file: str, loop: str, given: str, wrong: str | None
) -> None:
    (tmp_path / "market.yaml").write_text(MARKET)
    (tmp_path / "around.yaml").write_text(AROUND)
    text = LAUNCH.replace("FILE", file).replace("GIVEN", given)
    text = text.replace("    LOOP\n", f"    {loop}\n" if loop else "")
    _, found = check(text, file="launch.yaml", catalogue=shipped(), folder=tmp_path)
    assert [(one.code, one.message) for one in found] == (
        [("out-of-scope", WHY.format(wrong))] if wrong else []
    )
