"""Reviews: approval by several people, and rounds over all steps between what is bought again and the review."""

from __future__ import annotations

import json
from typing import Any

from rivya_flows.questions.open_questions import open_questions
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import check_answer
from rivya_flows.queue.reducer import initial_state
from support.naive_service import NOON, NaiveService, Rehearsal, frozen, played

SPEC = """
version: 1
name: launch
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: a lamp}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow, references: ["${{ steps.still.asset }}"]}
  music:
    uses: generate
    with: {model: elevenlabs-turbo-2-5, prompt: rain, params: {voice: TX3LPaxmHKxFdv7VOQHJ}}
  spot:
    uses: compose
    with:
      clips: ["${{ steps.film.asset }}"]
      music: ${{ steps.music.asset }}
  sign_off:
    uses: review
    with:
      media: ${{ steps.spot.asset }}
      reviewers: [legal, brand]
      changes: {redo: [film], rounds: 2}
  post:
    uses: generate
    with: {model: z-image, prompt: "by ${{ steps.sign_off.by | join(' and ') }}"}
outputs:
  film: ${{ steps.sign_off.media }}
  notes: ${{ steps.sign_off.notes }}
"""


def asked(*changes: tuple[str, str], **service: Any) -> Rehearsal:
    """A run that waits for its first answer."""
    spec = SPEC
    for written, instead in changes:
        assert written in spec
        spec = spec.replace(written, instead)
    return played(spec, NaiveService(**service))


def open_question(run: Rehearsal) -> Question:
    [question] = open_questions(run.state)
    return question


def say(run: Rehearsal, by: str | None, answer: str, note: str = "") -> None:
    question = open_question(run)
    checked = check_answer(question, Answer((answer,), note, by, "command"))
    run.feed(checked.event(question, NOON))
    run.run()


def test_the_rounds_are_all_steps_between_what_is_bought_again_and_the_review() -> None:
    plan = initial_state(frozen(SPEC)).plan
    assert plan.order[-6:] == (
        "sign_off.film.2",
        "sign_off.spot.2",
        "sign_off.film.3",
        "sign_off.spot.3",
        "sign_off",
        "post",
    )
    assert plan.steps["sign_off.film.2"].upstream == {"still"}
    assert plan.steps["sign_off.spot.2"].upstream == {"sign_off.film.2", "music"}
    assert plan.first_round("sign_off.spot.3") == "spot"


def test_a_round_is_bought_with_the_notes_in_what_is_bought_again_alone() -> None:
    run = asked()
    assert [one.key for one in open_question(run).candidates] == ["1:1"]
    say(run, "legal", "changes", "0:04 the logo is cut")
    assert run.ended == []
    assert [one.answer for one in open_question(run).responses] == ["changes"]
    say(run, "brand", "changes", "warmer")
    assert prompts(run, "sign_off.film.2") == ["Slow, 0:04 the logo is cut; warmer"]
    second = open_question(run)
    assert (second.round, second.rounds_left, second.responses) == (1, 1, ())
    assert second.candidates[0].sha256 == "sign_off.spot.2-film"
    say(run, "legal", "approve")
    say(run, "brand", "approve", "lovely")
    assert run.ended == ["completed"]
    outputs: Any = run.state.item("sign_off", "").outputs
    assert outputs["media"]["sha256"] == "sign_off.spot.2-film"
    assert outputs["by"] == ["legal", "brand"]
    assert [(one["second"], one["text"], one["by"], one["round"]) for one in outputs["notes"]] == [
        (4.0, "the logo is cut", "legal", 1),
        (None, "warmer", "brand", 1),
        (None, "lovely", "brand", 2),
    ]
    assert prompts(run, "post") == ["by legal and brand"]
    assert run.state.steps["sign_off.film.3"].status == "skipped"


def prompts(run: Rehearsal, step: str) -> list[str]:
    bought = [item.purchases[-1] for item in run.items(step) if item.purchases]
    return [json.loads(one.body)["prompt"] for one in bought]
