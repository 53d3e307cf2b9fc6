"""A purchase that may have been made is closed only by an answer that takes it, in whatever order answers come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import chain, product, repeat
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_flows.engine.run import RunOptions
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import codes
from support.engine_runs import Bomb, accounts_agree, customer, order, stills
from support.hostile_histories import REFUSALS, Trouble, TroubledStudio
from support.samples import sample

OF_REQUEST = ("validation_failed", "not_found", "chat_session_conflict")
OF_ACCOUNT = ("api_key_revoked", "insufficient_credits", "api_scope_denied")
LINE = """
version: 1
name: line
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A line for a lamp}
"""
UNHEARD = [
    ("lost after", "conflict"),
    ("late", "conflict"),
    ("conflict",),
    ("lost after",),
    ("504 after",),
    ("cut",),
    ("503", "429"),
]
"""What may happen to the first requests of a purchase that may have been made."""

EITHER = pytest.mark.parametrize("text", [stills(1), LINE], ids=["generation", "chat"])


@pytest.fixture
async def studio(shared_sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[TroubledStudio]:
    order(shared_sandbox)
    known = customer(shared_sandbox, tmp_path / "studio")
    async with httpx.AsyncHTTPTransport(verify=False) as service:
        trouble = Trouble(service)
        yield TroubledStudio(known.folder, known.service, known.account, trouble=trouble)


@contextmanager
def broken(studio: TroubledStudio, *breaks: str, then: str | None = None) -> Iterator[None]:
    """What happens to the next paid requests, and to all after them."""
    studio.trouble.plan = chain(breaks, repeat(then)).__next__
    yield
    studio.trouble.plan = lambda: None


async def executed(studio: TroubledStudio, *resubmit: str, **more: Any) -> dict[str, Any]:
    await studio.execute("run-1", RunOptions(resubmit=resubmit), **more)
    return studio.receipt("run-1")


def statuses(receipt: dict[str, Any]) -> list[str]:
    return [row["status"] for row in receipt["ledger"]]


async def bought_once(studio: TroubledStudio, sandbox: Sandbox, receipt: dict[str, Any]) -> None:
    """Whatever is known of the purchase, it counts; and one more execution in peace buys nothing else."""
    assert receipt["credits"]["spent"] == 1
    await studio.trouble.deliver()
    [step] = receipt["steps"]
    doubts = [one for one in step["items"] if one["code"] == "uncertain"]
    names = [f"{step['id']}[{one['key']}]" if one["key"] else step["id"] for one in doubts]
    receipt = await executed(studio, *names)
    assert receipt["status"] == "completed"
    assert [row["n"] for row in receipt["ledger"]] == [1]
    assert accounts_agree(studio, sandbox.data, "run-1") == 1


@EITHER
@pytest.mark.parametrize(("before", "code"), sample(product(UNHEARD, REFUSALS), 5))
async def test_a_refusal_after_a_request_without_an_answer_closes_nothing(
    studio: TroubledStudio, shared_sandbox: Sandbox, before: tuple[str, ...], code: str, text: str
) -> None:
    await studio.start(text, "run-1")
    with broken(studio, *before, code):
        receipt = await executed(studio)
    expected = "uncertain" if code in OF_REQUEST else "intended"
    assert statuses(receipt) == [expected]
    assert codes(receipt) == ["uncertain" if code in OF_REQUEST else code]
    await bought_once(studio, shared_sandbox, receipt)


@EITHER
@pytest.mark.parametrize("first", ["lost after", "403 after"])
@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refusal_at_a_resume_closes_nothing_that_an_earlier_execution_sent(
    studio: TroubledStudio, shared_sandbox: Sandbox, code: str, first: str, text: str
) -> None:
    await studio.start(text, "run-1")
    with broken(studio, then=first):
        assert statuses(await executed(studio)) == ["intended"]
    with broken(studio, code):
        receipt = await executed(studio)
    assert statuses(receipt) == ["uncertain" if code in OF_REQUEST else "intended"]
    await bought_once(studio, shared_sandbox, receipt)


@pytest.mark.parametrize("code", OF_ACCOUNT)
async def test_a_resume_after_a_crash_is_not_told_by_the_account_what_became_of_a_request(
    studio: TroubledStudio, shared_sandbox: Sandbox, code: str
) -> None:
    await studio.start(stills(1), "run-1")
    assert await studio.execute("run-1", bomb=Bomb(post=-1)) is None
    with broken(studio, code):
        receipt = await executed(studio)
    assert (statuses(receipt), codes(receipt)) == (["intended"], [code])
    await bought_once(studio, shared_sandbox, receipt)


async def test_credits_that_come_back_in_the_moment_of_a_resume_close_nothing(
    studio: TroubledStudio, shared_sandbox: Sandbox
) -> None:
    """The wallet covers the purchase when it is looked at, and said that it did not a moment before."""
    await studio.start(stills(1), "run-1")
    with broken(studio, then="lost after"):
        await executed(studio)
    with broken(studio, "insufficient_credits"):
        receipt = await executed(studio)
    assert admin.ledger(shared_sandbox.data, account=studio.account)["balance"] == 999
    assert statuses(receipt) == ["intended"]
    await bought_once(studio, shared_sandbox, receipt)


@pytest.mark.parametrize("before", ["conflict", "lost after"])
async def test_nothing_else_is_bought_instead_of_what_may_have_been_made(
    studio: TroubledStudio, shared_sandbox: Sandbox, before: str
) -> None:
    step = "fallback: [{model: seedream-5-lite}]"
    await studio.start(stills(1, step=step), "run-1")
    with broken(studio, "lost after", before, "validation_failed"):
        receipt = await executed(studio)
    assert statuses(receipt) == ["uncertain"]
    await bought_once(studio, shared_sandbox, receipt)


@EITHER
@pytest.mark.parametrize("code", OF_ACCOUNT)
async def test_a_purchase_that_a_person_sends_again_is_not_closed_by_a_refusal_of_the_account(
    studio: TroubledStudio, shared_sandbox: Sandbox, code: str, text: str
) -> None:
    name = "script" if text == LINE else "stills[0]"
    await studio.start(text, "run-1")
    with broken(studio, "lost after", "not_found"):
        assert statuses(await executed(studio)) == ["uncertain"]
    with broken(studio, code):
        receipt = await executed(studio, name)
    assert statuses(receipt) == ["intended"]
    await bought_once(studio, shared_sandbox, receipt)


async def test_a_conflict_of_what_a_person_sends_again_says_that_it_may_have_been_made(
    studio: TroubledStudio, shared_sandbox: Sandbox
) -> None:
    await studio.start(stills(1), "run-1")
    with broken(studio, "lost after", "not_found"):
        await executed(studio)
    with broken(studio, "conflict", "not_found"):
        receipt = await executed(studio, "stills[0]")
    assert statuses(receipt) == ["uncertain"]
    await bought_once(studio, shared_sandbox, receipt)


async def test_a_conflict_is_not_waited_out_beyond_its_time_as_by_a_process_that_was_stopped(
    studio: TroubledStudio, shared_sandbox: Sandbox
) -> None:
    """The pause alone is longer: after it, the service may have forgotten the key."""
    await studio.start(stills(1), "run-1")
    with broken(studio, "lost after", "conflict"):
        receipt = await executed(studio, conflict_seconds=0.01)
    assert statuses(receipt) == ["uncertain"]
    await bought_once(studio, shared_sandbox, receipt)


@EITHER
async def test_what_never_left_this_machine_costs_nothing_anywhere_and_is_bought_later(
    studio: TroubledStudio, shared_sandbox: Sandbox, text: str
) -> None:
    with studio.context(Bomb()) as context:
        pools = Pools(context.journal.engine)
    pools.set(Pool("acme", {"client": "acme"}, credits=1))
    await studio.start(text, "run-1", labels={"client": "acme"}, budget=1)
    with broken(studio, then="unsent"):
        receipt = await executed(studio)
    assert codes(receipt) == ["connection"]
    [row] = receipt["ledger"]
    assert (row["status"], row["held"], row["final"]) == ("refused", 0, 0)
    assert "no connection" in row["reason"]
    assert receipt["credits"]["spent"] == receipt["steps"][0]["credits"] == 0
    [pool] = pools.matching({"client": "acme"}, receipt["service"])
    assert pool.spent == 0
    receipt = await executed(studio)
    assert receipt["status"] == "completed"
    assert statuses(receipt)[0] == "refused"
    assert accounts_agree(studio, shared_sandbox.data, "run-1") == 1


@pytest.mark.parametrize("before", [["lost before"], ["late"], ["conflict"], ["503"]])
async def test_what_may_have_left_this_machine_once_is_not_closed_by_a_lost_connection(
    studio: TroubledStudio, shared_sandbox: Sandbox, before: list[str]
) -> None:
    await studio.start(stills(1), "run-1")
    with broken(studio, *before, then="unsent"):
        receipt = await executed(studio)
    assert statuses(receipt) == ["intended"]
    with broken(studio, then="unsent"):
        receipt = await executed(studio)
    assert (statuses(receipt), codes(receipt)) == (["intended"], ["connection"])
    await bought_once(studio, shared_sandbox, receipt)


async def test_an_intent_of_a_killed_execution_is_not_known_to_be_unsent(
    studio: TroubledStudio, shared_sandbox: Sandbox
) -> None:
    await studio.start(stills(1), "run-1")
    assert await studio.execute("run-1", bomb=Bomb(post=1)) is None
    with broken(studio, then="unsent"):
        receipt = await executed(studio)
    assert statuses(receipt) == ["intended"]
    await bought_once(studio, shared_sandbox, receipt)
