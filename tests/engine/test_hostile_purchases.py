"""A purchase that may have been made is closed only by an answer that takes it, in whatever order answers come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, product, repeat
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_flows.engine.run import RunOptions
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import LINE, Bomb, codes, customer, stills
from support.hostile_requests import REFUSALS, Trouble, TroubledStudio
from support.samples import sample

pytestmark = pytest.mark.slow

OF_REQUEST = ("validation_failed", "not_found", "chat_session_conflict")
OF_ACCOUNT = ("api_key_revoked", "insufficient_credits", "api_scope_denied")
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


@dataclass(frozen=True)
class Turn:
    """One execution, and what is known of the purchase after it.

    Attributes:
        breaks: What happens to its paid requests, one after the other.
        status: Of the row of the ledger.
        code: Of the item; None is not looked at.
        then: What happens to all further paid requests.
        resubmits: A person sends again what is uncertain.
        conflict_seconds: How long a conflict is waited out.
        killed_at: Number of the paid request at which it is killed, behind it where negative.
    """

    breaks: Sequence[str] = ()
    status: str = "intended"
    code: str | None = None
    then: str | None = None
    resubmits: bool = False
    conflict_seconds: float = 30
    killed_at: int | None = None


def refused(*breaks: str, resubmits: bool = False) -> Turn:
    """An execution whose last break is a refusal, which leaves it open if it is of the account."""
    of_request = breaks[-1] in OF_REQUEST
    status, code = ("uncertain", "uncertain") if of_request else ("intended", breaks[-1])
    return Turn(breaks, status, code, resubmits=resubmits)


IN_DOUBT = refused("lost after", "not_found")
UNSENT = Turn(then="unsent", code="connection")
EITHER = (stills(1), LINE)
ALTERNATIVE = stills(1, step="fallback: [{model: seedream-5-lite}]")
LATER_REFUSALS = [
    *([refused(*before, code)] for code, before in product(REFUSALS, UNHEARD)),
    *(
        [Turn(then=one), refused(code)]
        for one, code in product(("lost after", "403 after"), REFUSALS)
    ),
]
AFTER_A_CRASH_OR_DOUBT = [
    *([Turn(killed_at=-1), refused(code)] for code in OF_ACCOUNT),
    *([IN_DOUBT, refused(code, resubmits=True)] for code in OF_ACCOUNT),
    [IN_DOUBT, refused("conflict", "not_found", resubmits=True)],
]
CASES = [
    *product(EITHER, AFTER_A_CRASH_OR_DOUBT),
    # An odd share takes both in turns.
    *sample(((text, turns) for turns, text in product(LATER_REFUSALS, EITHER)), 5),
    # Nothing else is bought instead.
    (ALTERNATIVE, [refused("lost after", "conflict", "validation_failed")]),
    (ALTERNATIVE, [refused("lost after", "lost after", "validation_failed")]),
    # The pause alone is longer than its time: after it, the service may have forgotten the key.
    (stills(1), [Turn(["lost after", "conflict"], "uncertain", conflict_seconds=0.01)]),
    # A plain resume never sends again what is uncertain.
    (stills(1), [Turn(status="uncertain", then="conflict", conflict_seconds=0.06)] * 2),
    (stills(1), [Turn(then="429", code="rate_limited")]),
    # What may have left this machine once is not closed by a lost connection.
    *((stills(1), [Turn([one], then="unsent"), UNSENT]) for one in ("lost before", "late", "503")),
    (LINE, [Turn(["conflict"], then="unsent"), UNSENT]),
    (stills(1), [Turn(killed_at=1), UNSENT]),
]


@pytest.fixture
async def studio(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[TroubledStudio]:
    known = customer(sandbox, tmp_path / "studio")
    async with httpx.AsyncHTTPTransport(verify=False) as service:
        trouble = Trouble(service)
        studio = TroubledStudio(
            known.folder, known.service, known.account, known.data, trouble=trouble
        )
        yield studio
        studio.close()


async def executed(studio: TroubledStudio, turn: Turn) -> dict[str, Any]:
    """The receipt after an execution."""
    studio.trouble.plan = chain(turn.breaks, repeat(turn.then)).__next__
    doubts: list[str] = []
    if turn.resubmits:
        [step] = studio.receipt()["steps"]
        keys = [one["key"] for one in step["items"] if one["code"] == "uncertain"]
        doubts = [f"{step['id']}[{key}]" if key else step["id"] for key in keys]
    await studio.execute(
        "run-1",
        RunOptions(resubmit=tuple(doubts)),
        bomb=Bomb(post=turn.killed_at),
        conflict_seconds=turn.conflict_seconds,
    )
    return studio.receipt()


@pytest.mark.parametrize(("text", "turns"), CASES, ids=range(len(CASES)))
async def test_what_may_have_been_bought_counts_and_is_bought_once_whatever_is_answered_later(
    studio: TroubledStudio, text: str, turns: list[Turn]
) -> None:
    await studio.start(text, "run-1")
    for turn in turns:
        receipt = await executed(studio, turn)
        assert [row["status"] for row in receipt["ledger"]] == [turn.status], turn
        assert turn.code is None or codes(receipt) == [turn.code], turn
    assert receipt["credits"]["spent"] == 1
    await studio.trouble.deliver()
    receipt = await executed(studio, Turn(resubmits=True))
    assert receipt["status"] == "completed"
    assert [row["n"] for row in receipt["ledger"]] == [1]
    assert studio.audit() == 1


@pytest.mark.parametrize("text", EITHER, ids=["generation", "chat"])
async def test_what_never_left_this_machine_costs_nothing_anywhere_and_is_bought_later(
    studio: TroubledStudio, text: str
) -> None:
    studio.set_pool(Pool("acme", {"client": "acme"}, credits=1))
    await studio.start(text, "run-1", labels={"client": "acme"}, budget=1)
    receipt = await executed(studio, UNSENT)
    assert codes(receipt) == ["connection"]
    [row] = receipt["ledger"]
    assert (row["status"], row["held"], row["final"]) == ("refused", 0, 0)
    assert "no connection" in row["reason"]
    assert receipt["credits"]["spent"] == receipt["steps"][0]["credits"] == 0
    with studio.context(Bomb()) as context:
        [pool] = Pools(context.journal.engine).matching({"client": "acme"}, receipt["service"])
    assert pool.spent == 0
    receipt = await executed(studio, Turn())
    assert receipt["status"] == "completed"
    assert receipt["ledger"][0]["status"] == "refused"
    assert studio.audit() == 1


async def test_what_grew_too_old_between_the_resume_and_its_request_is_sent_by_a_person_alone(
    studio: TroubledStudio,
) -> None:
    await studio.start(stills(1), "run-1")
    studio.trouble.plan = repeat("lost after").__next__
    half_past_19 = timedelta(hours=19, minutes=30)
    await studio.execute("run-1", clock=lambda: datetime.now(UTC) - half_past_19)
    # To the resume it is 18 and a half hours old; its request would leave an hour later.
    studio.trouble.plan = repeat(None).__next__
    hour = timedelta(hours=1)
    await studio.execute("run-1", clock=lambda: datetime.now(UTC) - hour, resend_hours=19)
    receipt = studio.receipt()
    assert (codes(receipt), receipt["ledger"][0]["status"]) == (["connection"], "intended")
    await studio.execute("run-1", resend_hours=19)
    assert codes(studio.receipt()) == ["uncertain"]
    assert (await executed(studio, Turn(resubmits=True)))["status"] == "completed"
    assert studio.audit() == 1
