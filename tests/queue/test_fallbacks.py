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
from support.campaigns import until
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
    fallback:
      - {{model: seedream-5-lite}}
      - {{model: nano-banana, prompt: "a plain lamp ${{{{ item }}}}"}}
"""


def stills(*, items: str = "a", regenerate: int = 0, top: str = "", **service: Any) -> Rehearsal:
    text = STILLS.format(items=items, regenerate=regenerate, top=top)
    return Rehearsal(frozen(text), NaiveService(**service))


def run(rehearsal: Rehearsal, **wish: Any) -> ItemState:
    """Executes it to its end; its first item."""
    rehearsal.take_up(**wish)
    rehearsal.run()
    return rehearsal.state.item("stills", "a")


def bought(item: ItemState) -> list[tuple[int, str]]:
    return [(one.alternative, one.status) for one in item.purchases]


def test_alternatives_are_bought_in_order_after_the_jobs_that_regenerate_allows() -> None:
    item = run(stills(regenerate=1, failing_models={"z-image", "seedream-5-lite"}))
    assert bought(item) == [(0, "failed"), (0, "failed"), (1, "failed"), (2, "succeeded")]
    assert item.request is not None
    assert (item.phase, item.request.model) == ("completed", "nano-banana")
    assert item.request.arguments["prompt"] == "a plain lamp a"
    assert len({one.idempotency_key for one in item.purchases}) == 4


def told(rehearsal: Rehearsal) -> list[str]:
    """What each event of a run says about a fallback, at its moment."""
    rehearsal.take_up()
    said, seen = [], 0
    while rehearsal.advance(0):
        for event in rehearsal.journal[seen:]:
            said.append(bought_instead(event, rehearsal.state))
        seen = len(rehearsal.journal)
    return [one for one in said if one]


def test_a_fallback_is_told_once_with_both_models_and_why() -> None:
    assert told(stills(refusing_models={"z-image"})) == [
        "stills[a]: z-image refused the request (no); falling back to seedream-5-lite"
    ]
    [job_failed] = told(stills(failing_models={"z-image"}))
    assert job_failed.startswith("stills[a]: z-image failed")
    assert job_failed.endswith("; falling back to seedream-5-lite")
    assert told(stills()) == []


def test_a_fallback_to_the_same_model_says_that_its_arguments_differ() -> None:
    text = STILLS.format(items="a", regenerate=0, top="").replace(
        "{model: seedream-5-lite}", "{model: z-image, prompt: a safe lamp}"
    )
    said = told(Rehearsal(frozen(text), NaiveService(refusing_models={"z-image"})))
    assert said == [
        "stills[a]: z-image refused the request (no); falling back to z-image with other arguments",
        "stills[a]: z-image refused the request (no); falling back to nano-banana",
    ]


def test_a_refused_request_is_not_repeated() -> None:
    item = run(stills(regenerate=1, refusing_models={"z-image"}))
    assert bought(item) == [(0, "refused"), (1, "succeeded")]
    assert item.credits == 6


def test_an_alternative_keeps_what_it_leaves_out() -> None:
    item = run(stills(failing_models={"z-image"}))
    assert item.request is not None
    assert item.request.arguments["prompt"] == "lamp a"


def test_an_alternative_replaces_params_as_a_whole() -> None:
    text = STILLS.format(items="a", regenerate=0, top="").replace(
        "model: z-image,", "model: nano-banana-2, params: {resolution: 2K},"
    )
    text = text.replace("{model: seedream-5-lite}", "{model: seedream-5-lite, params: {}}")
    text = text.replace('a plain lamp ${{ item }}"', 'a lamp", params: {}')
    item = run(Rehearsal(frozen(text), NaiveService(failing_models={"nano-banana-2"})))
    assert item.request is not None
    assert (item.phase, item.request.arguments["params"]) == ("completed", {})


@pytest.mark.parametrize("code", ["insufficient_credits", "api_key_revoked", "api_scope_denied"])
def test_a_refusal_that_is_not_about_the_request_fails_the_item(code: str) -> None:
    rehearsal = stills()
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    of = {"step": "stills", "key": "a", "n": 1}
    rehearsal.feed(PurchaseRefused(**of, code=code, message="no", status=400))
    item = rehearsal.state.item("stills", "a")
    assert (item.phase, item.code, item.reason, item.alternative) == ("failed", code, "no", 0)


def test_an_unknown_outcome_fails_the_item() -> None:
    rehearsal = stills()
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    rehearsal.feed(PurchaseUncertain(step="stills", key="a", n=1, reason="409 for a minute"))
    item = rehearsal.state.item("stills", "a")
    assert (item.phase, item.code, item.alternative) == ("failed", "uncertain", 0)


def test_a_refusal_of_what_an_earlier_execution_may_have_sent_buys_nothing_else() -> None:
    rehearsal = stills(refusing_models={"z-image"})
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    item = run(rehearsal)
    assert (item.code, bought(item)) == ("validation_failed", [(0, "refused")])
    # It is closed now, and the next purchase is a new one.
    assert bought(run(rehearsal)) == [(0, "refused"), (0, "refused"), (1, "succeeded")]


def test_the_reason_names_each_model_and_why() -> None:
    item = run(stills(refusing_models={"z-image"}, failing=1.0))
    assert item.code == "job_failed"
    said = "z-image: no; seedream-5-lite: it failed; nano-banana: it failed; 9 credits refunded"
    assert item.reason == said


@pytest.mark.parametrize(
    ("final", "words"),
    [(0, "10 credits refunded"), (4, "6 of 10 credits refunded"), (10, "10 credits not refunded")],
)
def test_the_reason_says_what_became_of_the_credits(final: int, words: str) -> None:
    one = Purchase(1, "generation", "rvf-1", "{}", 10, NOON, status="failed", final=final)
    item = ItemState("", {}, purchases=(one,))
    assert reason_of(item, "The generation failed.") == f"The generation failed; {words}"
    assert reason_of(item._replace(purchases=(one._replace(reserved=0),)), "no.") == "no."


def test_a_resume_buys_one_more_job_of_the_last_alternative_if_it_is_told_to() -> None:
    rehearsal = stills(failing=1.0)
    tried = [(0, "failed"), (1, "failed"), (2, "failed")]
    assert bought(run(rehearsal)) == tried
    assert bought(run(rehearsal)) == tried
    for _ in range(2):
        tried.append((2, "failed"))
        assert bought(run(rehearsal, regenerate=("stills[a]",))) == tried
    rehearsal.service.failing = 0.0
    item = run(rehearsal, regenerate=("*",))
    assert bought(item) == [*tried, (2, "succeeded")]


def test_a_resume_tries_refused_requests_again_in_their_order() -> None:
    rehearsal = stills(failing_models={"seedream-5-lite"})
    rehearsal.service.refusing_models = {"z-image", "nano-banana"}
    tried = [(0, "refused"), (1, "failed"), (2, "refused")]
    assert bought(run(rehearsal)) == tried
    # The failed job is not one that a plain resume repeats.
    assert bought(run(rehearsal)) == [*tried, (0, "refused"), (2, "refused")]
    rehearsal.service.refusing_models = ()
    item = run(rehearsal)
    assert bought(item)[5:] == [(0, "succeeded")]
    assert item.alternative == 0


def test_a_crash_before_the_next_intent_buys_the_alternative_once() -> None:
    rehearsal = stills(failing_models={"z-image"})
    rehearsal.take_up()
    until(rehearsal, JobEnded)
    assert bought(rehearsal.state.item("stills", "a"))[1:] == [(1, "planned")]
    item = run(rehearsal)
    assert bought(item) == [(0, "failed"), (1, "succeeded")]
    assert len(rehearsal.service.charges) == 2


def test_an_alternative_over_the_budget_is_bought_by_a_resume_with_a_larger_one() -> None:
    rehearsal = stills(top="budget: {credits: 2}", failing_models={"z-image"})
    item = run(rehearsal)
    assert (item.code, item.alternative) == ("over_budget", 1)
    assert bought(run(rehearsal, budget=9)) == [(0, "failed"), (1, "succeeded")]


def test_each_alternative_has_its_own_price_and_reserve() -> None:
    rehearsal = stills(items="a, b", failing_models={"z-image"})
    run(rehearsal)
    intents = [e for e in rehearsal.journal if isinstance(e, PurchaseIntended)]
    assert [(e.alternative, e.reserve) for e in intents] == [(0, 1), (0, 1), (1, 6), (1, 6)]


def test_the_cache_is_asked_for_each_alternative_among_equal_requests() -> None:
    text = STILLS.format(items="a, b", regenerate=0, top="cache: spec").replace("${{ item }}", "")
    rehearsal = Rehearsal(frozen(text), NaiveService(failing_models={"z-image"}))
    asked = Counter[str]()
    carried_out = rehearsal._carry_out

    def watch(action: Any) -> Any:
        if isinstance(action, AskCache):
            asked[action.request_hash] += 1
        return carried_out(action)

    rehearsal._carry_out = watch  # type: ignore[method-assign]
    run(rehearsal)
    assert list(asked.values()) == [1, 1, 1, 1]
    assert {name.rpartition("-")[2] for name in asked} == {"0", "1"}


def test_each_alternative_has_its_own_uploads() -> None:
    text = STILLS.format(items="a", regenerate=0, top="").replace(
        "{model: seedream-5-lite}",
        '{model: seedream-5-lite, references: ["https://e.example/lamp.png"]}',
    )
    rehearsal = Rehearsal(frozen(text), NaiveService(failing_models={"z-image"}))
    rehearsal.take_up()
    until(rehearsal, JobEnded)
    # The state after that event has the upload under way, for this model alone.
    assert [name[2] for name in rehearsal.state.awaiting] == ["seedream-5-lite"]
    rehearsal.run()
    body = rehearsal.state.item("stills", "a").purchases[1].body
    assert "https://files.example/" in body


CHOSEN = """
version: 1
name: chosen
steps:
  off:
    uses: generate
    if: ${{ inputs.backup }}
    with: {model: z-image, prompt: a backup}
  stills:
    uses: generate
    foreach: [{model: MODEL, size: SIZE}]
    key: a
    with: {model: z-image, prompt: a lamp}
    fallback:
      - {model: seedream-5-lite}
      - {model: "${{ item.model }}", FALLBACK}
inputs:
  backup: {type: boolean, default: false}
"""


def chosen(fallback: str, model: str = "seedream-5-lite", size: str = "1") -> Rehearsal:
    """A step whose second alternative is known during the run only."""
    text = CHOSEN.replace("MODEL", model).replace("SIZE", size).replace("FALLBACK", fallback)
    return Rehearsal(frozen(text), NaiveService())


@pytest.mark.parametrize(
    ("model", "fallback", "reason"),
    [
        (
            "seedream-9",
            "prompt: a lamp",
            "fallback 2: no model 'seedream-9'; did you mean 'seedream-4-5'?",
        ),
        ("z-image", "params: {odd: 1}", "fallback 2: 'z-image' has no parameter 'odd'"),
        (
            "veo3-1-lite",
            "prompt: a lamp",
            "fallback 2: 'veo3-1-lite' makes video, and the step image",
        ),
        ("z-image", "prompt: '${{ item.size / 0 }}'", "fallback 2: "),
    ],
)
def test_a_wrong_alternative_fails_the_item_before_anything_is_bought(
    model: str, fallback: str, reason: str
) -> None:
    rehearsal = chosen(fallback, model)
    item = run(rehearsal)
    assert (item.phase, item.code) == ("failed", "bad_arguments")
    assert item.reason is not None
    assert item.reason.startswith(reason)
    assert rehearsal.service.charges == {}


def test_a_null_in_an_alternative_skips_the_item_as_one_in_its_arguments() -> None:
    rehearsal = chosen(
        'references: ["${{ steps.off.asset }}"], prompt: "${{ steps.off.asset.url }}"'
    )
    item = run(rehearsal)
    assert (item.phase, rehearsal.service.charges) == ("skipped", {})
    assert str(item.reason).startswith("fallback 2: steps.off.asset")


def test_the_bound_on_memory_counts_the_alternatives() -> None:
    rehearsal = chosen("prompt: a lamp")
    rehearsal.take_up()
    item = rehearsal.state.item("stills", "a")
    assert len(item.requests) == 3
    sizes = sum(one.size for one in item.requests)
    assert rehearsal.state.tally.size == sizes


@settings(max_examples=examples(50))
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
    def one() -> Rehearsal:
        shares: dict[str, Any] = {"failing": failing, "refusing": refusing}
        return stills(items="a, b, c, d", regenerate=regenerate, seed=seed, **shares)

    disturbed, order = one(), random.Random(seed)
    for limit in crashes:
        disturbed.take_up()
        disturbed.run(order, limit)
    disturbed.take_up(regenerate=("*",) if again else ())
    disturbed.run(order)
    assert disturbed.state.ended is not None
    assert disturbed.state.spent == sum(disturbed.service.charges.values())
    for _, item in disturbed.state.each():
        found = Counter(bought(item))
        assert sum(found[n, "succeeded"] for n in range(3)) == (item.phase == "completed")
        for number in range(3):
            allowed = (0 if number else regenerate) + again
            assert found[number, "failed"] <= 1 + allowed
        # Each alternative only after the one before it was tried.
        tried = [number for number, _ in bought(item)]
        assert all(later <= max(before) + 1 for later, *before in _with_earlier(tried))
    if not refusing and not again:
        # Refused requests are tried again by each resume; all else is the same as without a crash.
        smooth = one()
        smooth.take_up()
        smooth.run()
        assert smooth.service.charges == disturbed.service.charges
        assert smooth.ended[-1:] == disturbed.ended[-1:]


def _with_earlier(tried: list[int]) -> list[list[int]]:
    return [[tried[n], *tried[:n]] for n in range(1, len(tried))]
