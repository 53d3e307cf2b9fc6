"""What a refusal says about a purchase, by what is known of its earlier requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest

from rivya_flows.queue.events import (
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUnanswered,
    PurchaseUncertain,
    RunEnded,
)
from rivya_flows.queue.items import Phase, Purchase
from rivya_flows.queue.outcomes import meaning_of_refusal
from support.campaigns import a_set, until
from support.naive_service import NOON, Rehearsal
from support.receipts import receipt_of

NEW = Purchase(1, "generation", "key", "{}", 1, NOON)
OF = {"step": "stills", "key": "0", "n": 1}
NAME = "stills[0]"


@pytest.mark.parametrize(
    ("status", "code", "never", "unknown"),
    [
        (400, "validation_failed", "refused", "uncertain"),
        (404, "not_found", "refused", "uncertain"),
        (409, "chat_session_conflict", "refused", "uncertain"),
        (422, "a_newer_code", "refused", "uncertain"),
        (499, "a_newer_code", "refused", "uncertain"),
        (401, "api_key_revoked", "refused", "open"),
        (402, "a_newer_code", "refused", "open"),
        (403, "api_scope_denied", "refused", "open"),
        (400, "insufficient_credits", "refused", "open"),
        (404, "http_404", "open", "open"),
        (503, "insufficient_credits", "refused", "open"),
        (408, "http_408", "open", "open"),
        (409, "a_newer_code", "open", "open"),
        (429, "rate_limited", "open", "open"),
        (399, "http_399", "open", "open"),
        (500, "internal_error", "open", "open"),
    ],
)
def test_a_refusal_closes_only_what_no_request_can_have_bought(
    status: int, code: str, never: str, unknown: str
) -> None:
    def meaning(sent: Literal["never", "unknown"]) -> str:
        return meaning_of_refusal(NEW._replace(sent=sent), status, code)

    assert (meaning("never"), meaning("unknown")) == (never, unknown)


def begun() -> Rehearsal:
    """A run that has just written the intent of its only picture."""
    rehearsal = a_set(1, 9)
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    return rehearsal


def purchase(rehearsal: Rehearsal) -> Purchase:
    [bought] = rehearsal.state.item("stills", "0").purchases
    return bought


def test_a_request_without_an_answer_is_remembered_until_one_accepts_the_purchase() -> None:
    rehearsal = begun()
    assert purchase(rehearsal).sent == "never"
    rehearsal.feed(PurchaseUnanswered(**OF, reason="cut"))
    bought = purchase(rehearsal)
    assert (bought.status, bought.sent, bought.error, bought.held) == (
        "intended",
        "unknown",
        "cut",
        1,
    )
    rehearsal.feed(PurchaseAccepted(**OF, task_id="task_1", reserved_credits=1))
    assert (purchase(rehearsal).status, purchase(rehearsal).error) == ("accepted", None)


def test_an_intent_of_an_execution_that_ended_may_have_been_sent() -> None:
    rehearsal = begun()
    rehearsal.take_up()
    assert (purchase(rehearsal).status, purchase(rehearsal).sent) == ("intended", "unknown")


def test_what_a_person_sends_again_is_not_closed_by_a_refusal() -> None:
    rehearsal = begun()
    rehearsal.feed(PurchaseUncertain(**OF, reason="409 for a minute"))
    late = NOON + timedelta(hours=30)
    rehearsal.take_up(at=late)
    assert purchase(rehearsal).status == "uncertain"
    rehearsal.take_up(at=late, resubmit=(NAME,))
    bought = purchase(rehearsal)
    assert (bought.status, bought.sent, bought.error) == ("intended", "unknown", None)
    assert bought.intended_at == late, "its time to be sent again begins again"
    assert meaning_of_refusal(bought, 400, "validation_failed") == "uncertain"


@pytest.mark.parametrize(
    ("hours", "status"), [(0.5, "intended"), (2, "uncertain"), (100, "uncertain")]
)
def test_a_purchase_whose_age_nobody_knows_since_a_clock_was_set_back_is_not_sent_again(
    hours: float, status: str
) -> None:
    rehearsal = begun()
    rehearsal.take_up(at=NOON - timedelta(hours=hours))
    assert purchase(rehearsal).status == status
    assert purchase(rehearsal).held == 1


@pytest.mark.parametrize("named", ["*", "stills"])
def test_an_uncertain_purchase_is_given_up_by_the_name_of_its_item_alone_and_still_counts(
    named: str,
) -> None:
    rehearsal = begun()
    rehearsal.feed(PurchaseUncertain(**OF, reason="refused now"))
    rehearsal.take_up(regenerate=(named,))
    rehearsal.run()
    assert [purchase(rehearsal).status, *rehearsal.service.charges] == ["uncertain"]
    rehearsal.take_up(regenerate=(NAME,))
    rehearsal.run()
    assert rehearsal.ended[-1] == "completed"
    old, new = rehearsal.state.item("stills", "0").purchases
    assert (old.status, old.held, new.status, new.held) == ("uncertain", 1, "succeeded", 1)
    assert old.idempotency_key != new.idempotency_key
    assert rehearsal.state.spent == 2
    receipt = receipt_of(rehearsal)
    assert [row["status"] for row in receipt["ledger"]] == ["uncertain", "succeeded"]
    assert receipt["credits"]["spent"] == 2


def test_who_gives_up_and_sends_again_only_sends_again() -> None:
    rehearsal = begun()
    rehearsal.feed(PurchaseUncertain(**OF, reason="409 for a minute"))
    rehearsal.take_up(regenerate=(NAME,), resubmit=(NAME,))
    rehearsal.run()
    assert purchase(rehearsal).status == "succeeded"


def test_a_purchase_that_was_given_up_takes_its_part_of_the_budget() -> None:
    rehearsal = a_set(1, 1)
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    rehearsal.feed(PurchaseUncertain(**OF, reason="refused now"))
    rehearsal.take_up(regenerate=(NAME,))
    rehearsal.run()
    assert rehearsal.state.item("stills", "0").code == "over_budget"
    assert rehearsal.state.spent == 1


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_was_never_sent_is_bought_by_the_next_execution_within_the_same_budget(
    cancelled: bool,
) -> None:
    rehearsal = a_set(2, 2)
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    rehearsal.feed(
        PurchaseRefused(**OF, code="no_connection", message="no connection", status=None)
    )
    assert rehearsal.state.item("stills", "0").phase is Phase.BUYING
    assert (purchase(rehearsal).status, purchase(rehearsal).held) == ("refused", 0)
    if cancelled:
        rehearsal.feed(RunEnded(status="cancelled", at=NOON))
        assert receipt_of(rehearsal)["credits"]["spent"] == 0
    rehearsal.take_up()
    rehearsal.run()
    assert (rehearsal.ended[-1], rehearsal.state.spent) == ("completed", 2)
    numbers = [one.n for one in rehearsal.state.item("stills", "0").purchases]
    assert numbers == [1, 2]
