"""Reviews: approval by several people, and rounds over all steps between what is bought again and the review."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.errors import UsageError
from rivya_flows.questions.open_questions import answerable, decide_at_deadline, open_questions
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import check_answer, read_choice
from rivya_flows.queue.events import unique_name
from rivya_flows.queue.forks import fork_of
from rivya_flows.queue.items import Phase
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.reviewing import REJECTED
from rivya_flows.receipt.from_journal import choice_of
from support.naive_service import NOON, NaiveService, Rehearsal, frozen, played, priced
from support.samples import examples

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


def without_names(spec: str = SPEC) -> tuple[str, str]:
    return ("      reviewers: [legal, brand]\n", "")


def test_the_round_costs_what_the_question_says_and_the_plan_counts_all_rounds() -> None:
    run = asked()
    question = open_question(run)
    assert str(question.again) == "1 again for 10 credits"
    before = run.state.spent
    say(run, "legal", "changes", "slower")
    say(run, "brand", "approve")
    assert run.state.spent - before == 10
    prices = {step.id: step.items[0].price for step in priced(frozen(SPEC)).steps}
    rounds = [prices[f"sign_off.film.{number}"] for number in (2, 3)]
    assert [(one.min, one.max) for one in rounds] == [(0, 10), (0, 10)]


def test_enough_approvals_end_the_round_whatever_others_asked_for() -> None:
    run = asked(("changes:", "need: 1\n      changes:"))
    say(run, "legal", "changes", "slower")
    say(run, "brand", "approve")
    assert run.ended == ["completed"]
    assert run.state.item("sign_off", "").outputs["by"] == ["brand"]  # type: ignore[index]  # it completed


def test_a_reviewer_may_change_an_answer_until_the_round_ends() -> None:
    run = asked()
    say(run, "legal", "changes", "slower")
    say(run, "LEGAL", "approve")
    assert [one.answer for one in open_question(run).responses] == ["approve"]
    say(run, "brand", "approve")
    assert run.ended == ["completed"]


def test_without_reviewers_one_answer_decides() -> None:
    run = asked(without_names())
    say(run, None, "changes", "slower")
    assert open_question(run).round == 1
    say(run, "anyone", "approve")
    assert run.ended == ["completed"]


@pytest.mark.parametrize("spec", [SPEC, SPEC.replace("rounds: 2", "rounds: 1")])
def test_changes_after_the_last_round_fail_the_step_and_a_late_approval_repairs_it(
    spec: str,
) -> None:
    run = played(spec.replace(*without_names()))
    while open_questions(run.state):
        say(run, "ana", "changes", "slower")
    assert run.ended == ["failed"]
    item = run.state.item("sign_off", "")
    assert item.code == "rejected"
    assert "ana asked for changes, and no round makes them: slower" in (item.reason or "")
    assert run.execute().ended[-1] == "failed", "no one has approved it since"
    [late] = answerable(run.state)
    run.feed(check_answer(late, Answer(("approve",), "", "ana", "command")).event(late, NOON))
    assert run.execute().ended[-1] == "completed"


def test_changes_without_rounds_fail_the_step() -> None:
    run = asked(without_names(), ("      changes: {redo: [film], rounds: 2}\n", ""))
    say(run, None, "changes", "slower")
    assert run.ended == ["failed"]
    assert "the step has no `changes`" in (run.state.item("sign_off", "").reason or "")


def test_an_owner_ends_a_round_with_the_changes_that_were_asked_for() -> None:
    run = asked()
    with pytest.raises(UsageError, match="no one has asked for changes"):
        say(run, "owner", "end")
    say(run, "legal", "changes", "slower")
    say(run, "owner", "end")
    assert prompts(run, "sign_off.film.2") == ["Slow, slower"]
    assert open_question(run).round == 1


@pytest.mark.parametrize(
    ("by", "answer", "note", "message"),
    [
        (None, "approve", "", "it is for legal or brand"),
        ("eve", "approve", "", "it is for legal or brand"),
        ("legal", "changes", "", "say what to change"),
        ("legal", "maybe", "", "there is no answer 'maybe'"),
        ("legal", "changes", "x" * 400, "the note has 400 characters"),
    ],
)
def test_an_answer_that_the_review_does_not_take_is_refused(
    by: str | None, answer: str, note: str, message: str
) -> None:
    run = asked()
    with pytest.raises(UsageError, match=message):
        say(run, by, answer, note)
    assert open_question(run).responses == ()


def test_each_answer_of_a_round_is_written_once() -> None:
    run = asked()
    question = open_question(run)
    answer = read_choice(question, "changes: slower", "legal")
    first = answer.event(question, NOON)
    run.feed(first)
    second = answer.event(open_question(run), NOON)
    assert unique_name(first) == "answer sign_off[] turn 1"
    assert unique_name(second) == "answer sign_off[] turn 2"


@settings(max_examples=examples(30))
@given(seed=st.integers(0, 10**6))
def test_in_any_order_and_whatever_is_killed_a_round_is_bought_once_with_its_notes(
    seed: int,
) -> None:
    chance = random.Random(seed)
    run, wanted = asked(seed=seed), list[list[str]]()
    while run.ended[-1:] not in (["completed"], ["failed"]):
        run.take_up()
        run.run(chance, chance.randrange(40))
        if chance.random() < 0.5:
            continue
        run.run(chance)
        for question in open_questions(run.state):
            by = chance.choice(question.reviewers)
            answer = chance.choice(["approve", f"changes: {chance.randrange(1000)}"])
            event = read_choice(question, answer, by).event(question, NOON)
            wanted += [[]] * (question.round + 1 - len(wanted))
            run.feed(event)
            run.run(chance, chance.randrange(40))
    item = run.state.item("sign_off", "")
    for number in range(item.round):
        [prompt] = prompts(run, f"sign_off.film.{number + 2}")
        assert prompt == ", ".join(["Slow", *item.notes[: number + 1]])
    bought = [name.split("#")[0] for name in run.bought]
    assert len(bought) == len({*bought})
    assert run.state.spent == sum(run.service.charges.values())


PICKED = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 1}}
  ad: {uses: include, with: {spec: ad.yaml, inputs: {still: "${{ steps.hero.asset }}"}}}
  sign_off:
    uses: review
    with: {media: "${{ steps.ad.outputs.film }}", changes: {redo: [stills, ad]}}
"""
AD = """
version: 1
name: ad
inputs: {still: {type: file}}
steps:
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow, references: ["${{ inputs.still }}"]}
outputs: {film: "${{ steps.film.asset }}"}
"""


def test_a_round_goes_through_fan_outs_picks_and_included_specs() -> None:
    run = played(PICKED, includes={"ad.yaml": AD})
    assert open_question(run).label == "hero"
    run.feed(read_choice(open_question(run), "neon", "ana").event(open_question(run), NOON))
    run.run()
    say(run, "ana", "changes", "warmer")
    again = open_question(run)
    assert (again.label, again.rounds_left) == ("sign_off.hero.2", 1)
    assert prompts(run, "sign_off.stills.2") == ["lamp, studio, warmer", "lamp, neon, warmer"]
    run.feed(read_choice(again, "none: no dust", "ana").event(again, NOON))
    run.run()
    assert prompts(run, "sign_off.hero.2.stills.2") == [
        "lamp, studio, warmer, no dust",
        "lamp, neon, warmer, no dust",
    ]
    last = open_question(run)
    run.feed(read_choice(last, "studio", "ana").event(last, NOON))
    run.run()
    assert prompts(run, "sign_off.ad.2__film") == ["Slow, warmer"]
    say(run, "ana", "approve")
    assert run.ended == ["completed"]


def answer(run: Rehearsal, label: str, by: str | None, text: str) -> None:
    """Answers the open question of this name, and goes on."""
    [question] = [one for one in open_questions(run.state) if one.label == label]
    run.feed(read_choice(question, text, by).event(question, NOON))
    run.run()


REPEATED = """
version: 1
name: launch
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
  film:
    uses: generate
    repeat: {until: "${{ steps.film.asset.width >= 8 }}", at_most: 2}
    with: {model: nano-banana, prompt: Slow, references: ["${{ steps.still.asset }}"]}
  sign_off:
    uses: review
    with: {media: "${{ steps.film.asset }}", changes: {redo: [still]}}
"""


def test_a_round_goes_through_a_step_that_repeats() -> None:
    run = played(REPEATED)
    say(run, None, "changes", "warmer")
    assert open_question(run).round == 1
    say(run, None, "approve")
    assert run.ended == ["completed"]


NESTED = """
version: 1
name: launch
steps:
  film: {uses: generate, with: {model: z-image, prompt: Slow}}
  legal:
    uses: review
    with: {media: "${{ steps.film.asset }}", changes: {redo: [film]}}
  client:
    uses: review
    with: {media: "${{ steps.legal.media }}", changes: {redo: [film]}}
"""


def test_an_earlier_review_has_its_rounds_again_and_what_it_asked_for_holds_on() -> None:
    run = played(NESTED)
    answer(run, "legal", None, "changes: no logo")
    answer(run, "legal", None, "approve")
    answer(run, "client", None, "changes: warmer")
    assert prompts(run, "client.film.2") == ["Slow, no logo, warmer"]
    answer(run, "client.legal.2", None, "changes: calmer")
    assert prompts(run, "client.legal.2.film.2") == ["Slow, no logo, warmer, calmer"]
    answer(run, "client.legal.2", None, "approve")
    answer(run, "client", None, "approve")
    assert run.ended == ["completed"]


def test_rounds_of_rounds_are_bounded() -> None:
    spec = NESTED[: NESTED.index("  legal:")]
    media = "film.asset"
    for number in range(6):
        spec += f"  r{number}:\n    uses: review\n    with: {{media: '${{{{ steps.{media} }}}}',"
        spec += " changes: {redo: [film], rounds: 5}}\n"
        media = f"r{number}.media"
    with pytest.raises(UsageError, match="make more than 10,000 steps: allow fewer rounds"):
        initial_state(frozen(spec))


CLIPS = """
version: 1
name: launch
steps:
  clips:
    uses: generate
    foreach: [a, b]
    allow_failures: 1
    with: {model: "${{ 'z-image' if item == 'a' else 'nano-banana' }}", prompt: lamp}
  sign_off:
    uses: review
    with: {media: "${{ steps.clips.assets }}", reviewers: [legal, brand]}
"""


def test_an_approval_counts_for_nothing_once_it_is_about_other_media() -> None:
    run = played(CLIPS, NaiveService(failing_models={"nano-banana"}))
    answer(run, "sign_off", "legal", "approve")
    run.leave()
    run.service.failing_models = ()
    run.execute(regenerate=("clips",))
    question = open_question(run)
    assert (len(question.candidates), question.responses) == (2, ())
    say(run, "brand", "approve")
    say(run, "legal", "approve")
    assert run.ended[-1] == "completed"


def test_only_who_approved_the_round_that_stands_is_named() -> None:
    run = asked(("[legal, brand]", "[legal, brand, ceo]\n      need: 2"))
    say(run, "legal", "approve")
    say(run, "legal", "changes", "slower")
    say(run, "brand", "approve")
    say(run, "ceo", "approve")
    outputs: Any = run.state.item("sign_off", "").outputs
    assert outputs["by"] == ["brand", "ceo"]
    timed = asked(("changes: {", "timeout: 1h\n      on_timeout: approve\n      changes: {"))
    say(timed, "legal", "approve")
    say(timed, "brand", "changes", "slower")
    timed.feed(decide_at_deadline(open_question(timed)))
    timed.run()
    outputs = timed.state.item("sign_off", "").outputs
    assert (outputs["by"], outputs["media"]["sha256"]) == ([], "sign_off.spot.2-film")


def test_an_approval_after_an_ended_round_is_an_entry_of_its_own() -> None:
    run = asked(("      changes: {redo: [film], rounds: 2}\n", ""))
    say(run, "legal", "changes", "slower")
    say(run, "owner", "end")
    assert run.ended == ["failed"]
    [late] = answerable(run.state)
    event = read_choice(late, "approve", "legal").event(late, NOON)
    assert unique_name(event) == "answer sign_off[] turn 3"


@pytest.mark.parametrize("fewer", ["rounds: 1", ""])
def test_a_fork_with_fewer_rounds_asks_about_what_it_made(fewer: str) -> None:
    spec = SPEC.replace(*without_names())
    run = played(spec)
    say(run, None, "changes", "slower")
    say(run, None, "changes", "slower still")
    say(run, None, "approve")
    line = "      changes: {redo: [film], rounds: 2}\n"
    changed = spec.replace(line, line.replace("rounds: 2", fewer) if fewer else "")
    start = frozen(changed).model_copy(
        update={"run_id": "run-2", "nonce": "1" * 32, "fork": fork_of(run.state, None)}
    )
    fork = Rehearsal(start, run.service).execute()
    question = open_question(fork)
    assert (question.round, question.rounds_left) == ((1, 0) if fewer else (0, 0))


def test_a_round_says_what_it_may_cost_with_all_that_may_come_of_it() -> None:
    run = played(PICKED, includes={"ad.yaml": AD})
    answer(run, "hero", "ana", "neon")
    assert str(open_question(run).again) == "3 again for 12–14 credits"  # its pick buys again too


def test_a_failed_round_leaves_the_review_in_the_receipt() -> None:
    run = asked(without_names())
    run.service.failing_models = {"veo3-1-lite"}
    say(run, None, "changes", "slower")
    assert run.ended == ["failed"]
    choice = choice_of(run.state, "sign_off", run.state.item("sign_off", ""), None)
    assert choice is not None
    assert choice.review is not None
    assert [one.answer for one in choice.review.answers] == ["changes"]


def test_a_round_that_the_budget_does_not_cover_begins_with_a_higher_one() -> None:
    run = asked(
        ("film], rounds", "still, film], rounds"),
        ("name: launch", "name: launch\nbudget: {credits: 20}"),
    )
    bought = len(run.service.charges)
    say(run, "legal", "changes", "too dark")
    say(run, "brand", "approve")
    question = open_question(run)
    assert (question.round, len(run.service.charges)) == (0, bought)
    assert question.over.startswith("over the budget: another round costs at least")
    with pytest.raises(UsageError, match="over the budget"):
        say(run, None, "end")
    run.leave()
    run.execute()
    assert (open_question(run).round, len(run.service.charges)) == (0, bought)
    run.execute(budget=60)
    assert open_question(run).round == 1
    assert run.state.item("sign_off", "").notes == ("too dark",)


def test_reviewers_may_approve_instead_of_a_round_that_the_budget_does_not_cover() -> None:
    run = asked(("name: launch", "name: launch\nbudget: {credits: 20}"))
    say(run, "legal", "changes", "too dark")
    say(run, "brand", "approve")
    say(run, "legal", "approve")
    assert run.state.item("sign_off", "").phase is Phase.COMPLETED


def test_the_deadline_fails_a_review_whose_changes_the_budget_does_not_cover() -> None:
    run = asked(
        ("changes: {", "timeout: 1h\n      on_timeout: approve\n      changes: {"),
        ("name: launch", "name: launch\nbudget: {credits: 20}"),
    )
    bought = len(run.service.charges)
    say(run, "legal", "changes", "too dark")
    run.feed(decide_at_deadline(open_question(run)))
    item = run.state.item("sign_off", "")
    assert (item.phase, item.code, len(run.service.charges)) == (Phase.FAILED, REJECTED, bought)
    assert item.reason is not None
    assert "over the budget" in item.reason


def test_a_round_that_was_asked_for_is_not_begun_once_the_review_is_about_other_media() -> None:
    spec = CLIPS.replace("brand]}", "brand], changes: {redo: [clips]}}")
    spec = spec.replace("name: launch", "name: launch\nbudget: {credits: 4}")
    run = played(spec, NaiveService(failing_models={"nano-banana"}))
    answer(run, "sign_off", "legal", "changes: too dark")
    answer(run, "sign_off", "brand", "approve")
    assert run.state.item("sign_off", "").held
    run.leave()
    run.service.failing_models = ()
    run.execute(regenerate=("clips",))
    run.leave()
    run.execute(budget=100)
    assert (open_question(run).round, open_question(run).responses) == (0, ())
