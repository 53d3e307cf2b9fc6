"""What a fork takes of the run that it repeats."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.plans.plan import RunPlan
from rivya_flows.queue.forks import finished, fork_of, is_made_again, made_again
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.reducer import initial_state
from support.judged_picks import Judging, again, chats, hero, judged, judged_spec
from support.naive_service import NaiveService, Rehearsal, frozen

OUTER = """
version: 1
name: outer
steps:
  first: {uses: generate, with: {model: z-image, prompt: lamp}}
  inner: {uses: include, with: {spec: inner.yaml}}
  inner2: {uses: generate, with: {model: z-image, prompt: other}}
  last:
    uses: generate
    with: {model: nano-banana, prompt: last, references: ["${{ steps.inner.outputs.still }}"]}
finally:
  tell: {uses: notify, with: {url: "https://example.com", body: {still: "${{ steps.last.asset }}"}}}
"""
INNER = """
version: 1
name: inner
steps:
  still: {uses: generate, with: {model: z-image, prompt: lamp}}
outputs: {still: "${{ steps.still.asset }}"}
"""


STILLS = """
version: 1
name: stills
steps:
  stills:
    uses: generate
    foreach: [a, b]
    allow_failures: 1
    with: {model: "${{ 'z-image' if item == 'a' else 'nano-banana' }}", prompt: lamp}
    fallback: [{model: seedream-5-lite}]
  copy: {uses: generate, with: {model: z-image, prompt: lamp}}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}"}}
"""


def shot(**service: Any) -> Rehearsal:
    run = Rehearsal(frozen(STILLS), NaiveService(**service))
    run.take_up()
    run.run()
    return run


def test_a_fork_finds_each_purchase_by_its_request_and_place_among_equal_ones() -> None:
    state = shot().state
    found = finished(state)
    a, copy = state.item("stills", "a"), state.item("copy", "")
    assert a.requests[0].request_hash == copy.requests[0].request_hash
    assert len(found) == 3  # a pick buys nothing
    places = [found[f"{a.requests[0].request_hash}-{n}"] for n in (0, 1)]
    assert [dict(one.outputs) for one in places] == [
        dict(a.outputs or {}),
        dict(copy.outputs or {}),
    ]
    assert [one.credits for one in places] == [a.credits, copy.credits]


def test_a_fork_finds_nothing_that_failed_and_a_fallback_under_the_request_as_written() -> None:
    failed = shot(failing_models={"nano-banana", "seedream-5-lite"}).state
    assert len(finished(failed)) == 2
    fell = shot(failing_models={"nano-banana"}).state
    b = fell.item("stills", "b")
    [taken] = [
        one for key, one in finished(fell).items() if key.startswith(b.requests[0].request_hash)
    ]
    assert taken.request_hash == b.requests[1].request_hash


def plan_of(text: str, includes: dict[str, str] | None = None) -> RunPlan:
    return initial_state(frozen(text, includes=includes)).plan


@pytest.mark.parametrize(
    ("step", "made"),
    [
        ("first", {"first"}),
        ("inner", {"inner", "inner__still", "last", "tell"}),
        ("inner__still", {"inner", "inner__still", "last", "tell"}),
        ("last", {"last", "tell"}),
    ],
)
def test_a_step_is_made_again_with_what_depends_on_it(step: str, made: set[str]) -> None:
    assert made_again(plan_of(OUTER, {"inner.yaml": INNER}), step) == made


def test_a_pick_is_made_again_with_its_rounds() -> None:
    plan = plan_of(judged_spec("human", more="none: {rounds: 1}"))
    assert made_again(plan, "hero") == {"hero", "hero.stills.2", "film"}
    assert made_again(plan, "stills") == {"stills", "hero", "hero.stills.2", "film"}
    assert made_again(plan, "stills[a]") == {"stills[a]"}, "what uses it reads something new"
    assert is_made_again("stills[a]", {"stills[a]"})
    assert is_made_again("stills[a]", {"stills"})
    assert not is_made_again("stills[b]", {"stills[a]"})


def fork(first: Rehearsal, **options: Any) -> ItemState:
    """The pick of a fork, whose stills are bought again, and are the same in this service."""
    frozen_fork = frozen(judged_spec(**options)).model_copy(
        update={"fork": fork_of(first.state, None)}
    )
    run = Rehearsal(frozen_fork, Judging({"noir": 9}))
    again(run)
    assert bool(chats(run)) is (hero(run).answered_by is None)
    return hero(run)


def test_the_choice_of_a_judge_is_taken_if_the_same_is_asked_about_the_same_candidates() -> None:
    first = judged(Judging({"neon": 8}))
    taken = fork(first)
    assert taken.picked == ("neon",)
    assert taken.answered_by is not None
    assert (taken.answered_by.name, taken.answered_by.channel) == ("run-1", "fork")


@pytest.mark.parametrize(
    "change", [{"more": "question: Another?"}, {"least": 3}, {"mode": "human"}]
)
def test_a_judge_is_asked_again_about_something_else(change: dict[str, Any]) -> None:
    first = judged(Judging({"neon": 8}))
    assert fork(first, **change).picked != ("neon",)


def test_a_judge_is_asked_again_about_other_candidates() -> None:
    first = judged(Judging({"neon": 8}))
    assert fork(first, styles=("studio", "noir")).picked == ("noir",)
