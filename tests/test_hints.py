"""What commands say about an error of the service, where a run gives another advice than the client."""

from __future__ import annotations

import pytest

from rivya_client.errors import SAME_PURCHASE
from rivya_flows.errors import ADVICE, APIConnectionError, APIStatusError, UsageError, hint_of


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("api_key_revoked", "then `rivya-flows down` and `up` if that runs"),
        ("api_key_expired", "then `rivya-flows down` and `up` if that runs"),
        ("rate_limited", "wait, then resume"),
        ("insufficient_credits", "add credits, or pick a cheaper model, then resume"),
    ],
)
def test_a_hint_about_the_service_says_what_a_run_needs(code: str, words: str) -> None:
    error = APIStatusError(400, code, "No.")
    assert words in str(hint_of(error))
    assert "rivya-flows" not in str(error.hint)
    assert "resume" not in str(error.hint)


def test_a_run_sends_an_open_purchase_again_by_itself() -> None:
    error = APIConnectionError("gone")
    told = error.hint
    error.hint = f"{SAME_PURCHASE}; {told}"
    assert hint_of(error) == told
    error.hint = SAME_PURCHASE
    assert hint_of(error) is None


def test_every_other_hint_is_that_of_the_error() -> None:
    errors = [APIStatusError(400, code, "No.") for code in ADVICE if code.startswith("api_key_in")]
    for error in (*errors, UsageError("a", "b"), UsageError("a"), APIConnectionError("gone")):
        assert hint_of(error) == error.hint
    assert hint_of(OSError("disk")) is None
