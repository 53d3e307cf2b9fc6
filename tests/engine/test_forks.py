"""Forks on the real engine: finished work of the forked run is taken, the rest is bought."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.preparation.prepare import Prepared
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import checked
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, accounts_agree, customer, order, stills

CAMPAIGN = """
version: 1
name: launch
labels: {voice: "${{ inputs.voice }}"}
inputs:
  product: {type: string, default: Aurora desk lamp}
  voice: {type: string, default: TX3LPaxmHKxFdv7VOQHJ}
  mode: {type: enum, values: [human, judge], default: human}
  question: {type: string, default: Which one?}
steps:
  brief:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: "Write a shot and a narration for ${{ inputs.product }}"
      expect: {visual: string, narration: string}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ steps.brief.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: ${{ inputs.mode }}
      question: ${{ inputs.question }}
      judge: {model: gemini-2-5-flash-chat, criteria: [the lamp is whole]}
      none: {rounds: 1}
  film:
    uses: generate
    with:
      model: nano-banana
      prompt: Slow push-in
      references: ["${{ steps.hero.asset }}"]
  voice:
    uses: generate
    with:
      model: elevenlabs-turbo-2-5
      prompt: ${{ steps.brief.json.narration }}
      params: {voice: "${{ inputs.voice }}"}
  spot:
    uses: layout
    needs: [voice]
    with: {image: "${{ steps.film.asset }}", formats: ["1:1"]}
outputs:
  spot: ${{ steps.spot.asset }}
"""
OTHER_VOICE = {"voice": "cgSgspJ2msm6clMCkdW9"}


@pytest.fixture(scope="module")
def launched(_served: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A studio with a finished campaign, `run-1`, whose second still was picked."""
    studio = customer(_served, tmp_path_factory.mktemp("launched"))

    async def launch() -> None:
        await studio.start(CAMPAIGN, "run-1", labels={"client": "acme"})
        await studio.execute("run-1", ask=second)

    asyncio.run(launch())
    return studio


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(shared_sandbox, tmp_path)


async def second(question: Question) -> Answer | None:
    """Picks the second candidate."""
    return checked(question, Answer((question.choices[1],), name="ana"))


async def other_round(question: Question) -> Answer | None:
    """Rejects the first candidates, then picks the second one."""
    return checked(question, Answer((), "warmer")) if not question.round else await second(question)


async def nobody(question: Question) -> Answer | None:
    raise AssertionError(f"asked: {question}")


def wallet(studio: Studio, sandbox: Sandbox) -> int:
    return int(ledger(sandbox.data, account=studio.account)["balance"])


async def forked(studio: Studio, of: str, run_id: str, **changes: Any) -> Prepared:
    """Forks a run and executes the fork, in which nobody is asked."""
    prepared = await studio.fork(of, run_id, **changes)
    await studio.execute(run_id, ask=nobody)
    assert studio.receipt(run_id)["status"] == "completed"
    return prepared


def paid(receipt: dict[str, Any]) -> dict[str, int]:
    """Credits of the steps that cost any."""
    return {step["id"]: step["credits"] for step in receipt["steps"] if step["credits"]}


def items(receipt: dict[str, Any], step_id: str) -> list[dict[str, Any]]:
    [step] = [one for one in receipt["steps"] if one["id"] == step_id]
    return list(step["items"])


async def test_another_voice_pays_for_the_narration_alone(
    launched: Studio, shared_sandbox: Sandbox
) -> None:
    first, before = launched.receipt("run-1"), wallet(launched, shared_sandbox)
    prepared = await forked(launched, "run-1", "run-voice", inputs=OTHER_VOICE)
    fork = launched.receipt("run-voice")

    price = paid(first)["voice"]
    assert paid(fork) == {"voice": price}
    assert before - wallet(launched, shared_sandbox) == price
    assert prepared.estimate.min == price
    saved = first["credits"]["spent"] - price - paid(first)["hero"]
    assert prepared.estimate.saved == fork["credits"]["saved"] == saved
    assert fork["fork"] == {"run_id": "run-1", "step": None}
    assert first["fork"] is None
    [hero], [was] = items(fork, "hero"), items(first, "hero")
    assert hero["choice"]["picked"] == was["choice"]["picked"]
    assert hero["choice"]["by"]["channel"] == "fork"
    for step in ("brief", "stills", "film"):
        assert {one["taken_from"] for one in items(fork, step)} == {"run-1"}
        made = [[one["assets"] for one in items(run, step)] for run in (fork, first)]
        assert made[0] == made[1]
    assert items(fork, "voice")[0]["taken_from"] is items(fork, "spot")[0]["taken_from"] is None
    assert prepared.frozen.labels == {"client": "acme", **OTHER_VOICE}

    again = await forked(launched, "run-voice", "run-same")
    assert again.estimate.max == 0
    third = launched.receipt("run-same")
    assert paid(third) == {}
    assert third["credits"]["saved"] == saved + price, "also what the forked run has taken itself"
    accounts_agree(launched, shared_sandbox.data, "run-1", "run-voice", "run-same")


async def test_from_a_step_on_everything_is_made_again(launched: Studio) -> None:
    first = paid(launched.receipt("run-1"))
    await forked(launched, "run-1", "run-film", step="film")
    assert paid(launched.receipt("run-film")) == {"film": first["film"]}
    await launched.fork("run-1", "run-hero", step="hero")
    await launched.execute("run-hero")
    fork = launched.receipt("run-hero")
    assert paid(fork) == {"hero": first["hero"]}
    assert fork["status"] == "suspended", "it asks again"


async def test_another_question_about_the_same_candidates_is_asked(launched: Studio) -> None:
    await launched.fork("run-1", "run-question", inputs={"question": "Which one sells?"})
    await launched.execute("run-question")
    assert launched.receipt("run-question")["status"] == "suspended"


async def test_a_fork_of_a_fork_that_stopped_takes_what_the_first_run_has(
    launched: Studio, shared_sandbox: Sandbox
) -> None:
    other = {"question": "Which one is brighter?"}
    await launched.fork("run-1", "run-stopped", inputs=other)
    await launched.execute("run-stopped")
    await launched.fork("run-stopped", "run-asks")
    await launched.execute("run-asks", ask=second)
    asked = launched.receipt("run-asks")
    assert (paid(asked).keys() - {"hero"}, asked["status"]) == (set(), "completed")
    assert items(asked, "film")[0]["taken_from"] == "run-1"

    before = wallet(launched, shared_sandbox)
    same = {"question": "Which one?"}
    prepared = await forked(launched, "run-stopped", "run-as-first", inputs=same)
    assert prepared.estimate.max == 0
    decided = items(launched.receipt("run-as-first"), "hero")[0]["choice"]
    assert decided["picked"] == items(launched.receipt("run-1"), "hero")[0]["choice"]["picked"]
    assert wallet(launched, shared_sandbox) == before


async def test_what_a_stopped_fork_was_to_make_again_is_not_taken_from_before_it(
    launched: Studio,
) -> None:
    await launched.fork("run-1", "run-again", step="hero")
    await launched.execute("run-again")
    await launched.fork("run-again", "run-after")
    await launched.execute("run-after", ask=second)
    assert paid(launched.receipt("run-after")).keys() == {"hero", "film"}


async def test_the_choice_of_a_judge_is_taken(studio: Studio) -> None:
    await studio.start(CAMPAIGN, "run-1", inputs={"mode": "judge"})
    await studio.execute("run-1")
    await forked(studio, "run-1", "run-2", inputs=OTHER_VOICE)
    assert paid(studio.receipt("run-2")).keys() == {"voice"}


async def test_rounds_are_taken_with_their_notes(studio: Studio, shared_sandbox: Sandbox) -> None:
    await studio.start(CAMPAIGN, "run-1")
    await studio.execute("run-1", ask=other_round)
    first = studio.receipt("run-1")
    await forked(studio, "run-1", "run-2", inputs=OTHER_VOICE)
    fork = studio.receipt("run-2")
    assert paid(fork) == {"voice": paid(first)["voice"]}
    assert items(fork, "hero")[0]["choice"]["notes"] == ["warmer"]
    assert items(fork, "hero")[0]["assets"] == items(first, "hero")[0]["assets"]
    accounts_agree(studio, shared_sandbox.data, "run-1", "run-2")


async def test_a_suspended_run_gives_what_it_has_finished(studio: Studio) -> None:
    await studio.start(CAMPAIGN, "run-1")
    await studio.execute("run-1")
    await studio.fork("run-1", "run-2")
    await studio.execute("run-2", ask=second)
    first, fork = studio.receipt("run-1"), studio.receipt("run-2")
    assert first["status"] == "suspended"
    assert fork["status"] == "completed"
    assert paid(fork).keys() == {"hero", "film"}


async def test_a_lost_medium_is_bought_again(studio: Studio) -> None:
    text = stills(2)
    await studio.start(text, "run-1")
    await studio.execute("run-1")
    [lost] = items(studio.receipt("run-1"), "stills")[0]["assets"]
    with studio.context(Bomb()) as context:
        context.assets.remove(lost["sha256"])
    prepared = await forked(studio, "run-1", "run-2")
    assert prepared.estimate.max == 1
    assert [one["credits"] for one in items(studio.receipt("run-2"), "stills")] == [1, 0]


async def test_what_a_fallback_finished_is_taken_for_the_request_as_written(
    studio: Studio, shared_sandbox: Sandbox
) -> None:
    text = stills(1, step="fallback: [{model: seedream-5-lite}]")
    order(shared_sandbox, "on: generation, do: fail, times: 1")
    try:
        await studio.start(text, "run-1")
        await studio.execute("run-1")
    finally:
        order(shared_sandbox)
    await forked(studio, "run-1", "run-2")
    await forked(studio, "run-2", "run-3")
    for run_id in ("run-2", "run-3"):
        [still] = items(studio.receipt(run_id), "stills")
        assert (still["credits"], still["model"], still["alternative"]) == (0, "seedream-5-lite", 1)


async def test_what_a_fallback_finished_is_not_taken_where_the_fallback_reads_otherwise(
    studio: Studio, shared_sandbox: Sandbox
) -> None:
    text = """
version: 1
name: two
inputs: {words: {type: string, default: at noon}}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: lamp}
    fallback: [{model: seedream-5-lite, prompt: "lamp ${{ inputs.words }}"}]
"""
    order(shared_sandbox, "on: generation, do: fail, times: 1")
    try:
        await studio.start(text, "run-1")
        await studio.execute("run-1")
    finally:
        order(shared_sandbox)
    await forked(studio, "run-1", "run-2", inputs={"words": "at night"})
    [still] = items(studio.receipt("run-2"), "still")
    assert (still["taken_from"], still["model"], still["credits"]) == (None, "z-image", 1)


async def test_a_file_of_the_run_is_taken_from_the_store(studio: Studio, tmp_path: Path) -> None:
    await studio.start(stills(1), "run-0")
    await studio.execute("run-0")
    [made] = items(studio.receipt("run-0"), "stills")[0]["assets"]
    photo = tmp_path / "photo.png"
    with studio.context(Bomb()) as context:
        photo.write_bytes(context.assets.local_path(made["sha256"]).read_bytes())
    text = """
version: 1
name: photo
inputs: {photo: {type: file, kind: image}, words: {type: string, default: as it is}}
steps:
  still:
    uses: generate
    with: {model: nano-banana, prompt: "${{ inputs.words }}", references: ["${{ inputs.photo }}"]}
"""
    await studio.start(text, "run-1", inputs={"photo": str(photo)})
    await studio.execute("run-1")
    photo.unlink()
    await forked(studio, "run-1", "run-2")
    await forked(studio, "run-1", "run-3", inputs={"words": "at night"})
    assert paid(studio.receipt("run-2")) == {}
    assert paid(studio.receipt("run-3")) == {"still": 3}


async def test_a_stopped_fork_takes_the_rest_when_it_is_resumed(
    studio: Studio, shared_sandbox: Sandbox
) -> None:
    text = "inputs: {last: {type: string, default: a}}"
    text = stills(3, top=text).replace("[0, 1, 2]", '[lamp, cup, "${{ inputs.last }}"]')
    await studio.start(text, "run-1")
    await studio.execute("run-1")
    await studio.fork("run-1", "run-2", inputs={"last": "b"})
    assert await studio.execute("run-2", bomb=Bomb(write=5)) is None
    await studio.execute("run-2")
    assert [one["credits"] for one in items(studio.receipt("run-2"), "stills")] == [0, 0, 1]
    assert accounts_agree(studio, shared_sandbox.data, "run-1", "run-2") == 4
