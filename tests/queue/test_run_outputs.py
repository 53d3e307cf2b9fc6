"""Outputs of a run: an output that cannot be evaluated fails it, and one that is null does not."""

from __future__ import annotations

import pytest

from rivya_flows.queue.scope import outputs_of
from rivya_flows.queue.state import State
from support.naive_service import NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: shown
inputs:
  photo: {{type: string, required: false}}
steps:
  idea:
    uses: chat
    with: {{model: gpt-5-2-chat, message: one word}}
  stills:
    uses: generate
    foreach: [a, b]
    with: {{model: z-image, prompt: "${{{{ item }}}} ${{{{ steps.idea.text }}}}"}}
  own:
    uses: generate
    if: ${{{{ steps.idea.text == 'never' }}}}
    with: {{model: z-image, prompt: never}}
  owns:
    uses: generate
    foreach: ["${{{{ steps.own.asset }}}}"]
    with: {{model: nano-banana, prompt: "again", references: ["${{{{ item }}}}"]}}
{more}
outputs:
  shown: "${{{{ {shown} }}}}"
"""
WRONG = "steps.stills.by[steps.idea.text].asset"


def played(shown: str, more: str = "", **service: float) -> State:
    run = Rehearsal(
        frozen(SPEC.format(shown=shown, more=more)),
        NaiveService(3, failing=service.get("failing", 0)),
    )
    run.take_up()
    run.run()
    return run.state


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (WRONG, "steps.stills.by has no "),
        ("steps.stills.items[steps.idea.text | length].asset", "steps.stills.items has 2 items"),
    ],
)
def test_an_output_that_cannot_be_evaluated_fails_the_run(shown: str, why: str) -> None:
    state = played(shown)
    assert state.ended == "failed"
    assert outputs_of(state).values == {"shown": None}
    assert outputs_of(state).failed["shown"].startswith(why)
    assert state.spent > 0


@pytest.mark.parametrize(
    "shown",
    [
        "inputs.photo",
        "steps.own.asset",
        "steps.own.asset or none",
        "steps.owns.by[steps.idea.text].asset",
        "steps.stills.by[steps.idea.text].asset | default(none)",
        "steps.stills.by[steps.idea.text].asset if steps.idea.text == '' else none",
    ],
)
def test_an_output_that_may_be_missing_is_null(shown: str) -> None:
    state = played(shown)
    assert state.ended == "completed"
    assert outputs_of(state).values == {"shown": None}
    assert outputs_of(state).failed == {}


def test_an_output_of_a_failed_step_is_no_failure_beside_it() -> None:
    state = played(WRONG, failing=1.0)
    assert state.ended == "failed"
    assert outputs_of(state).failed == {}


def test_on_failure_runs_for_an_output_and_finally_sees_the_end() -> None:
    more = """
on_failure:
  sorry:
    uses: generate
    with: {model: z-image, prompt: sorry}
finally:
  card:
    uses: generate
    with: {model: z-image, prompt: the end}
"""
    for shown, status in ((WRONG, "completed"), ("steps.stills.assets", "skipped")):
        state = played(shown, more)
        assert state.steps["sorry"].tally.phases[state.item("sorry", "").phase] == 1
        assert state.item("sorry", "").phase == status
        assert state.item("card", "").phase == "completed"
