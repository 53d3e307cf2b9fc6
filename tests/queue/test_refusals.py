"""What a refusal says about a purchase, by what is known of its earlier requests."""

from __future__ import annotations

from datetime import timedelta

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
from support.campaigns import a_set
from support.naive_service import NOON, Rehearsal
from support.receipts import receipt_of

NEW = Purchase(1, "generation", "key", "{}", 1, NOON)
OF = {"step": "stills", "key": "0", "n": 1}
NAME = "stills[0]"
UNCERTAIN = PurchaseUncertain(**OF, reason="409 for a minute")


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
    assert meaning_of_refusal(NEW._replace(sent="never"), status, code) == never
    assert meaning_of_refusal(NEW._replace(sent="unknown"), status, code) == unknown


def begun(count: int = 1, budget: int = 9) -> Rehearsal:
    """A run that has just written the intent of its first picture."""
    rehearsal = a_set(count, budget)
    rehearsal.take_up()
    return rehearsal.until(PurchaseIntended)


def purchase(rehearsal: Rehearsal) -> Purchase:
    [bought] = rehearsal.item("stills", "0").purchases
    return bought


def test_a_request_without_an_answer_is_remembered_until_one_accepts_the_purchase() -> None:
    rehearsal = begun()
    assert purchase(rehearsal).sent == "never"
    rehearsal.feed(PurchaseUnanswered(**OF, reason="cut"))
    bought = purchase(rehearsal)
    assert (bought.status, bought.sent, bought.error) == ("intended", "unknown", "cut")
    assert bought.held == 1
    rehearsal.feed(PurchaseAccepted(**OF, task_id="task_1", reserved_credits=1))
    assert (purchase(rehearsal).status, purchase(rehearsal).error) == ("accepted", None)


@pytest.mark.parametrize(
    ("hours", "status"),
    [
        (0, "intended"),
        (21, "uncertain"),
        (-0.5, "intended"),
        (-2, "uncertain"),
        (-100, "uncertain"),
    ],
)
def test_an_intent_of_an_ended_execution_may_have_been_sent_and_is_sent_again_while_its_age_is_known(
    hours: float, status: str
) -> None:
    """A clock that was set back says nothing of the age."""
    rehearsal = begun()
    rehearsal.take_up(at=NOON + timedelta(hours=hours))
    bought = purchase(rehearsal)
    sent = "unknown" if status == "intended" else "never"
    assert (bought.status, bought.sent, bought.held) == (status, sent, 1)
    rehearsal.run()
    assert (rehearsal.service.charges == {}) is (status == "uncertain")
    assert rehearsal.state.spent == 1


def test_what_a_person_sends_again_is_not_closed_by_a_refusal() -> None:
    rehearsal = begun()
    rehearsal.feed(UNCERTAIN)
    late = NOON + timedelta(hours=30)
    rehearsal.take_up(at=late)
    item = rehearsal.item("stills", "0")
    assert (item.phase, item.code, purchase(rehearsal).status) == (
        "failed",
        "uncertain",
        "uncertain",
    )
    rehearsal.take_up(at=late, resubmit=(NAME,))
    bought = purchase(rehearsal)
    assert (bought.status, bought.sent, bought.error) == ("intended", "unknown", None)
    assert bought.intended_at == late, "its time to be sent again begins again"
    assert meaning_of_refusal(bought, 400, "validation_failed") == "uncertain"
    rehearsal.run()
    assert (rehearsal.ended[-1], len(rehearsal.service.charges)) == ("completed", 1)


@pytest.mark.parametrize("named", ["*", "stills"])
def test_an_uncertain_purchase_is_given_up_by_the_name_of_its_item_alone_and_still_counts(
    named: str,
) -> None:
    rehearsal = begun()
    rehearsal.feed(UNCERTAIN)
    rehearsal.execute(regenerate=(named,))
    assert [purchase(rehearsal).status, *rehearsal.service.charges] == ["uncertain"]
    assert rehearsal.execute(regenerate=(NAME,)).ended[-1] == "completed"
    old, new = rehearsal.item("stills", "0").purchases
    assert (old.status, old.held, new.status, new.held) == ("uncertain", 1, "succeeded", 1)
    assert old.idempotency_key != new.idempotency_key
    assert rehearsal.state.spent == 2
    receipt = receipt_of(rehearsal)
    assert [row["status"] for row in receipt["ledger"]] == ["uncertain", "succeeded"]
    assert receipt["credits"]["spent"] == 2


def test_who_gives_up_and_sends_again_only_sends_again() -> None:
    rehearsal = begun()
    rehearsal.feed(UNCERTAIN)
    assert purchase(rehearsal.execute(regenerate=(NAME,), resubmit=(NAME,))).status == "succeeded"


def test_a_purchase_that_was_given_up_takes_its_part_of_the_budget() -> None:
    rehearsal = begun(1, 1)
    rehearsal.feed(UNCERTAIN)
    assert rehearsal.execute(regenerate=(NAME,)).item("stills", "0").code == "over_budget"
    assert rehearsal.state.spent == 1


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_was_never_sent_is_bought_by_the_next_execution_within_the_same_budget(
    cancelled: bool,
) -> None:
    rehearsal = begun(2, 2)
    away = PurchaseRefused(**OF, code="no_connection", message="no connection", status=None)
    rehearsal.feed(away)
    assert rehearsal.item("stills", "0").phase is Phase.BUYING
    assert (purchase(rehearsal).status, purchase(rehearsal).held) == ("refused", 0)
    if cancelled:
        rehearsal.feed(RunEnded(status="cancelled", at=NOON))
        assert receipt_of(rehearsal)["credits"]["spent"] == 0
    rehearsal.execute()
    assert (rehearsal.ended[-1], rehearsal.state.spent) == ("completed", 2)
    assert [one.n for one in rehearsal.item("stills", "0").purchases] == [1, 2]
