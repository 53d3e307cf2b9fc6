from __future__ import annotations

from collections.abc import Iterator

import pytest

from rivya_flows.doctor.checks import Check, ok, run_checks
from rivya_flows.errors import UsageError
from rivya_flows.settings import Settings


def failing(error: Exception) -> Iterator[Check]:
    yield ok("before it")
    raise error


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (UsageError("no such folder", "create it"), "no such folder", "create it"),
        (OSError(28, "No space left"), "No space left", "use it once"),
        (KeyError("k"), "KeyError during this check", "use it once"),
    ],
)
def test_an_error_of_a_check_is_a_problem(error: Exception, message: str, hint: str) -> None:
    (found,) = run_checks("part", lambda: failing(error))
    assert (found.status, found.message) == ("problem", message)
    assert found.hint is not None
    assert found.hint.startswith(hint)


def test_an_invalid_setting_is_named_without_its_value() -> None:
    def check() -> list[Check]:
        Settings.model_validate({"rivya_poll_seconds": "rk_secret"})
        return []

    (found,) = run_checks("settings", check)
    assert found.message.startswith("RIVYA_POLL_SECONDS: ")
    assert "rk_secret" not in found.message
