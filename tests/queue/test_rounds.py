"""Rounds of a pick: none of the candidates is good, so they are bought again with a note."""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.errors import UsageError
from rivya_flows.estimate.mermaid import mermaid
from rivya_flows.questions.open_questions import answerable, open_questions, question_asked
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import check_answer, read_answers, read_form
from rivya_flows.queue.events import AnsweredBy, AnswerGiven, unique_name
from rivya_flows.queue.reducer import initial_state
from support.judged_picks import Judging, judged
from support.naive_service import NOON, NaiveService, Rehearsal, frozen, played, priced
from support.samples import examples

SPEC = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: human
      none: {rounds: 2}
      timeout: 1h
      on_timeout: first
      question: "Which of ${{ steps.stills.items[0].task_id }}?"
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow, references: ["${{ steps.hero.asset }}"]}
  wall:
    uses: generate
    with: {model: veo3-1-lite, prompt: All, references: "${{ steps.stills.assets }}"}
outputs: {hero: "${{ steps.hero.key }}"}
"""
PICK_ALONE = SPEC[: SPEC.index("  film:")]
VOICE = "elevenlabs-turbo-2-5, params: {voice: TX3LPaxmHKxFdv7VOQHJ}"
HOUR = timedelta(hours=1)
COPIES = ("hero.stills.2", "hero.stills.3")
ANA = AnsweredBy(name="ana", channel="command")


def asked(*changes: tuple[str, str], spec: str = SPEC, **service: Any) -> Rehearsal:
    """A run that waits for its first answer."""
    for written, instead in changes:
        assert written in spec
        spec = spec.replace(written, instead)
    return played(spec, NaiveService(**service))


def open_question(run: Rehearsal) -> Question:
    [question] = open_questions(run.state)
    return question


def say(run: Rehearsal, *picked: str, note: str = "") -> None:
    """Answer the open question, and go on until the next one."""
    question = open_question(run)
    run.feed(check_answer(question, Answer(picked, note, "ana", "form")).event(question, NOON))
    run.run()


def prompts(run: Rehearsal, step: str) -> list[str]:
    """What was bought last for each item."""
    bought = [item.purchases[-1] for item in run.items(step) if item.purchases]
    return [json.loads(one.body)["prompt"] for one in bought]


def _made_by(made: Mapping[str, str]) -> str:
    [name] = made.values()
    return name


def test_a_round_is_a_step_of_the_plan_right_before_its_pick() -> None:
    plan = initial_state(frozen(SPEC)).plan
    assert plan.order == ("stills", *COPIES, "hero", "wall", "film")
    assert [*map(_made_by, plan.steps["hero"].rounds)] == ["stills", *COPIES]
    assert [plan.steps[one].round_of for one in COPIES] == [("hero", 1), ("hero", 2)]
    assert plan.steps[COPIES[0]].repeats == "stills"
    follows = [plan.follows(one) for one in ("hero", *COPIES)]
    assert follows == [("stills", *COPIES), ("stills",), ("hero.stills.2",)]
    assert not any(set(COPIES) & one.upstream for one in plan.steps.values())


def test_the_plan_prices_each_round_from_nothing_to_all_of_it() -> None:
    start = frozen(SPEC)
    found = priced(start)
    copies = [item.price for step in found.steps if step.id in COPIES for item in step.items]
    assert [(one.min, one.max) for one in copies] == [(0, 1)] * 4
    assert {one.assumption for one in copies} == {"only if none of the first are picked"}
    assert found.max == found.min + 4
    chart = mermaid(initial_state(start).plan, found)
    assert '"hero.stills.2 × 2<br/>generate: z-image<br/>only if none of' in chart


IN_STILLS = "    with: {model: z-image"


@pytest.mark.parametrize(
    ("written", "instead", "words"),
    [
        ("lamp", "lamp", "2 again for 2 credits"),
        ("z-image", "nano-banana", "2 again for 6 credits"),
        (IN_STILLS, f"    regenerate: 1\n{IN_STILLS}", "2 again for 2–4 credits"),
        (IN_STILLS, f"    fallback: [{{model: nano-banana}}]\n{IN_STILLS}", "2 again for 2–8 credits"),
        ("z-image", VOICE, "2 again for from 12 credits"),
    ],
)  # fmt: skip
def test_a_question_says_what_another_round_buys(written: str, instead: str, words: str) -> None:
    run = asked((written, instead), spec=PICK_ALONE)
    assert str(open_question(run).again) == words


def test_a_pick_at_the_first_round_skips_the_others() -> None:
    run = asked()
    say(run, "neon")
    assert run.ended == ["completed"]
    for item in (item for step in COPIES for item in run.items(step)):
        assert (item.phase, item.reason) == ("skipped", "hero was decided without another round")
    assert len(run.service.charges) == 4


def test_none_of_these_buys_all_again_with_the_notes_and_offers_what_came() -> None:
    run = asked()
    first, wall = open_question(run), run.item("wall").purchases
    say(run, note="warmer light")
    second = open_question(run)
    assert prompts(run, COPIES[0]) == ["lamp, studio, warmer light", "lamp, neon, warmer light"]
    assert (second.round, second.rounds_left, second.choices) == (1, 1, first.choices)
    assert second.candidates != first.candidates
    assert [one.sha256 for one in second.candidates] == [f"{COPIES[0]}-studio", f"{COPIES[0]}-neon"]
    # Its other arguments see the same items.
    assert second.text == f"Which of {second.candidates[0].task_id}?"
    say(run, note="no dust.")
    assert prompts(run, COPIES[1])[0] == "lamp, studio, warmer light, no dust."
    third = open_question(run)
    assert (third.round, third.rounds_left) == (2, 0)
    assert second.again is not None
    assert third.again is None
    with pytest.raises(UsageError, match="cannot be bought again any more"):
        say(run)
    with pytest.raises(UsageError, match="cannot be bought again any more"):
        read_answers(["hero=none: more"], open_questions(run.state), run.state, ANA)
    say(run, "neon")
    assert run.ended == ["completed"]
    item = run.item("hero")
    assert (item.notes, item.picked) == (("warmer light", "no dust."), ("neon",))
    outputs: Any = item.outputs
    assert outputs["asset"]["sha256"] == "hero.stills.3-neon"
    film = run.item("film").request
    assert film is not None
    assert [medium.source for medium in film.uploads] == ["hero.stills.3-neon"]
    # A step that reads the first items keeps them.
    assert (len(wall), run.item("wall").purchases) == (1, wall)
    keys = {p.idempotency_key for _, one in run.state.each() for p in one.purchases}
    assert len(keys) == len(run.service.charges) == 8


def test_without_a_note_the_same_is_bought_once_more() -> None:
    run = asked()
    say(run)
    assert prompts(run, COPIES[0]) == prompts(run, "stills")
    assert run.item("hero").notes == ("",)


def test_each_round_has_a_question_and_a_deadline_of_its_own() -> None:
    run = asked()
    first = question_asked(run.state.asking[0], NOON)
    run.feed(first)
    say(run)
    [again] = run.asked[-1].questions
    assert again.deadline is None
    second = question_asked(again, NOON + HOUR / 2)
    names = [unique_name(one) for one in (first, second)]
    assert names == ["question hero[]", "question hero[] round 1"]
    run.feed(second)
    run.leave()
    run.execute(at=NOON + HOUR + timedelta(minutes=20))  # past the first, before the second
    assert [one.deadline for one in run.asked[-1].questions] == [NOON + 1.5 * HOUR]
    run.leave()
    run.execute(at=NOON + 2 * HOUR)
    [_, by_deadline] = run.events(AnswerGiven)
    assert (by_deadline.answer, by_deadline.round) == ("studio", 1)
    assert unique_name(by_deadline) == "answer hero[] round 1"
    assert run.ended[-1] == "completed"


def test_a_form_of_an_earlier_round_changes_nothing() -> None:
    run = asked()
    say(run)
    stale = {("hero", "", 0): Answer(("neon",), channel="form")}
    reading = read_form(open_questions(run.state), run.state, stale, NOON)
    assert reading.answers == ()
    assert reading.problems == ("hero is no longer asked; 'neon' changes nothing",)


def test_a_late_none_of_these_buys_again_after_the_deadline_has_failed_the_pick() -> None:
    run = asked(("on_timeout: first", "on_timeout: fail"))
    run.feed(question_asked(run.state.asking[0], NOON))
    run.leave()
    run.execute(at=NOON + 2 * HOUR)
    assert run.ended == ["suspended", "failed"]
    assert set(run.phases(COPIES[0])) == {"skipped"}
    run.feed(*read_answers(["hero=none: warmer"], answerable(run.state), run.state, ANA))
    run.execute(at=NOON + 3 * HOUR)
    assert prompts(run, COPIES[0])[0] == "lamp, studio, warmer"
    say(run, "neon")
    assert run.ended[-1] == "completed"


def test_a_round_whose_jobs_fail_ends_the_pick_as_the_first_would() -> None:
    run = asked()
    run.service.failing = 1.0
    say(run)
    item = run.item("hero")
    assert (item.phase, item.reason) == ("skipped", "hero.stills.2 failed")
    assert set(run.phases(COPIES[1])) == {"skipped"}
    assert run.ended == ["failed"]
    run.service.failing = 0.0
    run.execute(regenerate=("hero.stills.2",))
    say(run, "neon")
    assert run.ended[-1] == "completed"


def test_a_note_must_leave_the_prompt_short_enough_for_its_model() -> None:
    room = 7
    limit = initial_state(frozen(SPEC)).plan.catalogue.models["z-image"].max_prompt_length
    assert limit is not None
    run = asked(("lamp", "x" * (limit - len(", studio") - room - 3)))
    assert open_question(run).note_room == room
    with pytest.raises(UsageError) as caught:
        say(run, note="x" * (room + 1))
    assert caught.value.hint == "write at most 7"
    say(run, note="x" * room)
    assert max(map(len, prompts(run, COPIES[0]))) <= limit
    assert open_question(run).note_room == 0
    with pytest.raises(UsageError) as caught:
        say(run, note="y")
    assert caught.value.hint == "answer none without a note: its prompts take none"


def test_no_note_is_said_aloud() -> None:
    run = asked(("z-image", VOICE), spec=PICK_ALONE)
    assert open_question(run).note_room == 0
    with pytest.raises(UsageError, match="the note has 6 characters"):
        say(run, note="warmer")
    say(run)
    assert prompts(run, COPIES[0]) == ["lamp, studio", "lamp, neon"]


def test_a_note_is_one_printable_line() -> None:
    run = asked()
    say(run, note="warmer\n\x1b]0;light\u202e  please ")
    assert run.item("hero").notes == (r"warmer \x1b]0;light\u202e please",)


def test_rounds_of_a_fan_out_that_is_known_during_the_run_follow_it() -> None:
    ideas = "steps:\n  ideas: {uses: chat, with: {model: gemini-2-5-flash-chat, message: x, expect: {visual: string, narration: string}}}\n"
    both = "[steps.ideas.json.visual, steps.ideas.json.narration]"
    listed = ("matrix: {style: [studio, neon]}", f"foreach: ${{{{ {both} }}}}\n    as: style")
    run = asked(listed, ("matrix.style", "style"), ("steps:\n", ideas))
    say(run, note="warmer")
    assert prompts(run, COPIES[0]) == ["lamp, a lamp, warmer", "lamp, light, warmer"]
    say(run, open_question(run).choices[1])
    assert run.ended == ["completed"]


def test_a_pick_inside_an_included_spec_has_its_rounds_there() -> None:
    outer = """
version: 1
name: outer
steps:
  ad: {uses: include, with: {spec: launch.yaml}}
  end: {uses: generate, with: {model: z-image, prompt: "${{ steps.ad.outputs.hero }}"}}
"""
    run = played(outer, includes={"launch.yaml": SPEC})
    assert [*map(_made_by, run.state.planned_step("ad__hero").rounds)] == [
        "ad__stills",
        "ad__hero.stills.2",
        "ad__hero.stills.3",
    ]
    say(run, note="warmer")
    assert prompts(run, "ad__hero.stills.2")[0] == "lamp, studio, warmer"
    say(run, "neon")
    assert run.ended == ["completed"]
    assert prompts(run, "end") == ["neon"]


def test_a_step_can_fan_out_over_what_was_picked() -> None:
    run = asked(
        ("mode: human", "mode: human\n      count: 2"),
        ('with: {model: veo3-1-lite, prompt: Slow, references: ["${{ steps.hero.asset }}"]}',
         "foreach: ${{ steps.hero.items }}\n    with: {model: z-image, prompt: 'like ${{ item.key }}'}"),
    )  # fmt: skip
    say(run, note="warmer")
    say(run, "neon", "studio")
    assert run.ended == ["completed"]
    assert prompts(run, "film") == ["like neon", "like studio"]
    assert [item.key for item in run.items("film")] == ["neon", "studio"]


def test_a_person_answers_for_a_judge_that_found_nothing_good_enough() -> None:
    run = judged(Judging({"neon": 5.5}), least=6, more="none: {rounds: 1}")
    assert (run.ended, run.item("hero").code) == (["failed"], "below_least")
    run.feed(*read_answers(["hero=2"], answerable(run.state), run.state, ANA))
    item = run.execute().item("hero")
    assert (run.ended[-1], item.picked, item.answered_by) == ("completed", ("neon",), ANA)
    assert [one.n for one in item.purchases] == [1, 2], "the judge is asked once a round"
    outputs: Any = item.outputs
    assert outputs["asset"]["sha256"] == "hero.stills.2-neon"


def test_a_mode_that_never_asks_has_no_rounds() -> None:
    spec = SPEC.replace("mode: human", "mode: ${{ inputs.mode }}")
    spec = spec.replace("steps:\n", "inputs: {mode: {type: string, default: first}}\nsteps:\n", 1)
    assert initial_state(frozen(spec)).plan.steps["hero"].rounds == ()
    assert len(initial_state(frozen(spec, mode="human")).plan.steps["hero"].rounds) == 3


def test_wherever_the_process_dies_each_round_is_bought_once() -> None:
    waiting = asked(spec=PICK_ALONE)
    for crash in itertools.count():
        run = copy.deepcopy(waiting)
        cut = False
        for picked, note in (((), "warmer"), ((), ""), (("neon",), "")):
            question = open_question(run)
            run.feed(check_answer(question, Answer(picked, note)).event(question, NOON))
            steps = 0
            while steps < crash and run.advance(0):
                steps += 1
            cut = cut or steps == crash
            run.execute()
        assert run.ended[-1] == "completed"
        assert len(run.service.charges) == 6
        if not cut:
            return


@settings(max_examples=examples(30))
@given(seed=st.integers(0, 10**6))
def test_in_any_order_nothing_is_bought_twice_and_every_prompt_has_its_notes(seed: int) -> None:
    chance = random.Random(seed)
    run = asked(failing=0.1, seed=seed)
    said: list[str] = []
    for _ in range(5):
        run.take_up(regenerate=("*",))
        run.run(chance, chance.randrange(60))
        run.run(chance)
        for question in open_questions(run.state):
            none = question.rounds_left > 0 and chance.random() < 0.7
            picked = () if none else (chance.choice(question.choices),)
            note = chance.choice(["", "warmer", "no dust"]) if none else ""
            said += [note] if none else []
            run.feed(Answer(picked, note).event(question, NOON))
            run.run(chance, chance.randrange(60))
    for number, step in enumerate(COPIES, start=1):
        notes = [note for note in said[:number] if note]
        for prompt in prompts(run, step):
            assert prompt.endswith("".join(f", {note}" for note in notes))
    bought = [p for _, item in run.state.each() for p in item.purchases]
    assert len({one.idempotency_key for one in bought}) == len(bought)
    assert run.state.spent == sum(run.service.charges.values())


def test_questions_whose_deadlines_have_passed_hide_none_that_is_still_open() -> None:
    pick = '    uses: pick\n    with: {from: "${{ steps.lamps.items }}", mode: human'
    run = played(
        f"""
version: 1
name: launch
steps:
  lamps:
    uses: generate
    foreach: [a, b]
    with: {{model: z-image, prompt: lamp}}
  first:
{pick}, timeout: 1h}}
  second:
{pick}, timeout: 1h}}
  third:
{pick}}}
""",
        NaiveService(),
    )
    run.leave()
    run.execute(at=NOON + timedelta(hours=2))
    assert [[one.step for one in ask.questions] for ask in run.asked[1:]] == [["third"]]
