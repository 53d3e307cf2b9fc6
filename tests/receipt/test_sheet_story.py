"""How long steps worked and asked a person, on the contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rivya_flows.receipt.sheet_story import StepTime, fold_steps, length, merge, step_times, without
from support.contact_sheets import DAY, at
from support.many_spots import spots_of
from support.receipts import parsed, receipt_of


def test_stretches_are_joined_cut_and_counted_once() -> None:
    assert merge([(5, 6), (0, 2), (1, 3), (3, 4)]) == [(0, 4), (5, 6)]
    assert without((0, 10), [(2, 3), (8, 20)]) == [(0, 2), (3, 8)]
    assert without((0, 10), [(0, 10)]) == []
    assert length([(0, 2), (5, 6)]) == 3


def when(seconds: float | None) -> str | None:
    return None if seconds is None else at(seconds)


def item(begin: float, end: float | None, *, key: str = "", **facts: Any) -> dict[str, Any]:
    return {"key": key, "began_at": at(begin), "ended_at": when(end), **facts}


def timed(
    *steps: list[dict[str, Any]], at_work: Sequence[tuple[float, float | None]]
) -> list[StepTime]:
    """The times of a run with the items of its steps, at work from one moment to another."""
    times = [{"began_at": at(begin), "ended_at": when(end)} for begin, end in at_work]
    named = [{"id": f"step-{n}", "items": items} for n, items in enumerate(steps)]
    made = parsed({"execution_times": times, "steps": named})
    return step_times(made, made.steps)


def test_items_that_work_at_the_same_time_count_once_beside_the_longest_step() -> None:
    items = [item(0, 4, key="a"), item(0, 8, key="b"), item(9, 10, key="c")]
    first, second = timed(items, [item(0, 3)], at_work=[(0, 10)])
    assert (first.seconds, first.share, first.took) == (9, 100, "9 s")
    assert first.label == "step-0: worked for 9 s, 3 items"
    assert (second.share, second.label) == (33.33, "step-1: worked for 3 s")


def test_the_wait_for_a_person_is_told_apart() -> None:
    waits = [{"asked_at": at(20), "answered_at": at(2 * DAY)}]
    asked = [item(18, 2 * DAY + 2, waits=waits)]
    _, row = timed([item(0, 18)], asked, at_work=[(0, 20), (2 * DAY, 2 * DAY + 3)])
    assert (row.took, row.asked) == ("4 s", "1 d 23 h asked")
    assert row.label == "step-1: worked for 4 s, asked a person for 1 d 23 h"


def test_an_item_does_not_work_while_nothing_drives_its_run() -> None:
    [row] = timed([item(0, DAY + 5)], at_work=[(0, 10), (DAY, DAY + 5)])
    assert row.took == "15 s"


def test_what_runs_now_lasts_until_the_last_moment_that_is_known() -> None:
    running = [item(5, None, status="running")]
    assert timed([item(0, 10)], running, at_work=[(0, None)])[1].took == "5 s"


def test_a_row_of_what_did_not_run_is_empty_and_says_so() -> None:
    row = timed([item(0, 1)], [{"status": "skipped"}], at_work=[(0, 1)])[1]
    assert (row.took, row.share, row.label) == ("", 0, "step-1: did not run")


@pytest.mark.parametrize(
    ("executions", "items"),
    [([], []), ([], [item(0, 1)]), ([{"began_at": at(0), "ended_at": at(1)}], [{}])],
)
def test_before_anything_has_begun_there_are_no_times(
    executions: list[dict[str, Any]], items: list[dict[str, Any]]
) -> None:
    made = parsed({"execution_times": executions, "steps": [{"items": items}]})
    assert step_times(made, made.steps) == []


def test_what_is_inside_an_include_or_a_repeat_is_one_row() -> None:
    run = spots_of()
    run.run()
    receipt = parsed(receipt_of(run))
    folded = [step for step, _ in fold_steps(receipt.steps)]
    assert [step.id for step in folded] == ["still", "variants", "spots", "sketch"]
    assert sum(step.credits for step in folded) == receipt.credits.spent
    rows = step_times(receipt, receipt.steps)
    assert len(rows) == len(folded)
    assert rows[2].label.startswith("spots: worked for ")


def test_a_clock_that_was_put_back_breaks_nothing() -> None:
    waits = [{"asked_at": at(9), "answered_at": at(3)}]
    [row] = timed([item(8, 2, waits=waits)], at_work=[(5, 1)])
    assert (row.seconds, row.share, row.took) == (0, 0, "0 s")
