"""The errors of the API: one class for each status, and every one survives pickle."""

from __future__ import annotations

import pickle
import traceback

import pytest

from rivya_client import errors
from rivya_client.errors import APIStatusError


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (402, "InsufficientCreditsError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
        (599, "InternalServerError"),
        (408, "APIStatusError"),
        (418, "APIStatusError"),
    ],
)
def test_each_status_has_its_class(status: int, name: str) -> None:
    kind = APIStatusError.of_status(status)
    assert kind is getattr(errors, name)
    error = kind(status, "a_code", "No.", "req_1", 2.0)
    error.idempotency_key = "k1"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), vars(again)) == (kind, vars(error))
    assert isinstance(error, APIStatusError)


def test_a_traceback_ends_with_the_hint_once_also_after_pickle() -> None:
    error = errors.UsageError("no such spec", "check the path")
    copy = pickle.loads(pickle.dumps(error))
    for one in (error, copy):
        assert "".join(traceback.format_exception(one)).endswith(
            "UsageError: no such spec\nhint: check the path\n"
        )
