"""What a fork takes of the run that it repeats."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.plans.plan import RunPlan
from rivya_flows.queue.forks import find_finished, fork_of, is_made_again, made_again
from rivya_flows.queue.reducer import initial_state
from support.judged_picks import Judging, chats, hero, judged, judged_spec
from support.naive_service import NaiveService, Rehearsal, frozen, played

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


def test_a_fork_finds_each_purchase_by_its_request_and_place_among_equal_ones() -> None:
    state = played(STILLS).state
    found = find_finished(state)
    made = [state.item("stills", "a"), state.item("copy", "")]
    [request] = {one.requests[0].request_hash for one in made}
    assert len(found) == 3  # a pick buys nothing
    places = [found[f"{request}-{n}"] for n in (0, 1)]
    assert [(dict(one.outputs), one.credits) for one in places] == [
        (dict(one.outputs or {}), one.credits) for one in made
    ]


def test_a_fork_finds_nothing_that_failed_and_a_fallback_under_the_request_as_written() -> None:
    failed = NaiveService(failing_models={"nano-banana", "seedream-5-lite"})
    assert len(find_finished(played(STILLS, failed).state)) == 2
    fell = played(STILLS, NaiveService(failing_models={"nano-banana"})).state
    written, instead = (one.request_hash for one in fell.item("stills", "b").requests)
    [taken] = [one for key, one in find_finished(fell).items() if key.startswith(written)]
    assert taken.request_hash == instead


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


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"more": "question: Another?"}, False),
        ({"least": 3}, False),
        ({"mode": "human"}, False),
        ({"styles": ("studio", "noir")}, False),
    ],
    ids=str,
)
def test_the_choice_of_a_judge_is_taken_if_the_same_is_asked_about_the_same_candidates(
    change: dict[str, Any], taken: bool
) -> None:
    """The stills of the fork are bought again, and are the same in this service."""
    fork = fork_of(judged(Judging({"neon": 8})).state, None)
    start = frozen(judged_spec(**change)).model_copy(update={"fork": fork})
    run = Rehearsal(start, Judging({"noir": 9})).execute()
    by = hero(run).answered_by
    assert bool(chats(run)) is (by is None)
    if taken:
        assert by is not None
        assert (hero(run).picked, by.name, by.channel) == (("neon",), "run-1", "fork")
    else:
        assert hero(run).picked == (None if "mode" in change else ("noir",))
