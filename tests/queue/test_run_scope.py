"""What a run tells of its steps, also of those that failed, and as its outputs."""

from __future__ import annotations

import json

import pytest

from rivya_flows.queue.actions import Buy
from rivya_flows.queue.scope import fields_of, outputs_of
from support.naive_service import NaiveService, Rehearsal, played

FAN_OUTS = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon], ratio: ["9:16", "1:1"], status: [old]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  covers:
    uses: generate
    zip: {word: [sale, new], asset: [1, 2]}
    with: {model: z-image, prompt: "${{ zip.word }}"}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}"}}
  film: {uses: generate, with: {model: z-image, prompt: "push, ${{ steps.hero.item.ratio }}"}}
"""
BACKUP = """
version: 1
name: launch
steps:
  film: {uses: generate, with: {model: veo3-1-lite, prompt: push}}
  cut:
    uses: generate
    with: {model: z-image, prompt: "${{ steps.film.status }} ${{ steps.film.credits }}"}
  backup:
    uses: generate
    if: ${{ steps.film.status == 'failed' }}
    with: {model: z-image, prompt: a lamp}
  patient:
    uses: generate
    needs: [film]
    if: ${{ steps['film'].status != 'completed' }}
    with: {model: z-image, prompt: another lamp}
  standin:
    uses: include
    if: ${{ steps.film.status == 'failed' }}
    with: {spec: standin.yaml, inputs: {why: "${{ steps.film.status }}"}}
  intro: {uses: include, with: {spec: intro.yaml}}
  after:
    uses: generate
    if: ${{ steps.intro.status == 'failed' }}
    with: {model: z-image, prompt: a lamp}
outputs:
  film: ${{ steps.film.asset | default(steps.backup.asset) }}
"""
INCLUDES = {
    "standin.yaml": """
version: 1
name: standin
inputs: {why: {type: string}}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "${{ inputs.why }}"}}
""",
    "intro.yaml": """
version: 1
name: intro
steps:
  shot: {uses: generate, with: {model: veo3-1-lite, prompt: push}}
""",
}


class NoFilms(NaiveService):
    """Refuses all films."""

    def take(self, buy: Buy) -> int | None:
        return None if "veo" in json.loads(buy.purchase.body)["model"] else super().take(buy)


def statuses(run: Rehearsal) -> dict[str, str]:
    return {name: fields_of(run.state, name)["status"] for name in run.state.plan.order}


def test_items_have_the_values_of_their_axes_but_for_names_of_output_fields() -> None:
    run = played(FAN_OUTS)
    stills, covers = (
        fields_of(run.state, "stills")["items"],
        fields_of(run.state, "covers")["items"],
    )
    pairs = [("studio", "9:16"), ("studio", "1:1"), ("neon", "9:16"), ("neon", "1:1")]
    assert [(one["style"], one["ratio"]) for one in stills] == pairs
    assert [one["word"] for one in covers] == ["sale", "new"]
    assert fields_of(run.state, "hero")["item"]["ratio"] == "9:16"
    assert run.prompts("film") == ["push, 9:16"]
    assert (stills[0]["status"], covers[0]["asset"]["kind"]) == ("completed", "image")


def test_a_step_that_reads_only_the_status_of_a_failed_step_is_not_skipped_with_it() -> None:
    run = played(BACKUP, NoFilms(), includes=INCLUDES)
    assert statuses(run) == {
        "film": "failed", "cut": "skipped", "backup": "completed", "patient": "skipped",
        "standin": "completed", "standin__still": "completed",
        "intro": "failed", "intro__shot": "failed", "after": "completed",
    }  # fmt: skip
    assert run.ended == ["failed"]
    assert run.prompts("standin__still") == ["failed"]


def test_a_backup_step_is_not_bought_where_nothing_failed() -> None:
    run = played(BACKUP, includes=INCLUDES)
    skipped = {name for name, status in statuses(run).items() if status == "skipped"}
    assert skipped == {"backup", "patient", "standin", "standin__still", "after"}
    assert set(run.phases("backup")) == {"skipped"}


def test_the_credits_of_an_include_are_those_of_its_own_steps() -> None:
    text = """
version: 1
name: whole
steps:
  a: {uses: include, with: {spec: standin.yaml, inputs: {why: a lamp}}}
  a__b: {uses: include, with: {spec: standin.yaml, inputs: {why: a lamp}}}
"""
    run = played(text, includes=INCLUDES)
    assert [fields_of(run.state, name)["credits"] for name in ("a", "a__b")] == [1, 1]


OUTPUT = """
version: 1
name: shown
inputs: {photo: {type: string, required: false}}
steps:
  idea: {uses: chat, with: {model: gpt-5-2-chat, message: one word}}
  stills:
    uses: generate
    foreach: [a, b]
    with: {model: z-image, prompt: "${{ item }} ${{ steps.idea.text }}"}
  own:
    uses: generate
    if: ${{ steps.idea.text == 'never' }}
    with: {model: z-image, prompt: never}
  owns:
    uses: generate
    foreach: ["${{ steps.own.asset }}"]
    with: {model: nano-banana, prompt: "again", references: ["${{ item }}"]}
on_failure:
  sorry: {uses: generate, with: {model: z-image, prompt: sorry}}
finally:
  card: {uses: generate, with: {model: z-image, prompt: the end}}
outputs:
  shown: "${{ SHOWN }}"
"""
WRONG = "steps.stills.by[steps.idea.text].asset"


def showing(shown: str, failing: float = 0) -> Rehearsal:
    return played(OUTPUT.replace("SHOWN", shown), NaiveService(3, failing=failing))


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (WRONG, "steps.stills.by has no "),
        ("steps.stills.items[steps.idea.text | length].asset", "steps.stills.items has 2 items"),
    ],
)
def test_an_output_that_cannot_be_evaluated_fails_the_run_before_its_end(
    shown: str, why: str
) -> None:
    run = showing(shown)
    assert run.state.ended == "failed"
    assert outputs_of(run.state).values == {"shown": None}
    assert outputs_of(run.state).failed["shown"].startswith(why)
    assert run.phases("sorry") == run.phases("card") == ["completed"]


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
    run = showing(shown)
    assert run.state.ended == "completed"
    assert outputs_of(run.state).values == {"shown": None}
    assert outputs_of(run.state).failed == {}
    assert (run.phases("sorry"), run.phases("card")) == (["skipped"], ["completed"])


def test_an_output_of_a_failed_step_is_no_failure_beside_it() -> None:
    state = showing(WRONG, failing=1.0).state
    assert (state.ended, outputs_of(state).failed) == ("failed", {})
