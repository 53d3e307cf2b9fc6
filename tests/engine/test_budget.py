"""The cap of a run holds whatever happens at once, and whatever the service asks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_client.types import ChatMessage
from rivya_flows.engine.job_waits import ModelSlots
from rivya_flows.engine.run import RunOptions
from rivya_flows.errors import BudgetError
from rivya_flows.preparation.prepare import refuse_over
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue.events import Event, Unpaid
from rivya_flows.queue.state import State
from rivya_flows.receipt.continuing import continuation
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service import admin
from rivya_sandbox.service.options import ServiceProfile
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, DirectCalls, Studio, accounts_agree, customer, stills
from support.naive_service import NaiveService, Rehearsal, frozen
from support.receipts import parsed

DEARER = ServiceProfile(surcharge=3)
"""Asks three credits more than the catalogue says."""

SEVERAL = """
version: 1
name: several
budget: {credits: 12}
steps:
  one: {uses: generate, foreach: [1, 2, 3, 4], with: {model: z-image, prompt: "a ${{ item }}"}}
  two: {uses: generate, foreach: [1, 2, 3, 4], with: {model: nano-banana, prompt: "b ${{ item }}"}}
  text: {uses: chat, with: {model: gemini-2-5-flash-chat, message: A line}}
"""
AT_RUN_TIME = """
version: 1
name: at-run-time
budget: {credits: 21}
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Fifty pictures, expect: {pictures: [string]}}
  stills:
    uses: generate
    foreach: "${{ steps.script.json.pictures }}"
    max_parallel: 16
    allow_failures: 50
    with: {model: z-image, prompt: "${{ item }}"}
"""


@pytest.fixture(scope="module")
def friendly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("budget") / "sandbox") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def dearer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("dearer") / "sandbox", profile=DEARER) as sandbox:
        yield sandbox


def run(studio: Studio, text: str, **execution: Any) -> dict[str, Any]:
    async def both() -> None:
        await studio.start(text, "run-1")
        await studio.execute("run-1", **execution)

    asyncio.run(both())
    return studio.receipt("run-1")


def resumed(studio: Studio, wish: RunOptions) -> dict[str, Any]:
    asyncio.run(studio.execute("run-1", wish))
    return studio.receipt("run-1")


def made(receipt: dict[str, Any], step: int = 0) -> int:
    return sum(item["status"] == "completed" for item in receipt["steps"][step]["items"])


@dataclass
class Most:
    """Listens to a run; remembers the most that it held at any moment."""

    most: int = 0

    def __call__(self, _: Event, state: State) -> None:
        self.most = max(self.most, state.spent)


@dataclass
class Listing(DirectCalls):
    """Lets the chat name fifty pictures."""

    async def __call__(self, function: Any, stage: str, action: Any) -> Any:
        answer = await super().__call__(function, stage, action)
        if stage == "chat":
            listed = ", ".join(f'"picture {number}"' for number in range(50))
            message = ChatMessage(content=f'{{"pictures": [{listed}]}}')
            return answer.model_copy(update={"message": message})
        return answer


def test_a_run_time_set_of_fifty_buys_exactly_what_the_budget_pays_with_sixteen_at_once(
    friendly: Sandbox, tmp_path: Path
) -> None:
    studio = customer(friendly, tmp_path)
    receipt = run(studio, AT_RUN_TIME, calls=Listing(Bomb()))
    assert (made(receipt, 1), len(receipt["steps"][1]["items"])) == (20, 50)
    assert accounts_agree(studio, friendly.data, "run-1") == 21
    receipt = resumed(studio, RunOptions(budget=31))
    assert made(receipt, 1) == 30
    assert accounts_agree(studio, friendly.data, "run-1") == 31


def test_the_cap_holds_over_jobs_that_fail_and_are_bought_anew(
    friendly: Sandbox, tmp_path: Path
) -> None:
    admin.set_faults(friendly.data, "faults: [{on: generation, do: fail, probability: 0.5}]")
    studio = customer(friendly, tmp_path)
    more = "regenerate: 2\n    allow_failures: 30\n    max_parallel: 16"
    receipt = run(studio, stills(30, top="budget: {credits: 9}", step=more))
    admin.set_faults(friendly.data, "")
    assert made(receipt) == 9, "what failed gave its credits back, and others took them"
    assert accounts_agree(studio, friendly.data, "run-1") == 9


def test_a_dearer_price_passes_the_cap_by_no_more_than_its_first_discovery(
    dearer: Sandbox, tmp_path: Path
) -> None:
    studio = customer(dearer, tmp_path)
    spent = Most()
    text = stills(40, top="budget: {credits: 20}", step="max_parallel: 16")
    receipt = run(studio, text, listen=spent)
    assert spent.most <= 20, "the first told its price alone; the others were planned with it"
    assert made(receipt) >= 5
    assert accounts_agree(studio, dearer.data, "run-1") <= 20


def test_a_cap_below_the_first_discovery_is_passed_by_that_one_purchase_alone(
    dearer: Sandbox, tmp_path: Path
) -> None:
    studio = customer(dearer, tmp_path)
    receipt = run(studio, stills(40, top="budget: {credits: 2}", step="max_parallel: 16"))
    assert [row["reserved"] for row in receipt["ledger"]] == [4]
    accounts_agree(studio, dearer.data, "run-1")


def test_discoveries_of_several_steps_are_made_one_after_the_other(
    dearer: Sandbox, tmp_path: Path
) -> None:
    studio = customer(dearer, tmp_path)
    spent = Most()
    receipt = run(studio, SEVERAL, listen=spent)
    surprise = DEARER.surcharge
    assert spent.most <= 12 + surprise
    assert len(receipt["ledger"]) >= 3
    accounts_agree(studio, dearer.data, "run-1")


def test_what_one_model_costs_says_nothing_about_another(friendly: Sandbox, tmp_path: Path) -> None:
    text = """
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
    studio = customer(friendly, tmp_path)
    assert run(studio, text)["status"] == "completed"
    assert accounts_agree(studio, friendly.data, "run-1") == 6


@dataclass
class Silent(DirectCalls):
    """A service that tells what it takes only at the end."""

    async def __call__(self, function: Any, stage: str, action: Any) -> Any:
        answer = await super().__call__(function, stage, action)
        return answer.model_copy(update={"reserved_credits": 0}) if stage == "buy" else answer


def test_a_service_that_sets_nothing_aside_does_not_open_the_cap(
    friendly: Sandbox, tmp_path: Path
) -> None:
    studio = customer(friendly, tmp_path)
    receipt = run(
        studio,
        stills(12, top="budget: {credits: 5}", step="max_parallel: 16"),
        calls=Silent(Bomb()),
    )
    assert made(receipt) == 5
    assert accounts_agree(studio, friendly.data, "run-1") == 5


def test_a_budget_that_pauses_asks_once_and_buys_what_was_agreed(
    friendly: Sandbox, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def ask(question: Question) -> Answer:
        asked.append(question.key)
        return Answer(("yes",))

    studio = customer(friendly, tmp_path)
    top = "budget: {credits: 3, on_exceed: pause}"
    receipt = run(studio, stills(8, top=top, step="max_parallel: 16"), ask=ask)
    assert (receipt["status"], asked) == ("completed", ["8"])
    assert accounts_agree(studio, friendly.data, "run-1") == 8


def test_with_no_one_to_ask_a_pausing_budget_suspends_and_a_resume_with_more_goes_on(
    friendly: Sandbox, tmp_path: Path
) -> None:
    studio = customer(friendly, tmp_path)
    receipt = run(studio, stills(8, top="budget: {credits: 3, on_exceed: pause}"))
    assert (receipt["status"], made(receipt)) == ("suspended", 3)
    assert accounts_agree(studio, friendly.data, "run-1") == 3
    assert resumed(studio, RunOptions(budget=8))["status"] == "completed"
    assert accounts_agree(studio, friendly.data, "run-1") == 8


def test_two_runs_at_once_buy_exactly_what_a_pool_pays_and_the_next_is_refused(
    friendly: Sandbox, tmp_path: Path
) -> None:
    studio = customer(friendly, tmp_path)
    text = stills(6, top="labels: {client: acme}", step="allow_failures: 6")
    runs = ("run-1", "run-2")
    with studio.context(Bomb()) as context:
        pools = Pools(context.journal.engine)
        pools.set(Pool("acme", {"client": "acme"}, credits=8, soft=7))
        pools.set(Pool("others", {"client": "other"}, credits=0))

    async def at_once() -> None:
        for run_id in runs:  # both are priced before one of them buys
            refuse_over((await studio.start(text, run_id)).estimate)
        # A refused purchase gives its slot to the next one.
        await asyncio.gather(*(studio.execute(one, slots=ModelSlots(1)) for one in runs))

    asyncio.run(at_once())
    receipts = [studio.receipt(run_id) for run_id in runs]
    assert sum(map(made, receipts)) == accounts_agree(studio, friendly.data, *runs) == 8
    failed = [item for told in receipts for item in told["steps"][0]["items"] if item["reason"]]
    assert {item["code"] for item in failed} == {"over_budget"}
    assert all(
        item["reason"].startswith("needs 1 credit; the pool acme has 0 left") for item in failed
    )
    third = asyncio.run(studio.start(text, "run-3")).estimate
    with pytest.raises(BudgetError, match="over the pool acme: 0 of 8 credits left until"):
        refuse_over(third)
    other = text.replace("acme", "another")
    assert asyncio.run(studio.start(other, "run-4")).estimate.verdict == "ok"


def test_over_a_pool_a_run_that_pauses_begins_and_asks(friendly: Sandbox, tmp_path: Path) -> None:
    studio = customer(friendly, tmp_path)
    with studio.context(Bomb()) as context:
        pools = Pools(context.journal.engine)
        pools.set(Pool("all", {}, credits=2))
    asked: list[str] = []

    async def ask(question: Question) -> Answer:
        asked.append(question.text.partition(" left")[0])
        with studio.context(Bomb()) as context:
            Pools(context.journal.engine).set(Pool("all", {}, credits=2 + len(asked)))
        return Answer(("yes",))

    receipt = run(studio, stills(4, top="budget: {credits: 9, on_exceed: pause}"), ask=ask)
    assert (receipt["status"], asked) == ("completed", ["The pool all has 0 credits"] * 2)
    assert accounts_agree(studio, friendly.data, "run-1") == 4


def test_a_sum_that_was_refused_can_be_agreed_to_after_a_resume_that_allowed_less(
    friendly: Sandbox, tmp_path: Path
) -> None:
    studio = customer(friendly, tmp_path)
    asked: list[str] = []

    def say(answer: str, wish: RunOptions) -> dict[str, Any]:
        async def ask(question: Question) -> Answer:
            asked.append(question.text)
            return Answer((answer,))

        asyncio.run(studio.execute("run-1", wish, ask=ask))
        return studio.receipt("run-1")

    asyncio.run(studio.start(stills(4, top="budget: {credits: 2, on_exceed: pause}"), "run-1"))
    assert say("no", RunOptions())["status"] == "failed"
    assert say("yes", RunOptions(budget=3))["status"] == "completed"
    assert [text.rpartition(". ")[2] for text in asked] == ["Raise the budget to 4?"] * 2
    assert accounts_agree(studio, friendly.data, "run-1") == 4


@pytest.mark.parametrize(
    "allowed", ["", "\n    allow_failures: 3"], ids=["none may fail", "some may fail"]
)
@pytest.mark.parametrize(
    ("unpaid", "code"), [("budget", "over_budget"), ("balance", "insufficient_credits")]
)
def test_where_the_rest_is_not_paid_a_resume_brings_home_what_was_bought(
    friendly: Sandbox, tmp_path: Path, unpaid: Unpaid, code: str, allowed: str
) -> None:
    studio = customer(friendly, tmp_path)
    run(studio, stills(4, step=f"max_parallel: 2{allowed}"), bomb=Bomb(post=-2))
    receipt = resumed(studio, RunOptions(unpaid=unpaid))
    assert (receipt["status"], made(receipt)) == ("failed", 2)
    assert {item["code"] for item in receipt["steps"][0]["items"]} == {None, code}
    assert accounts_agree(studio, friendly.data, "run-1") == 2
    assert resumed(studio, RunOptions())["status"] == "completed"
    assert accounts_agree(studio, friendly.data, "run-1") == 4


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
    text = f"""
version: 1
name: no-film
budget: {{credits: {budget}}}
"""
    text += """
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Places, expect: {places: [string]}}
  stills:
    uses: generate
    foreach: "${{ steps.script.json.places }}"
    with: {model: z-image, prompt: "${{ item }}"}
  films:
    uses: generate
    foreach: "${{ steps.stills.items }}"
    with: {model: veo3-1-lite, prompt: push, references: ["${{ item.asset }}"]}
"""
    granted = 10 if limit == "wallet" else 1000
    studio = customer(sandbox, tmp_path / "studio", credits=granted)
    if limit != "wallet":
        with studio.context(Bomb()) as context:
            Pools(context.journal.engine).set(Pool("all", {}, credits=10))
    state = studio.run(text)
    assert state.ended == "failed"
    receipt = studio.receipt("run-1")
    assert {row["step"] for row in receipt["ledger"]} == {"script"}
    stills = receipt["steps"][1]["items"]
    code = "insufficient_credits" if limit == "wallet" else "over_budget"
    assert {one["code"] for one in stills} == {code}
    assert "all that is left needs at least" in stills[0]["reason"]
    assert f"; the {limit} has " in stills[0]["reason"]
    assert {one["reason"] for one in receipt["steps"][2]["items"]} == {"stills failed"}
    accounts_agree(studio, sandbox.data, "run-1", granted=granted)
    needed, spent = receipt["credits"]["needed"], receipt["credits"]["spent"]
    following = continuation(parsed(receipt))
    if limit == "budget of 10":
        assert following.command.endswith(f" --budget {spent + needed}")
    if limit == "wallet":
        lacking = needed + spent - granted
        assert following.advice.startswith(f"add at least {lacking} credits first")
        assert studio.account is not None
        admin.add_credits(sandbox.data, lacking, account=studio.account)
        ended = asyncio.run(studio.execute("run-1"))
        assert ended is not None
        assert ended.ended == "completed"
        accounts_agree(studio, sandbox.data, "run-1", granted=granted + lacking)
