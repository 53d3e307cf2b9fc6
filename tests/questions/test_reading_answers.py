"""Answers from a form and from ``--answer``, against the questions and the journal of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.questions.open_questions import answerable
from rivya_flows.questions.question import Answer, Question, answer_name
from rivya_flows.questions.reading_answers import read_answers, read_choice, read_form, refuse_unfit
from rivya_flows.queue.events import AnsweredBy, AnswerGiven
from rivya_flows.queue.reducer import initial_state
from support.naive_service import NOON, Rehearsal, frozen, played
from support.picks import past_its_deadline, waiting

SPEC = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "A desk lamp on an oak table, ${{ matrix.style }} style"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, question: Which one?}
"""
HERO = Question("hero", "", "Which one?", ("studio", "neon"))
BUDGET = Question("$budget", "8", "Raise it to 8?", ("yes", "no"))
COMMAND = AnsweredBy(name="ana", channel="command", at=NOON)


def form(*picked: str) -> Answer:
    return Answer(picked, channel="form")


def asked() -> Rehearsal:
    return played(SPEC)


def read(*written: str) -> tuple[AnswerGiven, ...]:
    """What a command makes of answers to a run that waits for one."""
    run = waiting()
    return read_answers(list(written), run.state.asking, run.state, COMMAND)


def test_answers_of_a_form_become_entries_of_the_journal() -> None:
    chosen = {("hero", "", 0): form("neon"), ("$budget", "8", 0): form("no")}
    reading = read_form([HERO, BUDGET], asked().state, chosen, NOON)
    assert reading.problems == ()
    found = [(one.step, one.key, one.answer, one.by.channel) for one in reading.answers]
    assert found == [("hero", "", "neon", "form"), ("$budget", "8", "no", "form")]


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        (Answer(("noir",)), "there is no choice 'noir'"),
        (Answer(("neon", "neon")), "a choice is named twice"),
        (Answer(()), "there is no choice 'none'"),
    ],
)
def test_an_answer_that_is_no_choice_is_told_and_left_out(chosen: Answer, problem: str) -> None:
    reading = read_form([HERO], asked().state, {("hero", "", 0): chosen})
    assert (reading.answers, reading.problems) == ((), (f"hero: {problem}; asking again",))


def test_an_answer_to_what_is_not_asked_any_more_is_told_and_changes_nothing() -> None:
    # A yes to 8 credits is none to 12.
    budget = replace(BUDGET, key="12")
    reading = read_form([HERO, budget], asked().state, {("$budget", "8", 0): form("yes")})
    assert reading.answers == ()
    assert reading.problems == ("budget is no longer asked; 'yes' changes nothing",)
    assert read_form([HERO], asked().state, {}).problems == ()


def test_what_was_answered_elsewhere_stays_as_it_is() -> None:
    run = asked()
    run.answer("hero", "studio", channel="command")
    late = read_form([], run.state, {("hero", "", 0): form("neon")})
    assert (late.answers, late.problems) == ((), ("hero is already answered with 'studio'",))
    assert read_form([], run.state, {("hero", "", 0): form("studio")}).problems == ()


def test_an_answer_to_the_budget_is_told_in_words_for_people() -> None:
    assert BUDGET.label == answer_name("$budget", "8") == "budget"
    assert answer_name("hero", "a") == "hero[a]"


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("hero=noir", "there is no choice 'noir'", "one of: studio, neon"),
        ("her=neon", "does not ask for 'her'", "it asks for: hero"),
        ("hero", "there is no =", "STEP=KEY"),
    ],
)
def test_an_answer_that_fits_no_question_is_refused(written: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(written)
    assert hint in (caught.value.hint or "")


PICKS = (
    SPEC
    + """
  ideas: {uses: chat, with: {model: gpt-5-2-chat, message: places, expect: {places: [string]}}}
  places:
    uses: generate
    foreach: ${{ steps.ideas.json.places }}
    max_items: 3
    with: {model: z-image, prompt: "${{ item }}"}
  place: {uses: pick, with: {from: "${{ steps.places.items }}", mode: human}}
  wide:
    uses: generate
    foreach: ${{ steps.stills.items }}
    as: still
    with: {model: z-image, prompt: "${{ still.key }}"}
  pair:
    uses: pick
    matrix: {size: [s, l]}
    with: {from: "${{ steps.wide.items }}", mode: human, count: 2}
"""
)


@pytest.mark.parametrize(
    ("name", "choice", "message", "hint"),
    [
        ("hero", Answer(("nean",)), "hero: there is no choice 'nean'", "did you mean 'neon'?"),
        ("hero", Answer(("1",)), "hero: there is no choice '1'", "one of: studio, neon"),
        ("hero", Answer(()), "hero: there is no choice 'none'", "one of: studio, neon"),
        ("hero[neon]", Answer(("neon",)), "does not ask for 'hero[neon]'", "hero, place"),
        ("stills", Answer(("neon",)), "does not ask for 'stills'", "it asks for: hero"),
        ("pair", Answer(("neon",)), "does not ask for 'pair'", "pair[s], pair[l]"),
        ("pair[s]", Answer(("neon",)), "1 picked instead of 2", "2 of: studio, neon"),
        ("budget", Answer(("yes",)), "does not ask for 'budget'", "it asks for: hero"),
    ],
)
def test_an_answer_that_the_plan_rules_out_is_refused_before_the_run(
    name: str, choice: Answer, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_unfit({name: choice}, initial_state(frozen(PICKS)).plan)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_an_answer_that_may_fit_is_left_to_the_run() -> None:
    plan = initial_state(frozen(PICKS)).plan
    known = {"hero": Answer(("neon",)), "pair[l]": Answer(("neon", "studio"))}
    refuse_unfit({**known, "place": Answer(("Rome",))}, plan)
    pausing = PICKS + "budget: {credits: 90, on_unfit: pause}\n"
    plan = initial_state(frozen(pausing)).plan
    refuse_unfit({"budget": Answer(("no",))}, plan)
    with pytest.raises(UsageError, match="no choice 'maybe'"):
        refuse_unfit({"budget": Answer(("maybe",))}, plan)


def test_of_many_choices_a_hint_names_the_first() -> None:
    run = waiting()
    many = replace(run.state.asking[0], choices=tuple("abcdefghijklmnop"))
    with pytest.raises(UsageError) as caught:
        read_answers(["hero=noir"], [many], run.state, COMMAND)
    assert caught.value.hint == "one of: a, b, c, d, e, f, g, h, i, j, k, l and 4 more"


@pytest.mark.parametrize("again", ["neon", "2", "NEON"])
def test_an_answer_that_is_repeated_changes_nothing_and_another_one_is_refused(again: str) -> None:
    run = waiting()
    run.feed(*read("hero=2"))
    asked = answerable(run.state)
    assert read_answers([f"hero={again}"], asked, run.state, COMMAND) == ()
    with pytest.raises(UsageError, match="already answered with 'neon'") as caught:
        read_answers(["hero=studio"], asked, run.state, COMMAND)
    assert f"rivya-flows fork {run.state.run_id} --from hero" in str(caught.value.hint)


def test_a_pick_that_its_deadline_failed_can_be_answered() -> None:
    run = past_its_deadline()
    late = answerable(run.state)
    [answer] = read_answers(["hero=neon"], late, run.state, COMMAND)
    assert (answer.answer, answer.by.channel) == ("neon", "command")
    with pytest.raises(UsageError, match="there is no choice 'noir'"):
        read_answers(["hero=noir"], late, run.state, COMMAND)


AGAIN = replace(HERO, choices=("studio", "neon", "1", "a,b", "None"), rounds_left=1, note_room=20)


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("neon", ("neon",)),
        (" NEON ", ("neon",)),
        ("2", ("neon",)),
        ("1", ("1",)),
        ("a,b", ("a,b",)),
        ("none", ("None",)),
        ("2, studio", ("neon", "studio")),
        ("a,b,3", ("a,b", "1")),
        ("neon,a,b, 1", ("neon", "a,b", "1")),
    ],
)
def test_a_line_names_choices_by_key_or_number(text: str, picked: tuple[str, ...]) -> None:
    assert read_choice(replace(AGAIN, count=len(picked)), text).picked == picked


@pytest.mark.parametrize(
    ("text", "note"),
    [("none", ""), ("None : warmer ", "warmer"), ("none:\twarmer\x1b[2J", r"warmer\x1b[2J")],
)
def test_a_line_rejects_all_with_a_note(text: str, note: str) -> None:
    question = replace(AGAIN, choices=("studio", "neon"))
    assert read_choice(question, text, "ana") == Answer((), note, "ana")


@pytest.mark.parametrize(
    ("text", "count", "message"),
    [
        ("noir", 1, "there is no choice 'noir'"),
        ("", 1, "there is no choice ''"),
        ("0", 1, "there is no choice '0'"),
        ("9", 1, "there is no choice '9'"),
        ("²", 1, "there is no choice '²'"),
        ("1" * 5000, 1, "there is no choice"),
        ("neon,studio", 1, "2 picked instead of 1"),
        ("neon", 2, "1 picked instead of 2"),
        ("neon,2", 2, "a choice is named twice"),
        ("neon,", 2, "there is no choice ''"),
        ("none: " + "x" * 21, 1, "the note has 21 characters"),
    ],
)
def test_a_line_that_the_question_does_not_allow_is_refused(
    text: str, count: int, message: str
) -> None:
    question = replace(AGAIN, choices=("studio", "neon"), count=count)
    with pytest.raises(UsageError, match=message):
        read_choice(question, text)


def test_who_answers_is_one_short_printable_line() -> None:
    choice = read_choice(HERO, "neon", " Ana\nLopez\x07 ")
    assert choice.name == r"Ana Lopez\x07"
    assert read_choice(HERO, "neon", " ").name is None
    with pytest.raises(UsageError, match="is too long"):
        read_choice(HERO, "neon", "x" * 101)


def test_an_answer_has_who_gave_it_and_when() -> None:
    [answer] = read("hero=2")
    assert (answer.step, answer.key, answer.answer) == ("hero", "", "neon")
    assert (answer.by, answer.picked) == (COMMAND, ("neon",))
    many = {"hero": Answer(("neon", "studio"))}
    [answer] = read_answers(many, [replace(HERO, count=2)], asked().state, COMMAND)
    assert (answer.answer, answer.picked) == ("neon", ("neon", "studio"))
