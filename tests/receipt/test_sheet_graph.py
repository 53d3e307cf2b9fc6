"""The graph of a contact sheet: levels, arrows and bounds."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

from hypothesis import given, strategies as st

from rivya_flows.receipt.model import Step
from rivya_flows.receipt.sheet_graph import MAX_STEPS, Drawing, graph, levels_of, needs_of
from support.receipts import whole


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
    drawn = graph(steps)
    if drawn is None or drawn.crowded:
        return
    (width, height), nodes = drawn.node, drawn.nodes
    assert sorted(node.step.id for node in nodes) == sorted(one.id for one in steps)
    assert all(0 <= node.x <= drawn.width - width for node in nodes)
    assert all(0 <= node.y <= drawn.height - height for node in nodes)
    for x in {node.x for node in nodes}:
        column = sorted(node.y for node in nodes if node.x == x)
        assert all(b - a >= height for a, b in pairwise(column))
    assert graph(steps) == drawn


def test_an_arrow_over_several_levels_passes_by_the_nodes_between() -> None:
    drawn = graph(steps_of(a=[], b=["a"], c=["b"], d=["a", "c"]))
    assert drawn is not None
    # From a past b and c to d are three parts; the last one has a head.
    assert sorted(ends for _, ends in drawn.arrows) == [False, False, True, True, True, True]


def test_nodes_say_what_they_are() -> None:
    film = step(id="film", needs=["stills"], uses="generate", credits=1200, items=[{}, {}])
    steps = [step(id="stills"), film]
    drawn = graph(steps)
    assert drawn is not None
    node = drawn.nodes[1]
    assert node.words == "film: generate · 2 items, completed, 1,200 credits, after stills"
    assert (node.what, node.cost) == ("generate · 2 items", "1,200 credits")


def test_too_many_steps_or_arrows_are_not_drawn_and_nothing_without_an_arrow() -> None:
    chain = [step(id=str(n), needs=[str(n - 1)]) for n in range(MAX_STEPS + 1)]
    assert graph(chain) == Drawing(MAX_STEPS + 1)
    tangle = [step(id=str(n), needs=[str(one) for one in range(n)]) for n in range(40)]
    assert graph(tangle) == Drawing(40)
    assert graph([]) is graph(steps_of(a=[], b=[])) is None


def test_only_steps_that_come_before_are_needed() -> None:
    assert needs_of(steps_of(a=["b", "a"], b=["a", "a", "gone"])) == [[], [0]]
