"""What a refusal says about a purchase, by what is known of its earlier requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from rivya_flows.planning.queue.events import (
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseUnanswered,
    PurchaseUncertain,
)
from rivya_flows.planning.queue.item_state import Purchase
from rivya_flows.planning.queue.refusals import meaning_of_refusal
from support.campaigns import a_set, until
from support.naive_service import NOON, Rehearsal

NEW = Purchase(1, "generation", "key", "{}", 1, NOON)
OF = {"step": "stills", "key": "0", "n": 1}
NAME = "stills[0]"


@pytest.mark.parametrize(
    ("status", "code", "never", "unknown", "resubmitted"),
    [
        (400, "validation_failed", "refused", "uncertain", "refused"),
        (404, "not_found", "refused", "uncertain", "refused"),
        (409, "chat_session_conflict", "refused", "uncertain", "refused"),
        (422, "a_newer_code", "refused", "uncertain", "refused"),
        (499, "a_newer_code", "refused", "uncertain", "refused"),
        (401, "api_key_revoked", "refused", "open", "open"),
        (402, "a_newer_code", "refused", "open", "open"),
        (403, "api_scope_denied", "refused", "open", "open"),
        (400, "insufficient_credits", "refused", "open", "open"),
        (404, "http_404", "refused", "open", "open"),
        (503, "insufficient_credits", "refused", "open", "open"),
        (408, "http_408", "open", "open", "open"),
        (409, "a_newer_code", "open", "open", "open"),
        (429, "rate_limited", "open", "open", "open"),
        (399, "http_399", "open", "open", "open"),
        (500, "internal_error", "open", "open", "open"),
    ],
)
def test_a_refusal_closes_only_what_no_request_can_have_bought(
    status: int, code: str, never: str, unknown: str, resubmitted: str
) -> None:
    def meaning(sent: Literal["never", "unknown", "resubmitted"]) -> str:
        return meaning_of_refusal(replace(NEW, sent=sent), status, code)

    assert (meaning("never"), meaning("unknown"), meaning("resubmitted")) == (
        never,
        unknown,
        resubmitted,
    )


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


def test_a_person_who_sends_an_uncertain_purchase_again_vouches_for_it_until_it_is_unanswered() -> (
    None
):
    rehearsal = begun()
    rehearsal.feed(PurchaseUncertain(**OF, reason="409 for a minute"))
    late = NOON + timedelta(hours=30)
    rehearsal.take_up(at=late)
    assert purchase(rehearsal).status == "uncertain"
    rehearsal.take_up(at=late, resubmit=(NAME,))
    bought = purchase(rehearsal)
    assert (bought.status, bought.sent, bought.error) == ("intended", "resubmitted", None)
    assert bought.intended_at == late, "its time to be sent again begins again"
    rehearsal.feed(PurchaseUnanswered(**OF, reason="cut"))
    assert purchase(rehearsal).sent == "unknown"
    rehearsal.take_up(at=late)
    assert purchase(rehearsal).sent == "unknown"
