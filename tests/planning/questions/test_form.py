"""The form of open questions, the page above it, and what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rivya_flows.flows.questions.form import GO_ON, chosen, form_of, nothing_chosen
from rivya_flows.planning.questions.form import digest_of, fields, name_of, read_form, title, until
from rivya_flows.planning.questions.page import as_text, questions_page
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnswerGiven
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

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
HOSTILE = (
    "a|b\\|c](javascript:alert(1)) <img src=x onerror=alert(1)> `x` **y** _z_ ~~q~~\n\n# h\n| 1 |"
)


def asked() -> Rehearsal:
    run = Rehearsal(frozen(SPEC), NaiveService())
    run.take_up()
    run.run()
    return run


def address(asset: Mapping[str, Any]) -> str | None:
    found: str | None = asset["url"]
    return found


def page(question: Question) -> str:
    return questions_page(asked().state, [question], address)


def candidate(key: str, **asset: Any) -> dict[str, Any]:
    made = {"kind": "image", "url": "https://media.example/x.png", "sha256": "-", **asset}
    return {"key": key, "credits": 1, "asset": made}


def test_a_field_is_called_as_its_step_and_the_budget_as_people_say() -> None:
    asked = [HERO, replace(HERO, step="stills", key="neon, 9:16"), BUDGET]
    assert list(fields(asked)) == ["hero", "stills_neon_9_16", "budget"]


def test_fields_never_share_a_name_nor_take_one_of_prefects() -> None:
    hostile = [
        HERO,
        replace(HERO, key="!"),
        replace(HERO, step="copy"),
        replace(HERO, step="budget"),
        BUDGET,
    ]
    named = form_of(hostile).model_fields
    assert list(named) == ["hero", "hero_2", "copy_2", "budget", "budget_2"]


def test_the_form_offers_the_choices_and_insists_on_one_for_each_question() -> None:
    schema = form_of([HERO, BUDGET]).model_json_schema()
    assert schema["required"] == ["hero", "budget"]
    assert schema["properties"]["hero"] == {
        "enum": ["studio", "neon"],
        "title": "Which one?",
        "type": "string",
        "x-question": ["hero", ""],
    }


def test_one_choice_alone_is_a_select_too() -> None:
    schema = form_of([replace(HERO, choices=("studio",))]).model_json_schema()
    assert schema["properties"]["hero"]["enum"] == ["studio"]


def test_a_form_that_nobody_filled_in_fits_and_says_nothing() -> None:
    form = form_of([HERO, BUDGET])
    filled = nothing_chosen(form.model_json_schema())
    assert filled == {"hero": "studio", "budget": "yes", GO_ON: True}
    form.model_validate(filled)
    assert chosen(form.model_json_schema(), filled) == {}


def test_what_was_chosen_is_told_by_question_whatever_else_came_in() -> None:
    schema = form_of([HERO, BUDGET]).model_json_schema()
    response = {"hero": "neon", "note": "nice"}
    assert chosen(schema, response) == {("hero", ""): "neon"}
    assert chosen(schema, {**response, "budget": "no"})["$budget", "8"] == "no"
    assert chosen({}, response) == {}
    assert chosen({"properties": {"hero": {"enum": ["neon"]}}}, response) == {}


def test_the_digest_of_a_form_follows_from_questions_and_choices_alone() -> None:
    digest = digest_of([HERO, BUDGET])
    assert re.fullmatch(r"[0-9a-f]{12}", digest)
    assert digest == digest_of([BUDGET, replace(HERO, deadline=NOON, text="Which?")])
    assert digest != digest_of([HERO])
    assert digest != digest_of([BUDGET, replace(HERO, choices=("studio", "street"))])


def test_answers_of_a_form_become_entries_of_the_journal() -> None:
    given = {("hero", ""): "neon", ("$budget", "8"): "no"}
    reading = read_form([HERO, BUDGET], asked().state, given)
    assert reading.problems == ()
    assert [(one.step, one.key, one.answer, one.by) for one in reading.answers] == [
        ("hero", "", "neon", "form"),
        ("$budget", "8", "no", "form"),
    ]


@pytest.mark.parametrize("given", ["noir", "", 1, True, ["neon"], {"key": "neon"}])
def test_an_answer_that_is_no_choice_is_told_and_left_out(given: Any) -> None:
    reading = read_form([HERO], asked().state, {("hero", ""): given})
    assert reading.answers == ()
    assert reading.problems == (f"hero: no choice is called {given!r}; asked again",)


def test_an_answer_to_what_is_not_asked_any_more_is_told_and_changes_nothing() -> None:
    # A yes to 8 credits is none to 12.
    budget = replace(BUDGET, key="12")
    reading = read_form([HERO, budget], asked().state, {("$budget", "8"): "yes"})
    assert reading.answers == ()
    assert reading.problems == ("budget is not asked any more; 'yes' changes nothing",)
    assert read_form([HERO], asked().state, {}).problems == ()


def test_an_answer_to_the_budget_is_told_in_words_for_people() -> None:
    assert name_of(BUDGET) == "budget"
    assert name_of(AnswerGiven(step="$budget", key="8", answer="no", by="form")) == "budget"
    assert name_of(AnswerGiven(step="hero", key="a", answer="x", by="form")) == "hero[a]"


def test_what_was_answered_elsewhere_stays_as_it_is() -> None:
    run = asked()
    run.feed(AnswerGiven(step="hero", key="", answer="studio", by="command"))
    late = read_form([], run.state, {("hero", ""): "neon"})
    assert late.answers == ()
    assert late.problems == ("hero was answered with 'studio' already",)
    assert read_form([], run.state, {("hero", ""): "studio"}).problems == ()


def test_half_of_a_character_in_a_key_is_asked_and_answered_by_its_escape() -> None:
    odd = replace(HERO, key="\ud83d", choices=("a\ud83d", "neon"))
    schema = form_of([odd]).model_json_schema()
    json.dumps(schema, ensure_ascii=False).encode()
    [name] = schema["required"]
    assert schema["properties"][name]["enum"] == ["a\\ud83d", "neon"]
    given = chosen(schema, {name: "a\\ud83d"})
    [answer] = read_form([odd], asked().state, given).answers
    assert (answer.key, answer.answer) == ("\ud83d", "a\ud83d")
    assert len(digest_of([odd])) == 12


def test_titles_tell_the_items_of_a_fan_out_apart() -> None:
    assert title(HERO) == "Which one?"
    assert title(replace(HERO, key="summer")) == "Which one? (summer)"
    assert title(BUDGET) == "Raise it to 8?"


def test_a_deadline_is_told_with_what_follows() -> None:
    assert until(HERO) == ""
    due = replace(HERO, deadline=NOON)
    assert until(due) == "Open until 2026-11-25 12:00 UTC; after that the pick fails."
    assert until(replace(due, on_timeout="first")).endswith("after that the first one is taken.")


def test_candidates_stand_side_by_side_with_what_tells_them_apart() -> None:
    [question] = asked().asked[-1].questions
    assert page(question).splitlines() == [
        "### Which one?",
        "",
        "A desk lamp on an oak table",
        "",
        "| **studio** | **neon** |",
        "| :-: | :-: |",
        "| ![studio](https://media.example/stills-studio) "
        "| ![neon](https://media.example/stills-neon) |",
        "| … studio style, 1 credit | … neon style, 1 credit |",
    ]


@pytest.mark.parametrize(
    ("count", "shape", "rows"),
    [
        (4, {}, [4]),
        (5, {}, [3, 2]),
        (6, {}, [3, 3]),
        (8, {"width": 768, "height": 1344}, [4, 4]),
        (4, {"width": 1344, "height": 768}, [2, 2]),
        (1, {"width": 1344, "height": 768}, [1]),
    ],
)
def test_many_candidates_make_rows_that_are_alike(
    count: int, shape: dict[str, Any], rows: list[int]
) -> None:
    many = replace(HERO, candidates=tuple(candidate(str(one), **shape) for one in range(count)))
    shown = [line for line in page(many).splitlines() if line.startswith("| **")]
    assert [row.count("**") // 2 for row in shown] == rows


def test_films_and_sounds_are_links() -> None:
    film = candidate("a", kind="video", url="https://media.example/a.mp4", duration_seconds=5.04)
    sound = candidate("b", kind="audio", url="https://media.example/b.mp3")
    shown = page(replace(HERO, candidates=(film, sound)))
    assert "[play the film, 5 s](https://media.example/a.mp4)" in shown
    assert "[play the sound](https://media.example/b.mp3)" in shown
    assert "![" not in shown


def test_a_budget_is_a_sentence() -> None:
    assert page(BUDGET) == "### Raise it to 8?"


def test_no_sign_of_a_key_or_prompt_means_anything_to_markdown() -> None:
    shown = page(replace(HERO, candidates=(candidate(HOSTILE), candidate("b"))))
    [header, rule, media, _] = [line for line in shown.splitlines() if line.startswith("|")]
    assert all(line.count("|") == 3 for line in (header, rule, media))
    assert not re.search(r"[<>`_~\\]", shown)
    assert "javascript&#58;alert" in shown
    assert shown.count("**") == 4
    assert shown.count("](") == 2


def test_text_becomes_no_link_and_survives_odd_signs() -> None:
    assert as_text("see https://evil.example or www.evil.example") == (
        "see http\u200bs&#58;&#47;&#47;evil.example or www\u200b.evil.example"
    )
    assert as_text("a@b.example") == "a\u200b&#64;b.example"
    assert as_text("1. oak") == "1&#46; oak"
    assert as_text("- oak. No - 2.5") == "&#45; oak. No - 2.5"
    assert as_text("दीपक ✨ – ok") == "दीपक ✨ – ok"
    assert as_text("\ud83d \u202e \x00") == "\ufffd \ufffd \ufffd"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/a b) [c](d", "](https://x.example/a%20b%29%20%5Bc%5D%28d)"),
        ("https://x.example/%41?a=1&b=%20", "](https://x.example/%41?a=1&b=%20)"),
        ("https://x.example/a|b<c>", "](https://x.example/a%7Cb%3Cc%3E)"),
        ("javascript:alert(1)", "no address for a browser"),
        ("file:///etc/passwd", "no address for a browser"),
        (None, "no address for a browser"),
    ],
)
def test_an_address_stays_within_its_brackets(url: str | None, shown: str) -> None:
    assert shown in page(replace(HERO, candidates=(candidate("a", url=url),)))
