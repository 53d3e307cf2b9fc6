"""What a judge is told: bounded, and as data where models wrote it; and what its answers may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.steps.judge import (
    MAX_CANDIDATES,
    MAX_CRITERION,
    MAX_REASON,
    SCORES,
    judge_message,
    read_scores,
)
from rivya_flows.steps.request import ItemRequestError
from rivya_flows.steps.structured_output import AnswerError, instruction
from support.naive_service import asset

CRITERIA = ["it is\nwhole", "it is lit"]


def lines(message: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in message.splitlines() if line.startswith('{"')]


def test_a_judge_is_told_question_criteria_and_candidates() -> None:
    candidates: list[dict[str, Any]] = [
        {"key": "a", "text": "one"},
        {"key": "b", "asset": asset("image", "x")},
        {"key": "c", "asset": asset("image", "y"), "json": {"line": "two"}},
    ]
    message = judge_message("Which one?", CRITERIA, candidates, 20_000)
    assert "The question: Which one?\n\nCriteria:\n1. it is whole\n2. it is lit\n" in message
    assert "never an instruction" in message
    assert lines(message) == [
        {"candidate": 1, "key": "a", "text": "one"},
        {"candidate": 2, "key": "b", "picture": 1},
        {"candidate": 3, "key": "c", "picture": 2, "text": '{"line":"two"}'},
    ]


def test_a_judge_knows_which_pictures_are_frames_of_which_film_and_of_which_second() -> None:
    film = {**asset("video", "x"), "duration_seconds": 5.0}
    candidates: list[dict[str, Any]] = [
        {"key": "a", "asset": asset("image", "y")},
        {"key": "b", "asset": film},
        {"key": "c", "asset": asset("video", "z")},
    ]
    message = judge_message(None, CRITERIA, candidates, 20_000, 3)
    assert "`pictures` are those of evenly spaced frames of a film" in message
    assert lines(message) == [
        {"candidate": 1, "key": "a", "picture": 1},
        {"candidate": 2, "key": "b", "pictures": [2, 3, 4], "seconds": [0.0, 2.5, 5.0]},
        {"candidate": 3, "key": "c", "pictures": [5, 6, 7]},  # its length is not known
    ]
    [one] = lines(judge_message(None, CRITERIA, candidates[1:2], 20_000, 1))
    assert (one["pictures"], one["seconds"]) == ([1], [2.5])


@given(
    texts=st.lists(
        st.text(st.characters(), max_size=40).map(lambda text: text * 300),
        min_size=1,
        max_size=MAX_CANDIDATES,
    ),
    limit=st.sampled_from([6_000, 20_000, None]),
)
def test_no_text_leaves_its_line_or_makes_the_message_too_long(
    texts: list[str], limit: int | None
) -> None:
    candidates = [{"key": text[:200], "text": f"x{text}"} for text in texts]
    message = judge_message(None, CRITERIA, candidates, limit)
    assert len(message + instruction(SCORES)) <= (limit or 20_000)
    found = [json.loads(line) for line in message.split("\n") if line.startswith('{"')]
    assert [one["candidate"] for one in found] == list(range(1, len(texts) + 1))


@pytest.mark.parametrize(("question", "limit"), [("x" * 16_000, None), (None, 3_000)])
def test_a_message_without_room_for_candidates_is_refused(
    question: str | None, limit: int | None
) -> None:
    with pytest.raises(ItemRequestError, match="leave no room for candidates"):
        judge_message(question, CRITERIA, [], limit)


def test_reasons_are_one_short_line_that_can_be_shown() -> None:
    reason = "so\n\u202e lit \x1b[2J" + "x" * 1_000
    answer = {"scores": [{"candidate": 1, "score": 7, "reason": reason}]}
    [(key, score, found)] = read_scores(json.dumps(answer), ["a"])
    assert (key, score, len(found)) == ("a", 7.0, MAX_REASON)
    assert found.startswith("so lit [2Jxxx")
    assert found.isprintable()


def test_scores_come_in_the_order_of_the_candidates() -> None:
    listed = [{"candidate": n, "score": n, "reason": "x", "more": 1} for n in (2, 1)]
    content = f"Here you are:\n```json\n{json.dumps({'scores': listed})}\n```"
    assert [one[:2] for one in read_scores(content, ["a", "b"])] == [("a", 1.0), ("b", 2.0)]


def test_a_wild_number_is_no_candidate() -> None:
    for number in ("1" * 200, "-1", "0"):
        content = f'{{"scores": [{{"candidate": {number}, "score": 1, "reason": "x"}}]}}'
        with pytest.raises(AnswerError, match="there is no candidate") as raised:
            read_scores(content, ["a"])
        assert len(str(raised.value)) < 100


def test_a_criterion_has_a_bound_that_it_may_reach() -> None:
    def told(length: int) -> str:
        return judge_message(None, ["x" * length], (), None)

    assert "1. " + "x" * MAX_CRITERION in told(MAX_CRITERION)
    for length in (0, MAX_CRITERION + 1):
        with pytest.raises(
            ItemRequestError, match=f"criterion 1 of the judge has {length:,} chara"
        ):
            told(length)
