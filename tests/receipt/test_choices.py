"""The choices of a run: waiting, decided, failed, judged, and asked again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rivya_flows.questions.open_questions import MAX_TEXT, answerable, question_asked
from rivya_flows.queue.events import AnsweredBy, AnswerGiven
from rivya_flows.queue.items import Score
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import choice_of
from rivya_flows.receipt.model import Choice
from rivya_flows.receipt.summary import choices, how_picked
from support.judged_picks import judged as judged_run
from support.naive_service import NOON, NaiveService, Rehearsal, frozen
from support.picks import past_its_deadline, waiting
from support.receipts import check, parsed, receipt_of, whole

PRIYA = AnsweredBy(name="Priya", channel="form", at=NOON + timedelta(minutes=4))


def hero(state: State) -> dict[str, Any]:
    asked = {(one.step, one.key): one for one in answerable(state)}
    choice = choice_of(state, "hero", state.item("hero", ""), asked.get(("hero", "")))
    assert choice is not None
    return choice.model_dump(mode="json")


def answered(by: AnsweredBy | str) -> Rehearsal:
    run = waiting()
    run.feed(AnswerGiven(step="hero", key="", answer="neon", by=by))
    run.run()
    return run


def judged(*scores: float, **arguments: Any) -> State:
    """The state of the waiting run with these scores of a judge."""
    state = waiting().state
    item = state.item("hero", "")
    assert item.request is not None
    request = replace(item.request, arguments={**item.request.arguments, **arguments})
    said = [
        Score(key, score, f"{key} is {score}")
        for key, score in zip(("studio", "neon"), scores, strict=False)
    ]
    state.change("hero", item._replace(requests=(request,), scores=tuple(said)))
    return state


def test_a_waiting_pick_has_its_question_and_numbered_candidates() -> None:
    run = waiting()
    choice = hero(run.state)
    assert choice["waiting"]
    assert (choice["mode"], choice["question"]) == ("human", "Which one for hero?")
    assert [(one["n"], one["key"], one["credits"]) for one in choice["candidates"]] == [
        (1, "studio", 1),
        (2, "neon", 1),
    ]
    assert (choice["picked"], choice["by"]) == ([], None)
    assert (choice["on_timeout"], choice["then"]) == ("fail", "fail")
    check(receipt_of(run))


def test_a_decided_pick_says_who_picked_what() -> None:
    run = answered(PRIYA)
    choice = hero(run.state)
    assert (choice["waiting"], choice["picked"]) == (False, ["neon"])
    assert choice["by"] == {"name": "Priya", "channel": "form", "at": "2026-11-25T12:04:00Z"}
    assert [one["picked"] for one in choice["candidates"]] == [False, True]
    check(receipt_of(run))


def test_a_pick_that_its_deadline_failed_still_waits_for_an_answer() -> None:
    run = past_its_deadline()
    choice = hero(run.state)
    assert (choice["waiting"], choice["deadline"]) == (True, "2026-11-25T13:00:00.000Z")
    check(receipt_of(run))
    assert "  no one answered by 2026-11-25 13:00 UTC; an answer still counts" in choices(
        parsed(receipt_of(run))
    )


def test_a_pick_without_candidates_has_no_choice() -> None:
    run = waiting()
    state = run.state
    state.change("hero", state.item("hero", "")._replace(requests=()))
    assert choice_of(state, "hero", state.item("hero", ""), None) is None


@pytest.mark.parametrize(
    ("scores", "least", "proposed"),
    [((4, 8.5), 0, [False, True]), ((7, 7), 0, [True, False]), ((4, 5), 6, [False, False])],
)
def test_the_best_score_is_proposed_if_it_is_good_enough(
    scores: tuple[float, ...], least: float, proposed: list[bool]
) -> None:
    judge = {"model": "gemini-2-5-flash-chat", "criteria": ["whole"], "least": least}
    choice = hero(judged(*scores, judge=judge, mode="judge"))
    assert [one["proposed"] for one in choice["candidates"]] == proposed
    assert [one["score"] for one in choice["candidates"]] == list(scores)
    assert choice["candidates"][0]["reason"] == f"studio is {scores[0]}"
    assert choice["judge"] == {**judge, "frames": None}


def test_a_choice_says_how_many_are_picked_and_by_which_values() -> None:
    choice = hero(judged(mode="best", values={"studio": 0.5, "neon": None}, count=2))
    assert (choice["count"], [one["score"] for one in choice["candidates"]]) == (2, [0.5, None])


def test_a_long_text_is_cut() -> None:
    many = [{"key": "a", "text": "x" * 9000}, {"key": "b", "json": {"line": "Go"}}]
    first, second = hero(judged(**{"from": many, "mode": "first"}))["candidates"]
    assert len(first["text"]) == MAX_TEXT
    assert second["text"] == '{"line":"Go"}'


def test_the_summary_of_a_waiting_pick_has_all_that_is_needed_to_answer() -> None:
    run = waiting()
    run.feed(question_asked(run.state.asking[0], NOON))
    assert choices(parsed(receipt_of(run))) == [
        "hero waits for an answer: Which one for hero?",
        "  open until 2026-11-25 13:00 UTC; after that the step fails",
        "  1  studio",
        "  2  neon",
        "  rivya-flows resume run-1 --answer hero=NUMBER",
    ]


def test_the_summary_of_a_decided_pick_says_who_picked_and_what_the_judge_said() -> None:
    document = receipt_of(answered(PRIYA))
    [who] = choices(parsed(document))
    asked = " (Which one for hero?)"
    assert who == f"hero: neon, picked by Priya in Prefect's form, 2026-11-25 12:04 UTC{asked}"
    choice = document["steps"][1]["items"][0]["choice"]
    choice |= {"judge": {"model": "m"}, "judge_error": "half an\nanswer"}
    choice["candidates"][1] |= {"score": 8.5, "reason": "lit\x1b[2J", "proposed": True}
    listed = ["  studio", "  neon  8.5 of 10, proposed, picked: lit\\x1b[2J"]
    assert choices(parsed(document))[1:] == ["  no scores: half an\\nanswer", *listed]
    choice |= {"picked": [], "judge_error": None}
    assert choices(parsed(document)) == [f"hero: nothing is picked{asked}", *listed]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "hero: s00, picked as the first"),
        (", mode: best, by: '${{ item.credits }}'", "hero: s00, picked by value"),
    ],
)
def test_a_pick_without_a_person_says_how_it_chose(more: str, said: str) -> None:
    many = ", ".join(f"s{number:02}" for number in range(15))
    text = ROUNDS.replace("studio, neon", many).replace(", mode: human, none: {rounds: 2}", more)
    run = Rehearsal(frozen(text), NaiveService())
    run.take_up()
    run.run()
    head, *listed = choices(parsed(receipt_of(run)))
    assert head == said
    # Only what was compared is told, the first of many.
    assert (listed[-1:] == ["  and 3 more"]) == bool(more)
    assert len(listed) == (13 if more else 0)


@pytest.mark.parametrize(("keys", "taken"), [("a", "first was"), ("ab", "first 2 were")])
def test_a_deadline_says_how_many_it_took(keys: str, taken: str) -> None:
    facts = {"by": {"channel": "deadline"}, "on_timeout": "first", "picked": list(keys)}
    choice = Choice.model_validate(whole("choice", facts))
    assert how_picked(choice) == f"the deadline: no one answered, so the {taken} taken"


ROUNDS = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 2}}
"""


def test_a_later_round_has_the_note_and_what_was_refused() -> None:
    run = Rehearsal(frozen(ROUNDS), NaiveService())
    run.take_up()
    run.run()
    run.feed(AnswerGiven(step="hero", key="", answer="", none=True, note="warmer", by=PRIYA))
    run.run()
    choice = hero(run.state)
    assert (choice["round"], choice["rounds_left"], choice["notes"]) == (1, 1, ["warmer"])
    assert [one["sha256"] for one in choice["candidates"]] == [
        "hero.stills.2-studio",
        "hero.stills.2-neon",
    ]
    assert [(one["round"], one["sha256"]) for one in choice["earlier"]] == [
        (0, "stills-studio"),
        (0, "stills-neon"),
    ]
    check(receipt_of(run))
    run.feed(AnswerGiven(step="hero", key="", answer="neon", picked=("neon",), round=1, by=PRIYA))
    run.run()
    assert choices(parsed(receipt_of(run)))[1] == "  round 2, with the note: warmer"


def test_a_judge_that_found_nothing_good_enough_leaves_a_question_with_words() -> None:
    run = judged_run(least=6)
    assert choices(parsed(receipt_of(run)))[0] == "hero waits for an answer: Which one for hero?"
