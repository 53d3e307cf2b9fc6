"""Which candidates a pick takes: those that are there, the best, the first."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st

from rivya_flows.steps.candidates import (
    PickArguments,
    available,
    best,
    chosen_keys,
    pick_outputs,
    picked_from,
)
from support.naive_service import asset

STUDIO: dict[str, Any] = {"key": "studio", "asset": asset("image", "a")}
NEON: dict[str, Any] = {"key": "neon", "asset": asset("image", "b")}
FAILED: dict[str, Any] = {"key": "noir", "asset": None, "text": "of the matrix", "status": "failed"}
LINE: dict[str, Any] = {"key": "line", "text": "a lamp", "json": None, "status": "completed"}
FORM = {"key": "form", "text": "", "json": {"line": "a lamp"}, "status": "completed"}
EMPTY = {"key": "empty", "text": "", "json": None, "status": "completed"}


def test_items_with_a_medium_or_an_answer_can_be_picked() -> None:
    everything: list[dict[str, Any]] = [STUDIO, FAILED, LINE, FORM, EMPTY, NEON]
    assert available(everything) == [STUDIO, LINE, FORM, NEON]


def test_the_best_come_first_and_of_equal_ones_the_first() -> None:
    values = [("a", 1), ("b", 2), ("c", None), ("d", 2.0)]
    assert best(values, 1) == ("b",)
    assert best(values, 1, order="min") == ("a",)
    assert best(values, 3) == ("b", "d", "a")
    assert best(values, 3, order="min") == ("a", "b", "d")
    assert best(values, 4) == ()
    assert best(values, 2, least=2) == ("b", "d")
    assert best(values, 2, least=2.5) == ()


@given(values=st.lists(st.none() | st.integers(-3, 3)), count=st.integers(1, 4))
def test_nothing_left_out_is_better_than_what_is_picked(
    values: list[int | None], count: int
) -> None:
    named = {str(place): value for place, value in enumerate(values)}
    picked = best(named.items(), count)
    numbers = [value for value in values if value is not None]
    assert len(picked) == (count if len(numbers) >= count else 0)
    left = [value for key, value in named.items() if key not in picked and value is not None]
    chosen = [value for key in picked if (value := named[key]) is not None]
    assert chosen == sorted(chosen, reverse=True)
    assert not chosen or all(value <= chosen[-1] for value in left)


def test_what_a_person_picked_comes_before_the_best_and_that_before_the_first() -> None:
    pick = PickArguments.model_validate({"from": [STUDIO, FAILED, NEON]})
    assert chosen_keys(pick) == ("studio",)
    pick = pick.model_copy(update={"values": {"studio": 1, "neon": 2}})
    assert chosen_keys(pick) == ("neon",)
    assert chosen_keys(pick.model_copy(update={"picked": ("studio",)})) == ("studio",)


def test_outputs_name_the_first_one_and_list_all_in_the_order_of_choice() -> None:
    assert pick_outputs([STUDIO, LINE, NEON], ["neon", "line"]) == {
        "asset": NEON["asset"],
        "key": "neon",
        "item": NEON,
        "items": [NEON, LINE],
        "assets": [NEON["asset"]],
    }


def test_an_answer_of_a_chat_is_picked_without_a_medium() -> None:
    found: Any = picked_from({"from": [FAILED, LINE]})
    assert (found["asset"], found["item"]["text"], found["assets"]) == (None, "a lamp", [])


def test_what_is_not_available_is_not_picked() -> None:
    for keys in (["studio", "noir"], ["nobody"], []):
        assert pick_outputs([STUDIO, FAILED], keys) is None
