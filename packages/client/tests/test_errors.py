"""The errors of the client: one class for each status, and every one survives pickle with its hint."""

from __future__ import annotations

import pickle
import traceback

import pytest

from rivya_client import errors
from rivya_client.errors import APIStatusError, RivyaError
from rivya_client.webhook_signatures import (
    WebhookError,
    WebhookHeaderError,
    WebhookPayloadError,
    WebhookReplayError,
    WebhookSignatureError,
)


@pytest.mark.parametrize(
    ("statuses", "name"),
    [
        ((400,), "BadRequestError"),
        ((401,), "AuthenticationError"),
        ((402,), "InsufficientCreditsError"),
        ((403,), "PermissionDeniedError"),
        ((404,), "NotFoundError"),
        ((409,), "ConflictError"),
        ((429,), "RateLimitError"),
        ((500, 503, 599), "InternalServerError"),
        ((408, 418), "APIStatusError"),
    ],
)
def test_each_status_has_its_class(statuses: tuple[int, ...], name: str) -> None:
    assert {APIStatusError.of_status(status) for status in statuses} == {getattr(errors, name)}


REFUSED = APIStatusError.of_status(429)(429, "rate_limited", "No.", "req_1", 2.0)
REFUSED.idempotency_key, REFUSED.hint = "k1", errors.SAME_PURCHASE


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        errors.APIConnectionError("cut"),
        errors.NotSentError("no connection"),
        errors.RefusedAfterSilenceError(401, "api_key_revoked", "No."),
        errors.StreamFailedError(500, "internal_error", "Oh.", "req_4", None, "Hi"),
        errors.BrokenStreamError("cut", "Hi!", "session_1", True),
        errors.RefusedAddressError("https://a/b", "no"),
        errors.JobTimeoutError("task_1", None, 12.5),
        errors.JobStatusError("task_1", "canceled", None),
        errors.UsageError("no such spec", "check the path"),
        WebhookHeaderError("webhook: no"),
        WebhookSignatureError("webhook: no"),
        WebhookReplayError("webhook: no"),
        WebhookPayloadError("webhook: no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_survives_pickle(error: RivyaError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert again.hint or not isinstance(error, WebhookError)


def test_a_traceback_ends_with_the_hint_once_also_after_pickle() -> None:
    error = errors.UsageError("no such spec", "check the path")
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert "".join(traceback.format_exception(one)).endswith(
            "UsageError: no such spec\nhint: check the path\n"
        )
