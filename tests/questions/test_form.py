"""The form of a run's questions, and its responses."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from rivya_flows.questions.open_questions import open_questions
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import (
    GO_ON,
    chosen_values,
    empty_response,
    form_schema,
    read_choice,
    read_form,
)
from rivya_flows.queue.reducer import initial_state
from rivya_flows.receipt.questions import digest_of
from support.naive_service import frozen, played

SPEC = """
version: 1
name: launch
steps: {still: {uses: generate, with: {model: z-image, prompt: lamp}}}
"""
HERO = Question("hero", "", "Which one?", ("studio", "neon"))
BUDGET = Question("$budget", "8", "Raise it to 8?", ("yes", "no"))
COPY = replace(HERO, step="copy")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ([HERO, replace(HERO, step="stills", key="neon, 9:16"), BUDGET], ["hero", "stills_neon_9_16", "budget"]),
        ([HERO, replace(HERO, key="!"), COPY, replace(HERO, step="budget"), BUDGET],
         ["hero", "hero_2", "copy", "budget", "budget_2"]),
        ([HERO, replace(HERO, step="signed_by", sign=True)], ["hero", "signed_by", "signed_by_2"]),
    ],
    ids=["steps and the budget", "names that are the same", "who signs"],
)  # fmt: skip
def test_each_question_has_a_required_field_of_its_own_name(
    asked: list[Question], names: list[str]
) -> None:
    assert form_schema(asked)["required"] == names


def test_the_form_offers_the_choices_and_asks_for_a_name_only_where_one_signs() -> None:
    fields = form_schema([HERO, BUDGET])["properties"]
    assert list(fields) == ["hero", "budget", "signed_by"]
    assert fields["hero"] == {
        "enum": ["studio", "neon"],
        "title": "Which one?",
        "type": "string",
        "x-question": ["hero", ""],
    }
    alone = form_schema([replace(HERO, choices=("studio",))])["properties"]["hero"]
    assert alone["enum"] == ["studio"], "a select too"
    assert form_schema([replace(HERO, sign=True)])["properties"]["signed_by"]["pattern"] == r"\S"


def test_what_was_chosen_is_told_by_question_whatever_else_came_in() -> None:
    schema = form_schema([HERO, BUDGET])
    response = {"hero": "neon", "note": "nice"}
    chosen = {("hero", "", 0): Answer(("neon",), channel="form")}
    assert chosen_values(schema, response) == chosen
    both = chosen_values(schema, {**response, "budget": "no"})
    assert both["$budget", "8", 0].picked == ("no",)
    for other in ({}, {"properties": {"hero": {"enum": ["neon"]}}}):
        assert chosen_values(other, response) == {}


def test_half_of_a_character_in_a_key_is_asked_and_answered_by_its_escape() -> None:
    odd = replace(HERO, key="\ud83d", choices=("a\ud83d", "neon"))
    schema = form_schema([odd])
    json.dumps(schema, ensure_ascii=False).encode()
    [name] = schema["required"]
    assert schema["properties"][name]["enum"] == ["a\\ud83d", "neon"]
    given = chosen_values(schema, {name: "a\\ud83d"})
    [answer] = read_form([odd], initial_state(frozen(SPEC)), given).answers
    assert (answer.key, answer.answer) == ("\ud83d", "a\ud83d")
    assert len(digest_of([odd])) == 12


AGAIN = replace(HERO, rounds_left=1, note_room=40, round=1)


def test_where_rounds_are_left_none_of_these_is_a_choice_with_a_note() -> None:
    schema = form_schema([AGAIN])
    assert schema["properties"]["hero"]["enum"] == ["studio", "neon", "none of these"]
    assert schema["properties"]["hero_note"]["maxLength"] == 40
    assert schema["required"] == ["hero"]
    response = {"hero": "none of these", "hero_note": "warmer", "signed_by": "Ana"}
    answer = Answer((), "warmer", "Ana", channel="form")
    assert chosen_values(schema, response) == {("hero", "", 1): answer}
    Draft202012Validator(schema).validate(response)


def test_a_candidate_that_is_called_none_of_these_can_be_picked() -> None:
    schema = form_schema([replace(AGAIN, choices=("none of these", "neon"))])
    assert schema["properties"]["hero"]["enum"][2] == "none of these."
    for chosen, picked in (("none of these", ("none of these",)), ("none of these.", ())):
        assert chosen_values(schema, {"hero": chosen})["hero", "", 1].picked == picked


def test_several_choices_are_a_list_of_that_length() -> None:
    schema = form_schema([replace(HERO, count=2)])
    field = schema["properties"]["hero"]
    assert (field["type"], field["minItems"], field["maxItems"]) == ("array", 2, 2)
    assert (field["uniqueItems"], field["items"]["enum"]) == (True, ["studio", "neon"])
    picked = chosen_values(schema, {"hero": ["neon", "studio"]})["hero", "", 0].picked
    assert picked == ("neon", "studio")


def test_what_nobody_filled_in_fits_every_form_and_says_nothing() -> None:
    for sign, count, left in itertools.product((False, True), (1, 2), (0, 1)):
        question = replace(HERO, sign=sign, count=count, rounds_left=left, note_room=3)
        schema = form_schema([question, BUDGET])
        filled = empty_response(schema)
        assert (filled["budget"], filled[GO_ON]) == ("yes", True)
        Draft202012Validator(schema).validate(filled)
        assert chosen_values(schema, filled) == {}


def test_a_form_of_an_early_version_is_still_read() -> None:
    early = {
        "properties": {"hero": {"enum": ["studio", "neon"], "x-question": ["hero", ""]}},
        "required": ["hero"],
    }
    assert chosen_values(early, {"hero": "neon"})["hero", "", 0].picked == ("neon",)
    assert empty_response(early) == {"hero": "studio", GO_ON: True}


REVIEW = """
version: 1
name: launch
steps:
  still: {uses: generate, with: {model: z-image, prompt: lamp}}
  sign_off:
    uses: review
    with: {media: "${{ steps.still.asset }}", reviewers: [legal, brand], changes: {redo: [still]}}
"""


def test_a_review_takes_approve_or_changes_with_a_note_under_the_name_of_a_reviewer() -> None:
    run = played(REVIEW)
    questions = open_questions(run.state)
    schema = form_schema(questions)
    fields = schema["properties"]
    assert fields["sign_off"]["enum"] == ["approve", "changes"]
    assert schema["required"] == ["sign_off", "signed_by"]
    assert fields["signed_by"]["title"] == "Your name (legal or brand)"
    response = {"sign_off": "changes", "sign_off_note": "warmer", "signed_by": "eve"}
    refused = read_form(questions, run.state, chosen_values(schema, response))
    assert refused.problems == ("sign_off: it is for legal or brand; asking again",)
    response["signed_by"] = "Legal"
    chosen = chosen_values(schema, response)
    [answer] = read_form(questions, run.state, chosen).answers
    assert (answer.answer, answer.note, answer.by.name) == ("changes", "warmer", "legal")
    run.feed(answer)
    # A killed execution reads it again.
    again = read_form(open_questions(run.state), run.state, chosen)
    assert (again.answers, again.problems) == ((), ())
    # After another answer a new form says the same once more, which is another answer.
    [now] = open_questions(run.state)
    run.feed(read_choice(now, "approve", "legal").event(now, None))
    questions = open_questions(run.state)
    assert read_form(questions, run.state, chosen).answers == ()
    later = chosen_values(form_schema(questions), response)
    [veto] = read_form(questions, run.state, later).answers
    assert (veto.answer, veto.turn) == ("changes", 3)
