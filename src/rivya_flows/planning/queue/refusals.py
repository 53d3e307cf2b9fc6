"""What a refusal says about a purchase: the one place that decides whether it closes it.

The service may look at the API key, the scope, the pace, the balance and the request before it looks up
the idempotency key. So a refusal says nothing about an earlier request of the same purchase: what may
have been accepted is never closed by one, also where a person decided to send it again. A response
without the service's error envelope closes nothing: a gateway may have put it in the place of an acceptance.
"""

from __future__ import annotations

from typing import Literal

from rivya_flows.planning.queue.items import Purchase

CONFLICT = "idempotency_conflict"
"""Code while another request under the same key is under way. Source: contract, section 2.2."""

_REFUSING = {"insufficient_credits", "chat_session_conflict"}
"""Codes that refuse a purchase whatever their status. Source: contract, section 2.2."""

_OF_ACCOUNT = {401, 402, 403}
"""Statuses about the account: the same request may be accepted later."""

_STILL_OPEN = {408, 409, 429}


def meaning_of_refusal(
    bought: Purchase, status: int, code: str
) -> Literal["open", "refused", "uncertain"]:
    """Whether an error response leaves a purchase open, closes it, or makes it uncertain.

    Args:
        bought: The purchase, with what is known of its earlier requests.
        status: Of the response.
        code: Of the error; ``http_<status>`` if a gateway responded.
    """
    if code not in _REFUSING and (status in _STILL_OPEN or not 400 <= status < 500):
        return "open"
    if code.startswith("http_"):  # a gateway, which does not know what the service did
        return "open"
    if bought.sent == "never":
        return "refused"
    if code == "insufficient_credits" or status in _OF_ACCOUNT:
        return "open"
    return "uncertain"
