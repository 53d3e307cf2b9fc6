"""What is bought after a failed job or a refused request, and what is not."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.queue.actions import AskCache
from rivya_flows.queue.events import JobEnded, PurchaseIntended, PurchaseRefused, PurchaseUncertain
from rivya_flows.queue.items import ItemState, Purchase
from rivya_flows.queue.outcomes import bought_instead, reason_of
from support.naive_service import NOON, NaiveService, Rehearsal, frozen
from support.samples import examples

STILLS = """
version: 1
name: stills
{top}
steps:
  stills:
    uses: generate
    foreach: [{items}]
    allow_failures: 9
    regenerate: {regenerate}
    with: {{model: z-image, prompt: "lamp ${{{{ item }}}}"}}
    fallback: [{first}, {{model: nano-banana, prompt: "a plain lamp ${{{{ item }}}}"}}]
"""
OF = {"step": "stills", "key": "a", "n": 1}


def stills(
    *,
    items: str = "a",
    regenerate: int = 0,
    top: str = "",
    first: str = "{model: seedream-5-lite}",
    **service: Any,
) -> Rehearsal:
    text = STILLS.format(items=items, regenerate=regenerate, top=top, first=first)
    return Rehearsal(frozen(text), NaiveService(**service))


def run(rehearsal: Rehearsal, **wish: Any) -> ItemState:
    """Executes it to its end; its first item."""
    return rehearsal.execute(**wish).item("stills", "a")


def bought(item: ItemState) -> str:
    """Its purchases as in the stories: "0F 1S" is a failed job, and one of the first fallback that succeeded."""
    return " ".join(f"{one.alternative}{one.status[0].upper()}" for one in item.purchases)


def arguments(item: ItemState) -> dict[str, Any]:
    assert item.request is not None
    return {"model": item.request.model, **item.request.arguments}


FIRST_TWO, AGAIN = {"z-image", "seedream-5-lite"}, {"regenerate": ("stills[a]",)}
STORIES: dict[str, tuple[dict[str, Any], list[tuple[dict[str, Any], str]]]] = {
    "all jobs that regenerate allows come before the alternatives": (
        {"regenerate": 1, "failing_models": FIRST_TWO}, [({}, "0F 0F 1F 2S")]),
    "a refused request is not repeated": ({"regenerate": 1, "refusing_models": {"z-image"}}, [({}, "0R 1S")]),
    "a resume buys one more job of the last alternative if it is told to": (
        {"failing": 1.0},
        [({}, "0F 1F 2F"), ({}, "0F 1F 2F"), (AGAIN, "0F 1F 2F 2F"), (AGAIN, "0F 1F 2F 2F 2F"),
         ({"regenerate": ("*",), "failing": 0.0}, "0F 1F 2F 2F 2F 2S")]),
    "a resume tries refused requests again in their order, and no failed job": (
        {"failing_models": {"seedream-5-lite"}, "refusing_models": {"z-image", "nano-banana"}},
        [({}, "0R 1F 2R"), ({}, "0R 1F 2R 0R 2R"), ({"refusing_models": ()}, "0R 1F 2R 0R 2R 0S")]),
    "an alternative over the budget is bought by a resume with a larger one": (
        {"top": "budget: {credits: 2}", "failing_models": {"z-image"}}, [({}, "0F"), ({"budget": 9}, "0F 1S")]),
}  # fmt: skip
"""A service, and what has been bought after each execution, which may change the service first."""


@pytest.mark.parametrize("story", STORIES)
def test_alternatives_are_bought_in_their_order(story: str) -> None:
    options, executions = STORIES[story]
    rehearsal = stills(**options)
    for wish, expected in executions:
        for name in wish.keys() & vars(rehearsal.service).keys():
            setattr(rehearsal.service, name, wish[name])
        item = run(
            rehearsal, **{name: wish[name] for name in wish.keys() & {"regenerate", "budget"}}
        )
        assert bought(item) == expected
        assert item.code == "over_budget" or item.alternative == int(expected[-2])
    assert len({one.idempotency_key for one in item.purchases}) == len(item.purchases)
    assert item.credits == sum(rehearsal.service.charges.values())


def test_each_alternative_has_its_own_prompt_price_and_reserve() -> None:
    rehearsal = stills(items="a, b", failing_models=FIRST_TWO)
    item = run(rehearsal)
    assert (item.phase, arguments(item)["prompt"]) == ("completed", "a plain lamp a")
    reserves = Counter((e.alternative, e.reserve) for e in rehearsal.events(PurchaseIntended))
    assert reserves == {(0, 1): 2, (1, 6): 2, (2, 3): 2}


def test_an_alternative_keeps_what_it_leaves_out_and_replaces_params_as_a_whole() -> None:
    assert arguments(run(stills(failing_models={"z-image"})))["prompt"] == "lamp a"
    text = STILLS.format(
        items="a", regenerate=0, top="", first="{model: seedream-5-lite, params: {}}"
    )
    text = text.replace("model: z-image,", "model: nano-banana-2, params: {resolution: 2K},")
    text = text.replace("{model: nano-banana,", "{model: nano-banana, params: {},")
    item = run(Rehearsal(frozen(text), NaiveService(failing_models={"nano-banana-2"})))
    assert (item.phase, arguments(item)["params"]) == ("completed", {})


def said(rehearsal: Rehearsal) -> list[str]:
    """What each event of a run says about a fallback, at its moment."""
    rehearsal.take_up()
    found, seen = [], 0
    while rehearsal.advance(0):
        found += [bought_instead(event, rehearsal.state) for event in rehearsal.journal[seen:]]
        seen = len(rehearsal.journal)
    return [one for one in found if one]


REFUSED = "stills[a]: z-image refused the request (no); falling back to"


def test_a_fallback_is_said_once_with_both_models_and_why() -> None:
    assert said(stills()) == []
    assert said(stills(refusing_models={"z-image"})) == [f"{REFUSED} seedream-5-lite"]
    [failed] = said(stills(failing_models={"z-image"}))
    assert failed.startswith("stills[a]: z-image failed")
    assert failed.endswith("; falling back to seedream-5-lite")
    same = stills(first="{model: z-image, prompt: a safe lamp}", refusing_models={"z-image"})
    assert said(same) == [f"{REFUSED} z-image with other arguments", f"{REFUSED} nano-banana"]


@pytest.mark.parametrize(
    "code", ["insufficient_credits", "api_key_revoked", "api_scope_denied", "uncertain"]
)
def test_what_is_not_about_the_request_fails_the_item(code: str) -> None:
    rehearsal = stills()
    rehearsal.take_up()
    rehearsal.until(PurchaseIntended)
    if code == "uncertain":
        rehearsal.feed(PurchaseUncertain(**OF, reason="no"))
    else:
        rehearsal.feed(PurchaseRefused(**OF, code=code, message="no", status=400))
    item = rehearsal.item("stills", "a")
    assert (item.phase, item.code, item.reason, item.alternative) == ("failed", code, "no", 0)


def test_a_refusal_of_what_an_earlier_execution_may_have_sent_buys_nothing_else() -> None:
    rehearsal = stills(refusing_models={"z-image"})
    rehearsal.take_up()
    item = run(rehearsal.until(PurchaseIntended))
    assert (item.code, bought(item)) == ("validation_failed", "0R")
    # It is closed now, and the next purchase is a new one.
    assert bought(run(rehearsal)) == "0R 0R 1S"


def test_the_reason_names_each_model_and_why() -> None:
    item = run(stills(refusing_models={"z-image"}, failing=1.0))
    assert (item.code, item.reason) == (
        "job_failed",
        "z-image: no; seedream-5-lite: it failed; nano-banana: it failed; 9 credits refunded",
    )


@pytest.mark.parametrize(
    ("final", "words"),
    [(0, "10 credits refunded"), (4, "6 of 10 credits refunded"), (10, "10 credits not refunded")],
)
def test_the_reason_says_what_became_of_the_credits(final: int, words: str) -> None:
    one = Purchase(1, "generation", "rvf-1", "{}", 10, NOON, status="failed", final=final)
    item = ItemState("", {}, purchases=(one,))
    assert reason_of(item, "The generation failed.") == f"The generation failed; {words}"
    assert reason_of(item._replace(purchases=(one._replace(reserved=0),)), "no.") == "no."


def test_the_cache_is_asked_for_each_alternative_among_equal_requests() -> None:
    asked = Counter[str]()

    class Watched(Rehearsal):
        def _carry_out(self, action: Any) -> Any:
            if isinstance(action, AskCache):
                asked[action.request_hash] += 1
            return super()._carry_out(action)

    text = STILLS.format(
        items="a, b", regenerate=0, top="cache: spec", first="{model: seedream-5-lite}"
    ).replace("${{ item }}", "")
    run(Watched(frozen(text), NaiveService(failing_models={"z-image"})))
    assert list(asked.values()) == [1, 1, 1, 1]
    assert {name.rpartition("-")[2] for name in asked} == {"0", "1"}


def test_each_alternative_has_its_own_uploads() -> None:
    first = '{model: seedream-5-lite, references: ["https://e.example/lamp.png"]}'
    rehearsal = stills(first=first, failing_models={"z-image"})
    rehearsal.take_up()
    rehearsal.until(JobEnded)
    # The state after that event has the upload under way, for this model alone.
    assert [name[2] for name in rehearsal.state.awaiting] == ["seedream-5-lite"]
    rehearsal.run()
    assert "https://files.example/" in rehearsal.item("stills", "a").purchases[1].body


CHOSEN = """
version: 1
name: chosen
inputs: {backup: {type: boolean, default: false}}
steps:
  off: {uses: generate, if: "${{ inputs.backup }}", with: {model: z-image, prompt: a backup}}
  stills:
    uses: generate
    foreach: [{model: MODEL, size: 1}]
    key: a
    with: {model: z-image, prompt: a lamp}
    fallback: [{model: seedream-5-lite}, {model: "${{ item.model }}", FALLBACK}]
"""


def chosen(fallback: str, model: str = "seedream-5-lite") -> Rehearsal:
    """A step whose second alternative is known during the run only."""
    return Rehearsal(frozen(CHOSEN.replace("MODEL", model).replace("FALLBACK", fallback)))


@pytest.mark.parametrize(
    ("model", "fallback", "reason"),
    [
        ("seedream-9", "prompt: a lamp", "no model 'seedream-9'; did you mean 'seedream-4-5'?"),
        ("z-image", "params: {odd: 1}", "'z-image' has no parameter 'odd'"),
        ("veo3-1-lite", "prompt: a lamp", "'veo3-1-lite' makes video, and the step image"),
        ("z-image", "prompt: '${{ item.size / 0 }}'", ""),
    ],
)
def test_a_wrong_alternative_fails_the_item_before_anything_is_bought(
    model: str, fallback: str, reason: str
) -> None:
    rehearsal = chosen(fallback, model)
    item = run(rehearsal)
    assert (item.phase, item.code) == ("failed", "bad_arguments")
    assert str(item.reason).startswith(f"fallback 2: {reason}")
    assert rehearsal.service.charges == {}


def test_a_null_in_an_alternative_skips_the_item_as_one_in_its_arguments() -> None:
    null = 'references: ["${{ steps.off.asset }}"], prompt: "${{ steps.off.asset.url }}"'
    rehearsal = chosen(null)
    item = run(rehearsal)
    assert (item.phase, rehearsal.service.charges) == ("skipped", {})
    assert str(item.reason).startswith("fallback 2: steps.off.asset")


def test_the_bound_on_memory_counts_the_alternatives() -> None:
    rehearsal = chosen("prompt: a lamp")
    rehearsal.take_up()
    requests = rehearsal.item("stills", "a").requests
    assert (len(requests), rehearsal.state.tally.size) == (3, sum(one.size for one in requests))


@settings(max_examples=examples(40))
@given(
    seed=st.integers(0, 10**6),
    crashes=st.lists(st.integers(0, 60), max_size=5),
    failing=st.sampled_from([0.0, 0.4, 0.8]),
    refusing=st.sampled_from([0.0, 0.4]),
    regenerate=st.integers(0, 2),
    again=st.booleans(),
)
def test_no_order_and_no_crash_buys_an_alternative_twice_or_one_too_many(
    seed: int, crashes: list[int], failing: float, refusing: float, regenerate: int, again: bool
) -> None:
    luck: dict[str, Any] = {"failing": failing, "refusing": refusing, "seed": seed}
    disturbed, order = (
        stills(items="a, b, c, d", regenerate=regenerate, **luck),
        random.Random(seed),
    )
    for limit in crashes:
        disturbed.take_up()
        disturbed.run(order, limit)
    disturbed.execute(order, regenerate=("*",) if again else ())
    assert disturbed.state.ended is not None
    assert disturbed.state.spent == sum(disturbed.service.charges.values())
    for _, item in disturbed.state.each():
        found = Counter((one.alternative, one.status) for one in item.purchases)
        assert sum(found[n, "succeeded"] for n in range(3)) == (item.phase == "completed")
        for number in range(3):
            assert found[number, "failed"] <= 1 + (0 if number else regenerate) + again
        # Each alternative only after the one before it was tried.
        tried = [one.alternative for one in item.purchases]
        assert all(tried[n] <= max(tried[:n]) + 1 for n in range(1, len(tried)))
    if not refusing and not again:
        # Refused requests are tried again by each resume; all else is the same as without a crash.
        smooth = stills(items="a, b, c, d", regenerate=regenerate, **luck).execute()
        assert smooth.service.charges == disturbed.service.charges
        assert smooth.ended[-1:] == disturbed.ended[-1:]
