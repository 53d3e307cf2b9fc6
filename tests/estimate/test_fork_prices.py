"""The least price of a fork: what is bought whatever the forked run may give."""

from __future__ import annotations

import pytest

from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.queue.actions import AskCache
from rivya_flows.queue.events import CacheAnswered
from rivya_flows.queue.forks import asks_anew, finished, fork_of
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from rivya_flows.queue.written_prices import least_left
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: stills
inputs: {word: {type: string, default: Larger}}
brand: {prompt: warm light}
steps:
  stills:
    uses: generate
    foreach: [a, b]
    with: {model: z-image, prompt: "lamp ${{ item }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: first}
  large:
    uses: generate
    with: {model: nano-banana-2, prompt: Larger, references: ["${{ steps.hero.asset }}"]}
  poster:
    uses: generate
    with: {model: nano-banana, prompt: A poster, references: ["${{ steps.large.asset }}"]}
  words:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Describe it, attachments: ["${{ steps.hero.asset }}"]}
"""
FREE = ("hero", "words")
"""A chat costs at least nothing."""

OPEN = ("mode: first", "mode: human")


def forked(
    *changes: tuple[str, str],
    step: str | None = None,
    of: State | None = None,
    includes: dict[str, str] | None = None,
) -> State:
    """A fork of a run of `SPEC` whose spec has these changes, before it buys anything."""
    if of is None:
        run = Rehearsal(frozen(SPEC), NaiveService())
        run.take_up()
        run.run()
        of = run.state
    there = finished(of)

    def look_up(asked: AskCache) -> CacheAnswered | None:
        found = there.get(asked.request_hash)
        answer = CacheAnswered(
            step=asked.step, key=asked.key, request_hash=asked.request_hash, outputs=None
        )
        return found and answer.model_copy(update={"outputs": dict(found.outputs)})

    text = SPEC
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    fork = frozen(text, includes=includes).model_copy(
        update={"run_id": "run-2", "fork": fork_of(of, step)}
    )
    return rehearse(initial_state(fork), NOON, look_up)


def least(state: State) -> dict[str, int]:
    """The least price of each step that may cost anything."""
    prices = {one.id: [item.price for item in one.items] for one in estimate(state, None).steps}
    return {
        name: sum(one.min for one in found)
        for name, found in prices.items()
        if any(one.max != 0 for one in found) and name not in FREE
    }


@pytest.mark.parametrize(
    ("changes", "prices"),
    [
        ([], {"large": 0, "poster": 0}),
        ([("prompt: Larger", 'prompt: "${{ inputs.word }}"')], {"large": 0, "poster": 0}),
        ([("warm light", "cold light")], {"stills": 2, "large": 5, "poster": 3}),
        ([("prompt: Larger", "prompt: Much larger")], {"large": 5, "poster": 3}),
        ([("prompt: Larger", "brand: false, prompt: Larger")], {"large": 5, "poster": 3}),
        ([("nano-banana-2", "nano-banana")], {"large": 3, "poster": 3}),
        ([("Larger,", "Larger, params: {aspect_ratio: '9:16'},")], {"large": 5, "poster": 3}),
        ([("A poster", "A card")], {"large": 0, "poster": 3}),
        ([("prompt: Larger", 'prompt: "${{ steps.hero.key }}"')], {"large": 0, "poster": 0}),
        ([("prompt: Larger", "params: , prompt: Larger")], {"large": 0, "poster": 0}),
    ],
    ids=lambda one: str(one) if isinstance(one, list) else "",
)
def test_a_step_that_asks_for_something_else_is_bought_whatever_is_picked(
    changes: list[tuple[str, str]], prices: dict[str, int]
) -> None:
    assert least(forked(OPEN, *changes)) == prices


def test_free_work_on_what_is_picked_makes_nothing_new() -> None:
    card = '  card: {uses: layout, with: {image: "${{ steps.hero.asset }}", formats: ["1:1"]}}\n'
    uses = ("steps.large.asset", "steps.card.asset")
    assert least(forked(OPEN, uses, ("  poster:", f"{card}  poster:"))) == {"large": 0, "poster": 0}


def test_what_uses_an_included_spec_is_no_newer_than_its_steps() -> None:
    inner = """
version: 1
name: inner
inputs: {of: {type: file, kind: image}}
steps:
  framed:
    uses: generate
    with: {model: nano-banana, prompt: Framed, references: ["${{ inputs.of }}"]}
outputs: {framed: "${{ steps.framed.asset }}"}
"""
    of = 'with: {spec: inner.yaml, inputs: {of: "${{ steps.hero.asset }}"}}'
    include = ("  poster:", f"  inner: {{uses: include, {of}}}\n  poster:")
    uses = ("steps.large.asset", "steps.inner.outputs.framed")
    includes = {"inner.yaml": inner}
    first = Rehearsal(
        frozen(SPEC.replace(*include).replace(*uses), includes=includes), NaiveService()
    )
    first.take_up()
    first.run()
    assert first.ended == ["completed"]
    prices = least(forked(OPEN, include, uses, of=first.state, includes=includes))
    assert prices == {"large": 0, "inner__framed": 0, "poster": 0}


def test_an_item_that_waits_is_new_by_itself() -> None:
    text = ("prompt: Larger,", 'prompt: "${{ item }}",')
    uses = ("steps.large.asset }}", "steps.large.assets[0] }}")
    each = (
        "  large:\n    uses: generate",
        "  large:\n    uses: generate\n    foreach: [Larger, Huge]",
    )
    assert least(forked(OPEN, text, uses, each)) == {"large": 5, "poster": 0}


def test_a_judge_that_is_asked_otherwise_may_pick_the_same() -> None:
    judge = (
        "mode: judge, judge: {model: gemini-2-5-flash-chat, criteria: [whole]}, question: Which?"
    )
    first = Rehearsal(frozen(SPEC.replace("mode: first", judge)), NaiveService())
    first.take_up()
    first.run()
    assert first.ended == ["completed"]
    same, other = ("mode: first", judge), ("mode: first", judge.replace("Which?", "Best?"))
    assert least(forked(same, of=first.state)) == {}
    assert least(forked(other, of=first.state)) == {"large": 0, "poster": 0}


@pytest.mark.parametrize("words", ["Name it", "Describe it, expect: {name: string}"])
def test_a_chat_about_something_else_is_new(words: str) -> None:
    for change, new in ((words, {""}), ("Describe it", set())):
        state = forked(OPEN, ("Describe it", change))
        assert asks_anew(state, "words", [state.item("words", "")]) == new


def test_a_fork_of_a_fork_knows_what_both_may_give() -> None:
    stopped = forked(OPEN, ("prompt: Larger", "prompt: Much larger"))
    assert least(forked(OPEN, of=stopped)) == {"large": 0, "poster": 0}


def test_what_is_made_again_is_bought() -> None:
    assert least(forked(OPEN, step="large")) == {"large": 5, "poster": 3}


def test_a_run_counts_what_is_bought_for_certain_before_it_goes_on() -> None:
    assert least_left(forked(OPEN)) == 0
    assert least_left(forked(OPEN, ("prompt: Larger", "prompt: Much larger"))) == 5
