"""Names of secrets in a spec, and reserved ones."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.language.syntax.secret_names import is_secret_name, names_secret, refusal


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("env:HOOK_URL", True),
        ("block:hook-url", True),
        ("block:secret/hook-url", True),
        ("env:HOOK URL", False),
        ("block:a/b/c", False),
        ("hunter2", False),
        (5, False),
    ],
)
def test_a_secret_name_is_a_variable_or_a_block(value: Any, valid: bool) -> None:
    assert is_secret_name(value) is valid


def test_a_broken_name_still_looks_like_a_secret_name() -> None:
    assert names_secret("env:HOOK URL")
    assert not names_secret("https://example.com")


@pytest.mark.parametrize(
    "value",
    [
        "env:RIVYA_API_KEY",
        "env:prefect_api_key",
        "block:rivya-api-key",
        "block:secret/RIVYA-API-KEY",
    ],
)
def test_secrets_of_rivya_flows_and_prefect_are_reserved(value: str) -> None:
    assert refusal(value) is not None


@pytest.mark.parametrize("value", ["env:HOOK_URL", "block:hook-url", "https://example.com", None])
def test_other_values_are_not_reserved(value: Any) -> None:
    assert refusal(value) is None
