"""Forks on the real engine: finished work of the forked run is taken, the rest is bought."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_flows.engine.run import Asker
from rivya_flows.preparation.prepare import Prepared
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import check_answer
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer, items_of, stills

pytestmark = pytest.mark.slow

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
def launched(served: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A studio with a finished campaign, `run-1`, whose second still was picked."""
    studio = customer(served, tmp_path_factory.mktemp("launched"))
    studio.prepared(CAMPAIGN, labels={"client": "acme"})
    studio.executed(ask=second)
    return studio


async def second(question: Question) -> Answer | None:
    """Picks the second candidate."""
    return check_answer(question, Answer((question.choices[1],), name="ana"))


async def other_round(question: Question) -> Answer | None:
    """Rejects the first candidates, then picks the second one."""
    return (
        check_answer(question, Answer((), "warmer"))
        if not question.round
        else await second(question)
    )


async def nobody(question: Question) -> Answer | None:
    raise AssertionError(f"asked: {question}")


def forked(
    studio: Studio, of: str, run_id: str, *, ask: Asker = nobody, **changes: Any
) -> Prepared:
    """Forks a run and executes the fork to its end; nobody is asked in it unless somebody is named."""
    prepared = asyncio.run(studio.fork(of, run_id, **changes))
    assert studio.executed(run_id, ask=ask)["status"] == "completed"
    return prepared


def asking(studio: Studio, of: str, run_id: str, **changes: Any) -> dict[str, Any]:
    """The receipt of a fork that waits for an answer."""
    asyncio.run(studio.fork(of, run_id, **changes))
    receipt = studio.executed(run_id)
    assert receipt["status"] == "suspended"
    return receipt


def paid(receipt: dict[str, Any]) -> dict[str, int]:
    """Credits of the steps that cost any."""
    return {step["id"]: step["credits"] for step in receipt["steps"] if step["credits"]}


def test_another_voice_pays_for_the_narration_alone(launched: Studio) -> None:
    first, before = launched.receipt(), launched.balance
    prepared = forked(launched, "run-1", "run-voice", inputs=OTHER_VOICE)
    fork = launched.receipt("run-voice")

    price = paid(first)["voice"]
    assert paid(fork) == {"voice": price}
    assert before - launched.balance == price
    assert prepared.estimate.min == price
    saved = first["credits"]["spent"] - price - paid(first)["hero"]
    assert prepared.estimate.saved == fork["credits"]["saved"] == saved
    assert fork["fork"] == {"run_id": "run-1", "step": None}
    assert first["fork"] is None
    [hero], [was] = items_of(fork, "hero"), items_of(first, "hero")
    assert hero["choice"]["picked"] == was["choice"]["picked"]
    assert hero["choice"]["by"]["channel"] == "fork"
    for step in ("brief", "stills", "film"):
        assert {one["taken_from"] for one in items_of(fork, step)} == {"run-1"}
        made = [[one["assets"] for one in items_of(run, step)] for run in (fork, first)]
        assert made[0] == made[1]
    assert (
        items_of(fork, "voice")[0]["taken_from"] is items_of(fork, "spot")[0]["taken_from"] is None
    )
    assert prepared.frozen.labels == {"client": "acme", **OTHER_VOICE}

    assert forked(launched, "run-voice", "run-same").estimate.max == 0
    third = launched.receipt("run-same")
    assert paid(third) == {}
    assert third["credits"]["saved"] == saved + price, "also what the forked run has taken itself"
    launched.audit("run-1", "run-voice", "run-same")


def test_what_is_made_again_or_asked_otherwise_is_not_taken(launched: Studio) -> None:
    first = paid(launched.receipt())
    forked(launched, "run-1", "run-film", step="film")
    assert paid(launched.receipt("run-film")) == {"film": first["film"]}
    again = asking(launched, "run-1", "run-hero", step="hero")
    assert paid(again) == {"hero": first["hero"]}
    forked(launched, "run-hero", "run-after", ask=second)
    after = paid(launched.receipt("run-after"))
    assert after.keys() == {"hero", "film"}, "nor by a fork of the fork that stopped"
    asking(launched, "run-1", "run-question", inputs={"question": "Which one sells?"})


def test_a_fork_of_a_fork_that_stopped_takes_what_the_first_run_has(launched: Studio) -> None:
    asking(launched, "run-1", "run-stopped", inputs={"question": "Which one is brighter?"})
    forked(launched, "run-stopped", "run-asks", ask=second)
    asked = launched.receipt("run-asks")
    assert paid(asked).keys() <= {"hero"}
    assert items_of(asked, "film")[0]["taken_from"] == "run-1"

    before, same = launched.balance, {"question": "Which one?"}
    assert forked(launched, "run-stopped", "run-as-first", inputs=same).estimate.max == 0
    decided = items_of(launched.receipt("run-as-first"), "hero")[0]["choice"]
    assert decided["picked"] == items_of(launched.receipt(), "hero")[0]["choice"]["picked"]
    assert launched.balance == before


def test_rounds_are_taken_with_their_notes(studio: Studio) -> None:
    studio.prepared(CAMPAIGN)
    first = studio.executed(ask=other_round)
    forked(studio, "run-1", "run-2", inputs=OTHER_VOICE)
    fork = studio.receipt("run-2")
    assert paid(fork) == {"voice": paid(first)["voice"]}
    assert items_of(fork, "hero")[0]["choice"]["notes"] == ["warmer"]
    assert items_of(fork, "hero")[0]["assets"] == items_of(first, "hero")[0]["assets"]
    studio.audit("run-1", "run-2")


def test_a_lost_medium_is_bought_again(studio: Studio) -> None:
    [lost] = items_of(studio.started(stills(2)), "stills")[0]["assets"]
    with studio.context(Bomb()) as context:
        context.assets.remove(lost["sha256"])
    assert forked(studio, "run-1", "run-2").estimate.max == 1
    assert [one["credits"] for one in items_of(studio.receipt("run-2"), "stills")] == [1, 0]


def test_what_a_fallback_finished_is_taken_unless_the_fallback_reads_otherwise(
    studio: Studio,
) -> None:
    studio.order("on: generation, do: fail, times: 1")
    studio.started("""
version: 1
name: two
inputs: {words: {type: string, default: at noon}}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: lamp}
    fallback: [{model: seedream-5-lite, prompt: "lamp ${{ inputs.words }}"}]
""")
    studio.order()
    forked(studio, "run-1", "run-2")
    forked(studio, "run-2", "run-3")
    for run_id in ("run-2", "run-3"):
        [still] = items_of(studio.receipt(run_id), "still")
        assert (still["credits"], still["model"], still["alternative"]) == (0, "seedream-5-lite", 1)
    forked(studio, "run-1", "run-4", inputs={"words": "at night"})
    [still] = items_of(studio.receipt("run-4"), "still")
    assert (still["taken_from"], still["model"], still["credits"]) == (None, "z-image", 1)


def test_a_file_of_the_run_is_taken_from_the_store(studio: Studio, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "teal").save(photo)
    text = """
version: 1
name: photo
inputs: {photo: {type: file, kind: image}, words: {type: string, default: as it is}}
steps:
  still:
    uses: generate
    with: {model: nano-banana, prompt: "${{ inputs.words }}", references: ["${{ inputs.photo }}"]}
"""
    studio.started(text, inputs={"photo": str(photo)})
    photo.unlink()
    forked(studio, "run-1", "run-2")
    forked(studio, "run-1", "run-3", inputs={"words": "at night"})
    assert paid(studio.receipt("run-2")) == {}
    assert paid(studio.receipt("run-3")) == {"still": 3}


def test_a_stopped_fork_takes_the_rest_when_it_is_resumed(studio: Studio) -> None:
    text = stills(3, top="inputs: {last: {type: string, default: a}}")
    studio.started(text.replace("[0, 1, 2]", '[lamp, cup, "${{ inputs.last }}"]'))
    asyncio.run(studio.fork("run-1", "run-2", inputs={"last": "b"}))
    assert asyncio.run(studio.ends("run-2", bomb=Bomb(write=5))) is None
    assert [one["credits"] for one in items_of(studio.executed("run-2"), "stills")] == [0, 0, 1]
    assert studio.audit("run-1", "run-2") == 4
