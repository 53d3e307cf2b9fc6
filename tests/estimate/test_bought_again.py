"""Why a plan buys something again: the first difference from an earlier run of the same spec."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.estimate.bought_again import with_reasons
from rivya_flows.estimate.estimate import Estimate, estimate, rehearse
from rivya_flows.queue.actions import AskCache
from rivya_flows.queue.bought_again import EarlierRun, bought_again_lines
from rivya_flows.queue.events import CacheAnswered, Why
from rivya_flows.queue.forks import find_finished, fork_of
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from support.naive_service import NOON, frozen, played

SPEC = """
version: 1
name: lamps
cache: spec
brand: {prompt: warm light}
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Describe a lamp}
  stills:
    uses: generate
    foreach: [wide, tall, square]
    with: {model: z-image, prompt: "a brass lamp on an oak desk, ${{ item }}"}
  large:
    uses: generate
    foreach: ${{ steps.stills.items }}
    with: {model: nano-banana, prompt: Larger, references: ["${{ item.asset }}"]}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: first}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: A push-in, seed: 40000, references: ["${{ steps.hero.asset }}"]}
  voice:
    uses: generate
    with: {model: elevenlabs-turbo-2-5, prompt: "${{ steps.script.text }}", params: {voice: Liam}}
outputs: {film: "${{ steps.film.asset }}"}
"""


@pytest.fixture(scope="module")
def earlier() -> State:
    """A run of `SPEC` that completed."""
    return played(SPEC).state


def rehearsed(
    earlier: State,
    *changes: tuple[str, str],
    step: str | None = None,
    forks: bool = False,
    finds: bool = True,
    **update: object,
) -> State:
    """Another run, or a fork, whose spec has these changes, before it buys anything."""
    text = SPEC
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    start = frozen(text).model_copy(update={"run_id": "run-2", **update})
    if forks:
        start = start.model_copy(update={"fork": fork_of(earlier, step)})
    there = find_finished(earlier)

    def look_up(asked: AskCache) -> CacheAnswered | None:
        found = there.get(asked.request_hash) if finds else None
        named = {"step": asked.step, "key": asked.key, "request_hash": asked.request_hash}
        return found and CacheAnswered(**named, outputs=dict(found.outputs), run_id=asked.run_id)

    return rehearse(initial_state(start), NOON, look_up)


def planned(earlier: State, *changes: tuple[str, str], **options: Any) -> Estimate:
    """The plan of such a run."""
    state = rehearsed(earlier, *changes, **options)
    return with_reasons(estimate(state, None), state, lambda _: EarlierRun.of(earlier))


def reasons(plan: Estimate) -> dict[str, tuple[str, str]]:
    return {
        f"{step.id}[{item.key}]" if item.key else step.id: (item.why.what, item.why.text)
        for step in plan.steps
        for item in step.items
        if item.why
    }


PROMPT = """its prompt differs from run-1 ("…oak desk, {0}, warm light" → "…elm desk, {0}, warm light")"""
BRAND = """the words of the brand differ from run-1 ("warm light" → "cold light")"""
STILLS = '"z-image" → "nano-banana-2"'


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("oak desk", "elm desk"),
            {
                "stills[wide]": ("prompt", PROMPT.format("wide")),
                "large[wide]": ("steps.stills", "it uses stills[wide], which is bought again"),
                "film": ("steps.stills", "it uses stills[wide], which is bought again"),
                "voice": None,
            },
        ),
        (
            ("warm light", "cold light"),
            {"stills[tall]": ("brand", BRAND), "film": ("brand", BRAND), "script": None},
        ),
        (
            ("seed: 40000", "seed: 60000"),
            {"film": ("params.seeds", "its params.seeds differs from run-1 (40000 → 60000)")},
        ),
        (
            ("model: z-image", "model: nano-banana-2"),
            {"stills[wide]": ("model", f"its model differs from run-1 ({STILLS})")},
        ),
        (
            ("Describe a", "Name a"),
            {
                "script": (
                    "message",
                    'its message differs from run-1 ("Describe a lamp" → "Name a lamp")',
                ),
                "voice": ("steps.script", "it uses script, which is bought again"),
                "film": None,
            },
        ),
        (
            ("cache: spec", "cache: run"),
            {
                "stills[wide]": (
                    "cache",
                    "run-1 has an equal one, and `cache: run` takes none of other runs",
                )
            },
        ),
    ],
    ids=lambda one: one[1] if isinstance(one, tuple) else "",
)
def test_an_edit_is_named_where_it_is_bought_and_where_it_is_used(
    earlier: State, change: tuple[str, str], expected: dict[str, tuple[str, str] | None]
) -> None:
    found = reasons(planned(earlier, change))
    assert {name: found.get(name) for name in expected} == expected


def test_what_an_earlier_run_has_not_is_new_and_has_no_reason(earlier: State) -> None:
    found = reasons(planned(earlier, ("[wide, tall, square]", "[wide, low, square]")))
    assert found == {}, "`low` is bought for the first time, and the others are in the cache"


def test_another_wallet_or_service_is_named_before_all_else(earlier: State) -> None:
    plan = planned(earlier, ("oak desk", "elm desk"), wallet="acme")
    assert {what for what, _ in reasons(plan).values()} == {"wallet"}
    assert reasons(planned(earlier, service="other"))["film"][0] == "service"


def test_a_fork_from_an_item_names_the_item(earlier: State) -> None:
    assert reasons(planned(earlier, forks=True, step="stills[tall]")) == {
        "stills[tall]": ("from", "--from stills[tall] asks for it"),
        "large[tall]": ("steps.stills", "it uses stills[tall], which is bought again"),
    }


def test_an_equal_request_whose_result_is_gone_says_so(earlier: State) -> None:
    plan = planned(earlier, finds=False)
    text = "the store lacks the result of run-1, or its media"
    assert reasons(plan)["stills[wide]"] == ("store", text)


def test_items_of_a_step_with_one_reason_are_one_line(earlier: State) -> None:
    plan = planned(earlier, ("oak desk", "elm desk"))
    each = [(step.id, item.key, item.why) for step in plan.steps for item in step.items]
    assert bought_again_lines((step, key, why) for step, key, why in each if why) == [
        f"stills[wide] and 2 more are bought again: {PROMPT.format('wide')}",
        "large[wide] and 2 more are bought again: it uses stills[wide], which is bought again",
        "film is bought again: it uses stills[wide], which is bought again",
    ]
    many = [(f"step{n}", "", Why(run_id="run-1", what="prompt", text="a\nb")) for n in range(20)]
    lines = bought_again_lines(many)
    assert lines[0] == "step0 is bought again: a\\nb"
    assert lines[12:] == ["and 8 more reasons, which `--json` has"]


def test_a_plan_that_buys_nothing_reads_no_journal(earlier: State) -> None:
    def read(_: State) -> EarlierRun:
        raise AssertionError

    state = rehearsed(earlier)
    assert with_reasons(estimate(state, None), state, read).max == 0
