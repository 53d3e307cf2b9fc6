"""The cap of a run holds whatever happens at once, and whatever the service asks."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.engine.job_waits import ModelSlots
from rivya_flows.engine.run import RunOptions
from rivya_flows.errors import BudgetError
from rivya_flows.preparation.prepare import refuse_over
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue.events import Event, Unpaid
from rivya_flows.queue.state import State
from rivya_flows.receipt.continuing import continuation
from rivya_flows.store.pools import Pool
from rivya_sandbox.service.options import ServiceProfile
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, DirectCalls, Studio, answering, codes, customer, stills
from support.naive_service import NaiveService, Rehearsal, frozen
from support.receipts import parsed

pytestmark = pytest.mark.slow

SEVERAL = """
version: 1
name: several
budget: {credits: 12}
steps:
  one: {uses: generate, foreach: [1, 2, 3, 4], with: {model: z-image, prompt: "a ${{ item }}"}}
  two: {uses: generate, foreach: [1, 2, 3, 4], with: {model: nano-banana, prompt: "b ${{ item }}"}}
  text: {uses: chat, with: {model: gemini-2-5-flash-chat, message: A line}}
"""
TWO_MODELS = """
version: 1
name: models
budget: {credits: 6}
steps:
  stills:
    uses: generate
    matrix: {model: [nano-banana, z-image]}
    max_parallel: 1
    with: {model: "${{ matrix.model }}", prompt: a lamp}
  more:
    uses: generate
    needs: [stills]
    foreach: [1, 2]
    with: {model: z-image, prompt: "b ${{ item }}"}
"""
AT_RUN_TIME = """
version: 1
name: at-run-time
budget: {credits: BUDGET}
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Pictures, expect: {pictures: [string]}}
  stills:
    uses: generate
    foreach: "${{ steps.script.json.pictures }}"
    max_parallel: 16
    allow_failures: ALLOWED
    with: {model: z-image, prompt: "${{ item }}"}
"""
FILMS = """
  films:
    uses: generate
    foreach: "${{ steps.stills.items }}"
    with: {model: veo3-1-lite, prompt: push, references: ["${{ item.asset }}"]}
"""


def made(receipt: dict[str, Any], step: int = 0) -> int:
    return sum(item["status"] == "completed" for item in receipt["steps"][step]["items"])


@dataclass
class Silent(DirectCalls):
    """A service that tells what it takes only at the end."""

    async def __call__(self, function: Any, stage: str, action: Any) -> Any:
        answer = await super().__call__(function, stage, action)
        return answer.model_copy(update={"reserved_credits": 0}) if stage == "buy" else answer


def test_a_run_time_set_of_fifty_buys_exactly_what_the_budget_pays_with_sixteen_at_once(
    studio: Studio,
) -> None:
    studio.prepared(AT_RUN_TIME.replace("BUDGET", "21").replace("ALLOWED", "50"))
    fifty = json.dumps({"pictures": [f"picture {number}" for number in range(50)]})
    receipt = studio.executed(calls=answering(fifty))
    assert (made(receipt, 1), len(receipt["steps"][1]["items"])) == (20, 50)
    assert studio.audit() == 21
    assert made(studio.executed(wish=RunOptions(budget=31)), 1) == 30
    assert studio.audit() == 31


def test_the_cap_holds_over_jobs_that_fail_and_are_bought_anew(studio: Studio) -> None:
    studio.order("on: generation, do: fail, probability: 0.5")
    more = "regenerate: 2\n    allow_failures: 30\n    max_parallel: 16"
    receipt = studio.started(stills(30, top="budget: {credits: 9}", step=more))
    assert made(receipt) == 9, "what failed gave its credits back, and others took them"
    assert studio.audit() == 9


def test_a_service_that_sets_nothing_aside_does_not_open_the_cap(studio: Studio) -> None:
    studio.prepared(stills(12, top="budget: {credits: 5}", step="max_parallel: 16"))
    assert made(studio.executed(calls=Silent(Bomb()))) == studio.audit() == 5


def test_a_dearer_price_passes_the_cap_by_no_more_than_its_first_discovery(tmp_path: Path) -> None:
    """Discoveries of several steps are made one after the other."""
    most = 0

    def listen(_: Event, state: State) -> None:
        nonlocal most
        most = max(most, state.spent)

    def many(cap: int) -> str:
        return stills(40, top=f"budget: {{credits: {cap}}}", step="max_parallel: 16")

    surprise = 3
    with running(tmp_path / "dear", profile=ServiceProfile(surcharge=surprise)) as dearer:
        for number, (text, bound, rows) in enumerate(
            [(many(20), 20, 5), (many(2), 1 + surprise, 1), (SEVERAL, 12 + surprise, 3)]
        ):
            studio, most = customer(dearer, tmp_path / f"{number}"), 0
            studio.prepared(text)
            receipt = studio.executed(listen=listen)
            assert most <= bound
            assert len(receipt["ledger"]) >= rows
            assert studio.audit() <= bound


def test_what_one_model_costs_says_nothing_about_another(studio: Studio) -> None:
    assert studio.started(TWO_MODELS)["status"] == "completed"
    assert studio.audit() == 6


def test_a_budget_that_pauses_waits_for_a_person_and_buys_what_was_agreed(studio: Studio) -> None:
    asked: list[str] = []

    def say(answer: str, wish: RunOptions | None = None) -> dict[str, Any]:
        async def ask(question: Question) -> Answer:
            asked.append(question.text.rpartition(". ")[2])
            return Answer((answer,))

        return studio.executed(wish=wish, ask=ask)

    text = stills(8, top="budget: {credits: 3, on_unfit: pause}", step="max_parallel: 16")
    receipt = studio.started(text)
    assert (receipt["status"], made(receipt)) == ("suspended", studio.audit()) == ("suspended", 3)
    assert say("no")["status"] == "failed"
    assert say("yes", RunOptions(budget=4))["status"] == "completed"
    assert asked == ["Raise the budget to 8?"] * 2
    assert studio.audit() == 8


def test_two_runs_at_once_buy_exactly_what_a_pool_pays_and_the_next_is_refused(
    studio: Studio,
) -> None:
    text = stills(6, top="labels: {client: acme}", step="allow_failures: 6")
    runs = ("run-1", "run-2")
    studio.set_pool(Pool("acme", {"client": "acme"}, credits=8, soft=7))
    studio.set_pool(Pool("others", {"client": "other"}, credits=0))

    async def at_once() -> None:
        for run_id in runs:  # both are priced before one of them buys
            refuse_over((await studio.start(text, run_id)).estimate)
        # A refused purchase gives its slot to the next one.
        await asyncio.gather(*(studio.execute(one, slots=ModelSlots(1)) for one in runs))

    asyncio.run(at_once())
    receipts = [studio.receipt(run_id) for run_id in runs]
    assert sum(map(made, receipts)) == studio.audit(*runs) == 8
    failed = [item for told in receipts for item in told["steps"][0]["items"] if item["reason"]]
    assert {item["code"] for item in failed} == {"over_budget"}
    words = "needs 1 credit; the pool acme has 0 left"
    assert all(item["reason"].startswith(words) for item in failed)
    with pytest.raises(BudgetError, match="over the pool acme: 0 of 8 credits left until"):
        refuse_over(studio.prepared(text, "run-3").estimate)
    assert studio.prepared(text.replace("acme", "another"), "run-4").estimate.verdict == "ok"


def test_over_a_pool_a_run_that_pauses_begins_and_asks(studio: Studio) -> None:
    studio.set_pool(Pool("all", {}, credits=2))
    asked: list[str] = []

    async def ask(question: Question) -> Answer:
        asked.append(question.text.partition(" left")[0])
        studio.set_pool(Pool("all", {}, credits=2 + len(asked)))
        return Answer(("yes",))

    studio.prepared(stills(4, top="budget: {credits: 9, on_unfit: pause}"))
    assert studio.executed(ask=ask)["status"] == "completed"
    assert asked == ["The pool all has 0 credits"] * 2
    assert studio.audit() == 4


@pytest.mark.parametrize(
    ("unpaid", "code", "allowed"),
    [
        ("budget", "over_budget", ""),
        ("budget", "over_budget", "\n    allow_failures: 3"),
        ("balance", "insufficient_credits", ""),
    ],
)
def test_where_the_rest_is_not_paid_a_resume_brings_home_what_was_bought(
    studio: Studio, unpaid: Unpaid, code: str, allowed: str
) -> None:
    studio.prepared(stills(4, step=f"max_parallel: 2{allowed}"))
    studio.executed(bomb=Bomb(post=-2))
    receipt = studio.executed(wish=RunOptions(unpaid=unpaid))
    assert (receipt["status"], made(receipt)) == ("failed", 2)
    assert {*codes(receipt)} == {None, code}
    assert studio.audit() == 2
    assert studio.executed()["status"] == "completed"
    assert studio.audit() == 4


@given(
    seed=st.integers(0, 10**6),
    cap=st.integers(0, 40),
    surprise=st.integers(0, 9),
    failing=st.sampled_from([0.0, 0.4]),
    crashes=st.lists(st.integers(0, 60), max_size=3),
)
def test_no_order_of_events_passes_the_cap_by_more_than_one_surprise(
    seed: int, cap: int, surprise: int, failing: float, crashes: list[int]
) -> None:
    order = random.Random(seed)
    rehearsal = Rehearsal(frozen(SEVERAL, budget=cap), NaiveService(seed, surprise, failing))
    for limit in crashes:
        rehearsal.take_up()
        rehearsal.run(order, limit)
    rehearsal.take_up()
    rehearsal.run(order)
    assert rehearsal.ended
    assert rehearsal.most <= cap + surprise
    assert rehearsal.state.spent == sum(rehearsal.service.charges.values())


@pytest.mark.parametrize(
    ("budget", "limit"), [(10, "budget of 10"), (900, "pool all"), (900, "wallet")]
)
def test_a_list_whose_films_no_budget_pool_or_wallet_covers_is_not_begun(
    sandbox: Sandbox, tmp_path: Path, budget: int, limit: str
) -> None:
    granted, code = (10, "insufficient_credits") if limit == "wallet" else (1000, "over_budget")
    studio = customer(sandbox, tmp_path / "studio", credits=granted)
    if limit == "pool all":
        studio.set_pool(Pool("all", {}, credits=10))
    text = AT_RUN_TIME.replace("BUDGET", f"{budget}").replace("ALLOWED", "0")
    receipt = studio.started(text + FILMS)
    assert receipt["status"] == "failed"
    assert {row["step"] for row in receipt["ledger"]} == {"script"}
    listed = receipt["steps"][1]["items"]
    assert {one["code"] for one in listed} == {code}
    assert "all that is left needs at least" in listed[0]["reason"]
    assert f"; the {limit} has " in listed[0]["reason"]
    assert {one["reason"] for one in receipt["steps"][2]["items"]} == {"stills failed"}
    studio.audit(granted=granted)
    needed, spent = receipt["credits"]["needed"], receipt["credits"]["spent"]
    following = continuation(parsed(receipt))
    if limit == "budget of 10":
        assert following.command.endswith(f" --budget {spent + needed}")
    if limit == "wallet":
        lacking = needed + spent - granted
        assert following.advice.startswith(f"add at least {lacking} credits first")
        studio.add_credits(lacking)
        assert studio.executed()["status"] == "completed"
        studio.audit(granted=granted + lacking)
