"""What a run tells of its steps: also of those that failed, and of where an item comes from."""

from __future__ import annotations

import json

from rivya_flows.queue.actions import Buy
from rivya_flows.queue.items import Phase
from rivya_flows.queue.scope import fields_of
from support.naive_service import NaiveService, Rehearsal, frozen

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
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}"}
  film:
    uses: generate
    with: {model: z-image, prompt: "push, ${{ steps.hero.item.ratio }}"}
"""
BACKUP = """
version: 1
name: launch
steps:
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: push}
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
outputs:
  film: ${{ steps.film.asset | default(steps.backup.asset) }}
"""


class NoFilms(NaiveService):
    """Refuses all films."""

    def take(self, buy: Buy) -> int | None:
        return None if "veo" in json.loads(buy.bought.body)["model"] else super().take(buy)


def run_of(text: str, service: NaiveService, includes: dict[str, str] | None = None) -> Rehearsal:
    run = Rehearsal(frozen(text, includes=includes), service)
    run.take_up()
    run.run()
    return run


def statuses(run: Rehearsal) -> dict[str, str]:
    return {name: fields_of(run.state, name)["status"] for name in run.state.plan.order}


def test_items_have_the_values_of_their_axes() -> None:
    run = run_of(FAN_OUTS, NaiveService())
    stills, covers = fields_of(run.state, "stills"), fields_of(run.state, "covers")
    assert [(one["style"], one["ratio"]) for one in stills["items"]] == [
        ("studio", "9:16"),
        ("studio", "1:1"),
        ("neon", "9:16"),
        ("neon", "1:1"),
    ]
    assert [one["word"] for one in covers["items"]] == ["sale", "new"]
    assert fields_of(run.state, "hero")["item"]["ratio"] == "9:16"
    request = run.state.item("film", "").request
    assert request is not None
    assert request.arguments["prompt"] == "push, 9:16"


def test_output_fields_win_over_axes_of_the_same_name() -> None:
    run = run_of(FAN_OUTS, NaiveService())
    assert fields_of(run.state, "stills")["items"][0]["status"] == "completed"
    assert fields_of(run.state, "covers")["items"][0]["asset"]["kind"] == "image"


def test_a_step_that_reads_only_the_status_of_a_failed_step_is_not_skipped_with_it() -> None:
    run = run_of(BACKUP, NoFilms())
    assert statuses(run) == {
        "film": "failed",
        "cut": "skipped",
        "backup": "completed",
        "patient": "skipped",
    }
    assert run.ended == ["failed"]


def test_a_backup_step_is_not_bought_where_nothing_failed() -> None:
    run = run_of(BACKUP, NaiveService())
    assert statuses(run) == dict.fromkeys(("film", "cut"), "completed") | dict.fromkeys(
        ("backup", "patient"), "skipped"
    )
    assert run.state.item("backup", "").phase is Phase.SKIPPED


def test_the_status_of_an_include_is_read_as_any_other() -> None:
    inner = "version: 1\nname: intro\nsteps:\n  shot:\n    uses: generate\n"
    inner += "    with: {model: veo3-1-lite, prompt: push}\n"
    outer = """
version: 1
name: launch
steps:
  intro:
    uses: include
    with: {spec: intro.yaml}
  still:
    uses: generate
    if: ${{ steps.intro.status == 'failed' }}
    with: {model: z-image, prompt: a lamp}
"""
    run = run_of(outer, NoFilms(), includes={"intro.yaml": inner})
    assert statuses(run) == {"intro__shot": "failed", "intro": "failed", "still": "completed"}


def test_an_include_may_be_the_backup_and_take_the_status_as_an_input() -> None:
    inner = """
version: 1
name: standin
inputs: {why: {type: string}}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.why }}"}
"""
    outer = """
version: 1
name: launch
steps:
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: push}
  standin:
    uses: include
    if: ${{ steps.film.status == 'failed' }}
    with: {spec: standin.yaml, inputs: {why: "${{ steps.film.status }}"}}
"""
    run = run_of(outer, NoFilms(), includes={"standin.yaml": inner})
    assert statuses(run)["standin"] == "completed"
    run = run_of(outer, NaiveService(), includes={"standin.yaml": inner})
    assert statuses(run)["standin"] == "skipped"


def test_the_credits_of_an_include_are_those_of_its_own_steps() -> None:
    part = "version: 1\nname: part\nsteps:\n  still: {uses: generate, with: {model: z-image, prompt: a lamp}}\n"
    text = """
version: 1
name: whole
steps:
  a: {uses: include, with: {spec: part.yaml}}
  a__b: {uses: include, with: {spec: part.yaml}}
"""
    run = run_of(text, NaiveService(), {"part.yaml": part})
    assert [fields_of(run.state, name)["credits"] for name in ("a", "a__b")] == [1, 1]
