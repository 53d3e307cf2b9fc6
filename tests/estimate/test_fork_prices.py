"""The least price of a fork: what is bought whatever the forked run may give."""

from __future__ import annotations

import pytest

from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.queue.actions import AskCache
from rivya_flows.queue.events import CacheAnswered
from rivya_flows.queue.forks import asks_anew, find_finished, fork_of
from rivya_flows.queue.least_left import least_left
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from support.naive_service import NOON, frozen, played

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
    of = of or played(SPEC).state
    there = find_finished(of)

    def look_up(asked: AskCache) -> CacheAnswered | None:
        found = there.get(asked.request_hash)
        named = {"step": asked.step, "key": asked.key, "request_hash": asked.request_hash}
        return found and CacheAnswered(**named, outputs=dict(found.outputs))

    text = SPEC
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    update = {"run_id": "run-2", "fork": fork_of(of, step)}
    start = frozen(text, includes=includes).model_copy(update=update)
    return rehearse(initial_state(start), NOON, look_up)


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


CARD = 'card: {uses: layout, with: {image: "${{ steps.hero.asset }}", formats: ["1:1"]}}'
EACH = "uses: generate\n    foreach: [Larger, Huge]"


@pytest.mark.parametrize(
    ("changes", "prices"),
    [
        pytest.param(
            [("steps.large.asset", "steps.card.asset"), ("  poster:", f"  {CARD}\n  poster:")],
            {"large": 0, "poster": 0}, id="free work on what is picked"),
        pytest.param(
            [("prompt: Larger,", 'prompt: "${{ item }}",'), ("steps.large.asset }}", "steps.large.assets[0] }}"),
             ("  large:\n    uses: generate", f"  large:\n    {EACH}")],
            {"large": 5, "poster": 0}, id="one more item"),
    ],
)  # fmt: skip
def test_only_what_asks_for_something_else_is_new(
    changes: list[tuple[str, str]], prices: dict[str, int]
) -> None:
    assert least(forked(OPEN, *changes)) == prices


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
    first = played(SPEC.replace(*include).replace(*uses), includes=includes)
    assert first.ended == ["completed"]
    prices = least(forked(OPEN, include, uses, of=first.state, includes=includes))
    assert prices == {"large": 0, "inner__framed": 0, "poster": 0}


def test_a_judge_that_is_asked_otherwise_may_pick_the_same() -> None:
    chat = "{model: gemini-2-5-flash-chat, criteria: [whole]}"
    judge = f"mode: judge, judge: {chat}, question: Which?"
    first = played(SPEC.replace("mode: first", judge))
    assert first.ended == ["completed"]
    same, other = ("mode: first", judge), ("mode: first", judge.replace("Which?", "Best?"))
    assert least(forked(same, of=first.state)) == {}
    assert least(forked(other, of=first.state)) == {"large": 0, "poster": 0}


@pytest.mark.parametrize(
    ("words", "new"),
    [("Name it", {""}), ("Describe it, expect: {name: string}", {""}), ("Describe it", set())],
)
def test_a_chat_about_something_else_is_new(words: str, new: set[str]) -> None:
    state = forked(OPEN, ("Describe it", words))
    assert asks_anew(state, "words", [state.item("words", "")]) == new


MUCH_LARGER = ("prompt: Larger", "prompt: Much larger")


def test_a_fork_of_a_fork_knows_what_both_may_give() -> None:
    assert least(forked(OPEN, of=forked(OPEN, MUCH_LARGER))) == {"large": 0, "poster": 0}


def test_what_is_made_again_is_bought() -> None:
    assert least(forked(OPEN, step="large")) == {"large": 5, "poster": 3}


def test_a_run_counts_what_is_bought_for_certain_before_it_goes_on() -> None:
    assert [least_left(forked(OPEN)), least_left(forked(OPEN, MUCH_LARGER))] == [0, 5]
