"""The story of a run on its contact sheet: time axis, timeline, and the graph of the steps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.receipt.model import Step
from rivya_flows.receipt.sheet_story import (
    MAX_STEPS,
    Axis,
    Drawing,
    Stretch,
    Timeline,
    fold_steps,
    graph,
    length,
    levels_of,
    merge,
    needs_of,
    timeline,
    within,
    without,
)
from support.contact_sheets import DAY, at
from support.many_spots import spots_of
from support.receipts import parsed, receipt_of, whole

MOMENTS = st.floats(0, 10**7, allow_nan=False)
STRETCHES = st.lists(st.tuples(MOMENTS, MOMENTS).map(lambda one: (min(one), max(one))), max_size=12)


@given(busy=STRETCHES, moments=st.lists(MOMENTS, min_size=2, max_size=20))
def test_a_later_moment_is_never_further_left_and_all_are_on_the_axis(
    busy: list[Stretch], moments: list[float]
) -> None:
    axis = Axis.of(0, 10**7, busy)
    places = [axis.x(moment) for moment in sorted(moments)]
    assert all(earlier <= later + 1e-6 for earlier, later in pairwise(places))
    assert axis.x(0) == 0
    assert axis.x(10**7) == pytest.approx(100)
    assert axis.x(-5) == axis.x(0)
    assert axis.x(10**9) == axis.x(10**7)


@given(busy=STRETCHES)
def test_no_work_is_left_out_and_what_is_left_out_takes_a_third_at_most(
    busy: list[Stretch],
) -> None:
    axis = Axis.of(0, 10**7, busy)
    assert length(within(merge(busy), axis.gaps)) == 0
    assert sum(axis.x(end) - axis.x(begin) for begin, end in axis.gaps) <= 30 + 1e-6
    assert axis.x(10**7) == pytest.approx(100)


@given(busy=STRETCHES, end=st.floats(0, 10**7, allow_nan=False))
def test_ticks_are_few_in_order_and_where_time_is_drawn(busy: list[Stretch], end: float) -> None:
    axis = Axis.of(0, end, busy)
    places = [x for x, _ in axis.ticks()]
    assert 1 <= len(places) <= 7
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 100 + 1e-6


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.5, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]),
        (8, ["0 s", "2 s", "4 s", "6 s", "8 s"]),
        (100, ["0 s", "20 s", "40 s", "60 s", "80 s", "100 s"]),
        (600, ["0 min", "2 min", "4 min", "6 min", "8 min", "10 min"]),
        (4 * 3600, ["0 h", "1 h", "2 h", "3 h", "4 h"]),
        (10 * 86_400, ["0 d", "2 d", "4 d", "6 d", "8 d", "10 d"]),
        (0, ["0 s"]),
    ],
)
def test_ticks_have_the_unit_that_fits_the_length(seconds: float, told: list[str]) -> None:
    assert [text for _, text in Axis.of(50, 50 + seconds, [(50, 50 + seconds)]).ticks()] == told


def test_a_run_that_goes_on_two_days_later_has_room_for_both_parts() -> None:
    day = 86_400.0
    axis = Axis.of(0, 2 * day + 60, [(0, 60), (2 * day, 2 * day + 60)])
    assert axis.gaps == [(60, 2 * day)]
    assert (axis.x(60), axis.x(2 * day)) == (48, 52)
    assert (axis.x(30), axis.x(2 * day + 30)) == (24, 76)
    # Ticks tell the time that is drawn: the second part goes on where the first one ended.
    assert axis.ticks()[-1] == (100, "120 s")


def test_a_short_pause_is_drawn_as_it_is() -> None:
    assert Axis.of(0, 14, [(0, 5), (9, 14)]).gaps == []


def test_stretches_are_joined_cut_and_counted_once() -> None:
    assert merge([(5, 6), (0, 2), (1, 3), (3, 4)]) == [(0, 4), (5, 6)]
    assert without((0, 10), [(2, 3), (8, 20)]) == [(0, 2), (3, 8)]
    assert without((0, 10), [(0, 10)]) == []
    assert length([(0, 2), (5, 6)]) == 3


def test_only_the_longest_idle_stretches_are_left_out() -> None:
    begins = [n * 1000.0 for n in range(40)] + [50_000.0]
    axis = Axis.of(0, 50_001, [(one, one + 1) for one in begins])
    assert len(axis.gaps) == 30
    assert max(end - begin for begin, end in axis.gaps) == 50_000 - 39_001
    assert axis.x(50_001) == pytest.approx(100)


def when(seconds: float | None) -> str | None:
    return None if seconds is None else at(seconds)


def item(begin: float, end: float | None, *, key: str = "", **facts: Any) -> dict[str, Any]:
    return {"key": key, "began_at": at(begin), "ended_at": when(end), **facts}


def drawn(*steps: list[dict[str, Any]], at_work: Sequence[tuple[float, float | None]]) -> Timeline:
    """The timeline of a run with the items of its steps, at work from one moment to another."""
    times = [{"began_at": at(begin), "ended_at": when(end)} for begin, end in at_work]
    named = [{"id": f"step-{n}", "items": items} for n, items in enumerate(steps)]
    made = parsed({"execution_times": times, "steps": named})
    found = timeline(made, made.steps)
    assert found is not None
    return found


def test_items_that_work_at_the_same_time_lie_one_below_the_other() -> None:
    items = [item(0, 4, key="a"), item(0, 8, key="b"), item(4, 10, key="c")]
    bars = drawn(items, at_work=[(0, 10)]).rows[0].bars
    first, second, third = sorted(bars, key=lambda one: one.title)
    assert first.lane == third.lane < second.lane
    assert [(one.x, one.width) for one in (first, second, third)] == [(0, 40), (0, 80), (40, 60)]
    assert [one.title for one in (first, second)] == ["a: 4 s, completed", "b: 8 s, completed"]


def test_the_wait_for_a_person_is_drawn_apart_and_long_ones_are_left_out() -> None:
    waits = [{"asked_at": at(20), "answered_at": at(2 * DAY)}]
    asked = [item(18, 2 * DAY + 2, waits=waits)]
    found = drawn([item(0, 18)], asked, at_work=[(0, 20), (2 * DAY, 2 * DAY + 3)])
    [gap] = found.gaps
    assert (gap.kind, gap.text) == ("wait", "1 d 23 h left out: a person was asked")
    row = found.rows[1]
    assert [one.kind for one in row.bars] == ["completed", "completed", "wait"]
    assert (row.took, row.asked, found.waited) == ("4 s", "1 d 23 h asked", True)
    assert row.label == "step-1: worked for 4 s, asked a person for 1 d 23 h"


def test_an_item_does_not_work_while_nothing_drives_its_run() -> None:
    found = drawn([item(0, DAY + 5)], at_work=[(0, 10), (DAY, DAY + 5)])
    assert [one.kind for one in found.gaps] == ["stopped"]
    assert (found.rows[0].took, len(found.rows[0].bars)) == ("15 s", 2)


def test_what_runs_now_lasts_until_the_last_moment_that_is_known() -> None:
    found = drawn([item(0, 10)], [item(5, None, status="running")], at_work=[(0, None)])
    assert [(one.x, one.width, one.kind) for one in found.rows[1].bars] == [(50, 50, "running")]


def test_a_step_of_very_many_items_is_one_bar_with_its_worst_status() -> None:
    many = [item(n / 100, 50, key=str(n)) for n in range(100)]
    many[7]["status"] = "failed"
    [bar] = drawn(many, at_work=[(0, 50)]).rows[0].bars
    assert (bar.kind, bar.title) == ("failed", "100 items of step-0: 50 s, failed")


def test_the_bars_of_a_page_are_bounded_also_of_a_run_that_was_resumed_a_thousand_times() -> None:
    many = [[item(n, n + 1, key=str(n)) for n in range(600)] for _ in range(10)]
    rows = drawn(*many, at_work=[(0, 600)]).rows
    assert sum(len(row.bars) for row in rows) < 2100
    assert all(row.bars for row in rows)
    steps = [[item(0, 1000 * DAY, key=f"{key}") for key in range(9)] for _ in range(20)]
    found = drawn(*steps, at_work=[(n * DAY, n * DAY + 1) for n in range(1000)])
    assert sum(len(row.bars) for row in found.rows) <= 2000 + 201 * len(steps)
    assert len(found.gaps) == 30


@pytest.mark.parametrize("moment", [0, 5, 10])
def test_what_takes_no_time_can_still_be_seen(moment: float) -> None:
    [bar] = drawn([item(moment, moment)], [item(0, 10)], at_work=[(0, 10)]).rows[0].bars
    assert bar.width == 0.7
    assert 0 <= bar.x <= 100 - bar.width


def test_a_row_of_what_did_not_run_is_empty_and_says_so() -> None:
    row = drawn([item(0, 1)], [{"status": "skipped"}], at_work=[(0, 1)]).rows[1]
    assert (row.bars, row.label) == ([], "step-1: did not run")


@pytest.mark.parametrize(
    ("executions", "items"),
    [([], []), ([], [item(0, 1)]), ([{"began_at": at(0), "ended_at": at(1)}], [{}])],
)
def test_before_anything_has_begun_there_is_no_timeline(
    executions: list[dict[str, Any]], items: list[dict[str, Any]]
) -> None:
    made = parsed({"execution_times": executions, "steps": [{"items": items}]})
    assert timeline(made, made.steps) is None


def test_what_is_inside_an_include_or_a_repeat_is_one_row_and_one_node() -> None:
    run = spots_of()
    run.run()
    receipt = parsed(receipt_of(run))
    folded = [step for step, _ in fold_steps(receipt.steps)]
    assert [step.id for step in folded] == ["still", "variants", "spots", "sketch"]
    assert sum(step.credits for step in folded) == receipt.credits.spent
    drawn = timeline(receipt, receipt.steps)
    assert drawn is not None
    spots = drawn.rows[2]
    assert spots.label.startswith("spots: worked for ")
    assert {bar.title.partition(":")[0] for bar in spots.bars} >= {
        "spots__oslo__look", "spots__pune__clip",
    }  # fmt: skip


def test_an_include_needs_what_anything_inside_needs() -> None:
    steps = [
        {"id": "still"},
        {"id": "spots__oslo__clip", "part_of": "spots", "needs": ["still"], "credits": 2},
        {"id": "spots", "needs": ["spots__oslo__clip"]},
    ]
    [_, (spots, inside)] = fold_steps(parsed({"steps": steps}).steps)
    assert (spots.credits, spots.needs) == (2, ("still",))
    assert [one.id for one in inside] == ["spots__oslo__clip", "spots"]


def test_a_clock_that_was_put_back_breaks_nothing() -> None:
    waits = [{"asked_at": at(9), "answered_at": at(3)}]
    bars = drawn([item(8, 2, waits=waits)], at_work=[(5, 1)]).rows[0].bars
    assert all(0 <= one.x <= one.x + one.width <= 100.01 for one in bars)


# --- The graph ---


def step(**facts: Any) -> Step:
    return Step.model_validate(whole("steps", {"uses": "", **facts}))


def steps_of(**needs: list[str]) -> list[Step]:
    return [step(id=name, needs=of) for name, of in needs.items()]


@st.composite
def anything(draw: st.DrawFn) -> list[Step]:
    """Steps that need some of those before them."""
    count, seed = draw(st.integers(2, MAX_STEPS)), draw(st.integers(0, 10**6))
    luck, share = random.Random(seed), draw(st.floats(0, 0.3))
    return [
        step(id=str(n), needs=[str(one) for one in range(n) if luck.random() < share])
        for n in range(count)
    ]


@given(anything())
def test_each_step_stands_right_of_all_that_it_needs(steps: list[Step]) -> None:
    needs = needs_of(steps)
    levels = levels_of(needs)
    assert all(levels[one] < levels[at] for at, before in enumerate(needs) for one in before)
    assert all(level == 0 or needs[at] for at, level in enumerate(levels))


@given(anything())
def test_no_node_lies_over_another_or_beyond_the_drawing(steps: list[Step]) -> None:
    drawing = graph(steps)
    if drawing is None or drawing.crowded:
        return
    (width, height), nodes = drawing.node, drawing.nodes
    assert sorted(node.step.id for node in nodes) == sorted(one.id for one in steps)
    assert all(0 <= node.x <= drawing.width - width for node in nodes)
    assert all(0 <= node.y <= drawing.height - height for node in nodes)
    for x in {node.x for node in nodes}:
        column = sorted(node.y for node in nodes if node.x == x)
        assert all(b - a >= height for a, b in pairwise(column))
    assert graph(steps) == drawing


def test_an_arrow_over_several_levels_passes_by_the_nodes_between() -> None:
    drawing = graph(steps_of(a=[], b=["a"], c=["b"], d=["a", "c"]))
    assert drawing is not None
    # From a past b and c to d are three parts; the last one has a head.
    assert sorted(ends for _, ends in drawing.arrows) == [False, False, True, True, True, True]


def test_nodes_say_what_they_are() -> None:
    film = step(id="film", needs=["stills"], uses="generate", credits=1200, items=[{}, {}])
    steps = [step(id="stills"), film]
    drawing = graph(steps)
    assert drawing is not None
    node = drawing.nodes[1]
    assert node.label == "film: generate · 2 items, completed, 1,200 credits, after stills"
    assert (node.what, node.cost) == ("generate · 2 items", "1,200 credits")


def test_too_many_steps_or_arrows_are_not_drawn_and_nothing_without_an_arrow() -> None:
    chain = [step(id=str(n), needs=[str(n - 1)]) for n in range(MAX_STEPS + 1)]
    assert graph(chain) == Drawing(MAX_STEPS + 1)
    tangle = [step(id=str(n), needs=[str(one) for one in range(n)]) for n in range(40)]
    assert graph(tangle) == Drawing(40)
    assert graph([]) is graph(steps_of(a=[], b=[])) is None


def test_only_steps_that_come_before_are_needed() -> None:
    assert needs_of(steps_of(a=["b", "a"], b=["a", "a", "gone"])) == [[], [0]]
