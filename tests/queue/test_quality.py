"""What is bought after media that a step refuses, and what is not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.queue.events import AnsweredBy, JobEnded, MediaAccepted, MediaRefused
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.outcomes import bought_instead
from support.naive_service import NaiveService, Rehearsal, frozen, priced
from support.samples import examples

FILM = """
version: 1
name: film
{top}
steps:
  still:
    uses: generate
    regenerate: {regenerate}
    quality: {{refuse: [{refuse}], then: {then}}}
    fallback: [{{model: seedream-5-lite}}, {{model: nano-banana}}]
    with: {{model: z-image, prompt: a lamp}}
  film:
    uses: generate
    with: {{model: grok-imagine-video, prompt: it turns, references: ["${{{{ steps.still.asset }}}}"]}}
"""
ALL = {"z-image", "seedream-5-lite", "nano-banana"}


def film(
    then: str = "fail", *, refuse: str = "black", regenerate: int = 0, top: str = "", **service: Any
) -> Rehearsal:
    text = FILM.format(then=then, refuse=refuse, regenerate=regenerate, top=top)
    return Rehearsal(frozen(text), NaiveService(**service))


def bought(item: ItemState) -> str:
    """Its purchases: "0L 1S" is a lost one, and one of the first fallback that succeeded."""
    return " ".join(f"{one.alternative}{one.status[0].upper()}" for one in item.purchases)


def accept(rehearsal: Rehearsal, step: str = "still") -> None:
    """A person takes the newest refused media of a step."""
    lost = rehearsal.item(step).lost[-1]
    of = {"step": step, "key": "", "n": lost.n, "final_credits": lost.held}
    rehearsal.feed(MediaAccepted(**of, by=AnsweredBy(channel="command", name="Priya")))


@pytest.mark.parametrize(
    ("then", "options", "purchases"),
    [
        ("fail", {}, "0L"),
        ("warn", {}, "0S"),
        ("regenerate", {}, "0L 0L"),
        ("fallback", {}, "0L 1S"),
        ("fallback", {"black_models": ALL}, "0L 1L 2L"),
        ("fallback", {"failing_models": {"seedream-5-lite"}}, "0L 1F 2S"),
        ("fail", {"failing_models": {"z-image"}, "regenerate": 1}, "0F 0F 1S"),
        ("fail", {"failing_models": {"z-image"}, "black_models": ALL}, "0F 1L"),
        ("fail", {"refuse": "silent"}, "0S"),
        ("fail", {"regenerate": 2}, "0L"),
    ],
)
def test_refused_media_are_followed_by_what_the_step_says(
    then: str, options: dict[str, Any], purchases: str
) -> None:
    rehearsal = film(then, **{"black_models": {"z-image"}, **options}).execute()
    item = rehearsal.item("still")
    assert bought(item) == purchases
    is_given = purchases.endswith("S")
    assert (item.phase, item.code) == (
        ("completed", None) if is_given else ("failed", "quality_failed")
    )
    assert rehearsal.bought.count("film") == is_given  # nothing is bought with what was refused
    assert item.credits == sum(
        charge for key, charge in rehearsal.service.charges.items() if key in str(item.purchases)
    )


def test_the_reason_has_the_faults_and_the_lost_credits() -> None:
    item = film(black_models=ALL).execute().item("still")
    assert item.reason == "refused: black for 100% of its 5.0 s; 1 credit lost"
    item = film("fallback", black_models=ALL).execute().item("still")
    assert str(item.reason).endswith("nano-banana: black for 100% of its 5.0 s; 10 credits lost")


def test_what_is_bought_instead_is_said_once() -> None:
    found = []

    class Listening(Rehearsal):
        def step(self, event: Any) -> Any:
            actions = super().step(event)
            found.append(bought_instead(event, self.state))
            return actions

    why = "still: z-image made media that are refused (black for 100% of its 5.0 s);"
    for then, what in (
        ("fallback", "falling back to seedream-5-lite"),
        ("regenerate", "bought once more"),
    ):
        rehearsal = film(then, black_models={"z-image"})
        Listening(rehearsal.start, rehearsal.service).execute()
        assert [one for one in found if one] == [f"{why} {what}"]
        found.clear()


def test_the_plan_counts_one_more_purchase_of_the_same_in_its_greatest_price() -> None:
    most = {
        then: priced(film(then).start).steps[0].items[0].price for then in ("fail", "regenerate")
    }
    assert (most["fail"].min, most["regenerate"].min) == (1, 1)
    assert most["regenerate"].max == (most["fail"].max or 0) + 6


def test_the_plan_covers_a_fallback_that_is_bought_once_more() -> None:
    fails: dict[str, Any] = {
        "failing_models": {"z-image", "seedream-5-lite"},
        "black_models": {"nano-banana"},
    }
    rehearsal = film("regenerate", **fails)
    [item] = priced(rehearsal.start).steps[0].items
    prices = [one.price.max or 0 for one in rehearsal.execute().item("still").requests]
    assert bought(rehearsal.item("still")) == "0F 1F 2L 2L"
    assert prices[0] < max(prices[1:])
    assert item.price.max == sum(prices) + max(prices)


def test_a_running_job_may_still_be_bought_again_if_its_media_are_refused() -> None:
    for then, more in (("fail", 0), ("regenerate", 15), ("fallback", 9)):
        rehearsal = film(then)
        rehearsal.take_up()
        rehearsal.until(JobEnded)
        found = priced(rehearsal.state).steps[0].items[0].price
        assert (found.min, found.max) == (0, more), then


def test_a_resume_buys_a_refused_medium_again_only_if_its_step_is_named() -> None:
    rehearsal = film(black_models={"z-image"}).execute().execute()
    assert bought(rehearsal.item("still")) == "0L"
    rehearsal.execute(regenerate=("still",))
    assert bought(rehearsal.item("still")) == "0L 0L"
    rehearsal.service.black_models = ()
    rehearsal.execute(regenerate=("*",))
    assert bought(rehearsal.item("still")) == "0L 0L 0S"
    assert rehearsal.ended[-1] == "completed"


@pytest.mark.parametrize(
    ("options", "first", "resumed"),
    [
        ({"black_models": {"z-image"}}, "0L 1R 2R", "0L 1R 2R 1R 2R"),
        ({"black_models": {"seedream-5-lite"}, "failing_models": {"z-image"}}, "0F 1L 2R", "0F 1L 2R 2R"),
        ({"black_models": {"seedream-5-lite"}}, "0R 1L 2R", "0R 1L 2R 0R 2R"),
    ],
)  # fmt: skip
def test_a_resume_after_a_refused_request_buys_no_lost_alternative_again(
    options: dict[str, Any], first: str, resumed: str
) -> None:
    refusing = ALL - {*options["black_models"], *options.get("failing_models", ())}
    rehearsal = film("fallback", refusing_models=refusing, **options).execute()
    assert bought(rehearsal.item("still")) == first
    spent = rehearsal.state.spent
    rehearsal.execute()
    assert bought(rehearsal.item("still")) == resumed
    assert rehearsal.state.spent == spent


def test_a_person_takes_refused_media_and_the_run_goes_on_without_buying_them_again() -> None:
    rehearsal = film("regenerate", black_models={"z-image"}).execute()
    spent = rehearsal.state.spent
    accept(rehearsal)
    rehearsal.execute()
    item = rehearsal.item("still")
    assert (bought(item), item.code, item.outputs is None) == ("0L 0S", None, False)
    assert rehearsal.bought == ["still", "still", "film"]
    assert rehearsal.state.spent > spent
    assert rehearsal.ended[-1] == "completed"
    accept_again = rehearsal.journal[:]
    rehearsal.feed(next(one for one in accept_again if isinstance(one, MediaAccepted)))
    assert bought(rehearsal.item("still")) == "0L 0S"


def test_a_budget_that_covers_no_second_purchase_holds_after_a_refusal() -> None:
    rehearsal = film("regenerate", black_models={"z-image"}, top="budget: {credits: 1}").execute()
    item = rehearsal.item("still")
    assert (bought(item), item.code, rehearsal.state.spent) == ("0L", "over_budget", 1)


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 10**6),
    crashes=st.lists(st.integers(0, 40), max_size=5),
    black=st.sampled_from([0.0, 0.5, 0.9]),
    failing=st.sampled_from([0.0, 0.4]),
    regenerate=st.integers(0, 2),
    then=st.sampled_from(["fail", "warn", "regenerate", "fallback"]),
)
def test_no_order_and_no_crash_buys_refused_media_more_often_than_the_step_says(
    seed: int, crashes: list[int], black: float, failing: float, regenerate: int, then: str
) -> None:
    luck: dict[str, Any] = {"black": black, "failing": failing, "seed": seed}
    smooth = film(then, regenerate=regenerate, **luck).execute()
    disturbed, order = film(then, regenerate=regenerate, **luck), random.Random(seed)
    for limit in crashes:
        disturbed.take_up()
        disturbed.run(order, limit)
    disturbed.execute(order)
    assert smooth.service.charges == disturbed.service.charges
    assert smooth.ended[-1:] == disturbed.ended[-1:]
    assert disturbed.state.spent == sum(disturbed.service.charges.values())
    item = disturbed.item("still")
    lost = len(item.lost)
    assert lost <= {"fail": 1, "warn": 0, "regenerate": 2, "fallback": 3}[then]
    assert len(disturbed.events(MediaRefused)) == lost
    most = priced(disturbed.start).steps[0].items[0].price.max
    assert most is not None
    assert item.credits <= most


@settings(max_examples=examples(100))
@given(
    seed=st.integers(0, 10**6),
    limits=st.lists(st.integers(0, 30), min_size=2, max_size=6),
    black=st.sampled_from([0.5, 0.9]),
    failing=st.sampled_from([0.0, 0.4]),
    refusing=st.sampled_from([0.0, 0.5, 0.8]),
    regenerate=st.integers(0, 2),
    then=st.sampled_from(["fail", "warn", "regenerate", "fallback"]),
    accepts=st.booleans(),
    budget=st.sampled_from([None, 1, 7]),
)
def test_resumes_after_refusals_pay_no_more_than_the_plan_says(
    seed: int,
    limits: list[int],
    black: float,
    failing: float,
    refusing: float,
    regenerate: int,
    then: str,
    accepts: bool,
    budget: int | None,
) -> None:
    top = "" if budget is None else f"budget: {{credits: {budget}}}"
    luck: dict[str, Any] = {"black": black, "failing": failing, "refusing": refusing, "seed": seed}
    rehearsal, order = film(then, regenerate=regenerate, top=top, **luck), random.Random(seed)
    most = priced(rehearsal.start).steps[0].items[0].price.max or 0
    for limit in limits:
        rehearsal.take_up()
        left = priced(rehearsal.state).steps[0].items[0].price.max or 0
        before = rehearsal.item("still").credits
        rehearsal.run(order, limit)
        assert rehearsal.item("still").credits <= before + left
    item = rehearsal.execute(order).item("still")
    assert item.credits <= most
    if accepts and item.lost and item.phase == "failed":
        accept(rehearsal)
        rehearsal.execute(order).execute(order)
        assert rehearsal.item("still").phase == "completed"
        assert rehearsal.item("still").credits == item.credits
    assert rehearsal.state.spent == sum(rehearsal.service.charges.values())
    assert budget is None or rehearsal.most <= budget
    wasted = [one.alternative for one in item.lost]
    assert max(map(wasted.count, wasted), default=0) <= 1 + (then == "regenerate")
