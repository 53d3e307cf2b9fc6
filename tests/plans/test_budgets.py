"""Budgets whose credits follow the inputs of a run."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import UsageError
from rivya_flows.language.workflow import Workflow
from rivya_flows.plans.budgets import deployed_cap, run_budget, run_cap
from rivya_flows.spec.load import load

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
