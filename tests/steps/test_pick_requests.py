"""The request of a pick: a number for each candidate, or chats with a judge."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.workflow import Step
from rivya_flows.plans.requests import build_request
from rivya_flows.steps.arguments import World
from rivya_flows.steps.candidates import chosen_keys
from rivya_flows.steps.judge import chats_about
from rivya_flows.steps.pick import PickWith
from rivya_flows.steps.request import ItemRequest, ItemRequestError
from support.naive_service import asset

STILLS = [
    {"key": key, "asset": asset("image", key), "rating": rating}
    for key, rating in (("studio", 3), ("neon", 5), ("noir", None), ("street", 5))
]
JUDGE = {"model": "gemini-2-5-flash-chat", "criteria": ["it is whole"]}


def request(candidates: Any = STILLS, **arguments: Any) -> ItemRequest:
    with_ = PickWith.model_validate({"from": "${{ inputs.candidates }}", **arguments})
    step = Step.model_validate({"id": "hero", "uses": "pick", "with": with_})
    scope = {
        "inputs": {"candidates": candidates, "factor": 2, "mode": "first"},
        "item": "of a loop",
    }
    return build_request(step, scope, World(shipped(), "naive"))


def test_by_is_evaluated_for_each_candidate_and_null_is_not_eligible() -> None:
    asked = request(mode="best", by="${{ item.rating * inputs.factor }}")
    assert asked.arguments["values"] == {"studio": 6, "neon": 10, "noir": None, "street": 10}
    assert chosen_keys(asked.pick) == ("neon",)
    assert not asked.buys
    least = request(mode="best", by="${{ item.rating }}", order="min", count=2)
    assert chosen_keys(least.pick) == ("studio", "neon")


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("${{ item.key }}", "'by' of candidate 'studio' must be a number, not 'studio'"),
        ("${{ item.rating == 3 }}", "'by' of candidate 'studio' must be a number, not true"),
        ("${{ item.asset }}", "'by' of candidate 'studio' must be a number, not a map"),
        ("${{ item.stars }}", "'by' of candidate 'studio': "),
        ("${{ item.rating }} stars", "'by' of candidate 'studio' must be a number, not '3 stars'"),
        (None, "`mode: best` needs 'by'"),
    ],
)
def test_by_that_gives_no_number_names_the_candidate(by: Any, message: str) -> None:
    with pytest.raises(ItemRequestError) as raised:
        request(mode="best", by=by)
    assert str(raised.value).startswith(message)


def test_a_judge_is_a_chat_about_the_pictures_that_are_there() -> None:
    failed = {"key": "failed", "asset": None, "status": "failed"}
    asked = request([failed, *STILLS], mode="judge", judge=JUDGE)
    assert asked.buys
    assert asked.model == "gemini-2-5-flash-chat"
    assert asked.chats == ((1, 2, 3, 4),)
    assert [one.source for one in asked.uploads] == ["studio", "neon", "noir", "street"]
    assert (asked.price.max, asked.request_hash, asked.is_function) == (1, "", False)
    assert chats_about(asked, {"studio", "street"}) == ((2, 3),)


def test_many_candidates_are_several_chats_and_the_first_one_needs_its_pictures_alone() -> None:
    many = [{"key": str(n), "asset": asset("image", str(n))} for n in range(300)]
    asked = request(many, mode="human", judge=JUDGE)
    assert len(asked.chats) == 38
    assert asked.chats[-1] == (296, 297, 298, 299)
    assert len(asked.uploads) == 8


def test_a_judge_that_the_mode_does_not_ask_is_not_asked_and_may_be_anything() -> None:
    for mode in ("first", "best"):
        asked = request(mode=mode, judge=JUDGE, by=1)
        assert (asked.buys, asked.model) == (False, None)
    judge = {"model": "${{ inputs.factor }}", "criteria": ["a"]}
    asked = request(mode="${{ inputs.mode }}", judge=judge)
    assert chosen_keys(asked.pick) == ("studio",)
    assert "judge" not in asked.arguments


def test_a_judge_of_texts_needs_no_attachments() -> None:
    texts = [{"key": "a", "text": "one"}, {"key": "b", "json": {"line": "two"}}]
    asked = request(texts, mode="judge", judge={**JUDGE, "model": "claude-sonnet-4-6-chat"})
    assert (asked.chats, asked.uploads) == (((0, 1),), ())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`mode: judge` needs 'judge'"),
        ({"judge": {**JUDGE, "model": "z-image"}}, "'z-image' is a model for generate"),
        ({"judge": {**JUDGE, "model": "gpt-9"}}, "no model 'gpt-9'"),
        ({"judge": {**JUDGE, "model": "claude-sonnet-4-6-chat"}}, "'claude-sonnet-4-6-chat' takes no attachments"),
        ({"candidates": [{"key": "clip", "asset": asset("video", "clip")}], "judge": JUDGE},
         "a judge sees a film by frames of it; candidate 'clip' is a film; add `frames: 4`"),
        ({"candidates": [{"key": "clip", "asset": asset("audio", "clip")}], "judge": JUDGE},
         "a judge sees pictures and films and reads texts; candidate 'clip' is audio"),
        ({"judge": {**JUDGE, "criteria": ["${{ inputs.factor }}", "${{ '' }}"]}},
         "criterion 2 of the judge has 0 characters"),
    ],
)  # fmt: skip
def test_a_judge_that_cannot_judge_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ItemRequestError) as raised:
        request(mode="judge", **arguments)
    assert str(raised.value).startswith(message)
