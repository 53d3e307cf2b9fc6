"""Names of secrets in a spec, and reserved ones."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.language.inputs import is_secret_name, names_secret, refusal


@pytest.mark.parametrize(
    ("value", "is_name", "looks_like_one", "is_reserved"),
    [
        ("env:HOOK_URL", True, True, False),
        ("block:hook-url", True, True, False),
        ("block:secret/hook-url", True, True, False),
        ("env:HOOK URL", False, True, False),
        ("block:a/b/c", False, True, False),
        ("hunter2", False, False, False),
        ("https://example.com", False, False, False),
        (5, False, False, False),
        (None, False, False, False),
        ("env:RIVYA_API_KEY", True, True, True),
        ("env:prefect_api_key", True, True, True),
        ("block:rivya-api-key", True, True, True),
        ("block:secret/RIVYA-API-KEY", True, True, True),
    ],
)
def test_a_secret_is_named_as_a_variable_or_a_block_and_some_are_reserved(
    value: Any, is_name: bool, looks_like_one: bool, is_reserved: bool
) -> None:
    assert is_secret_name(value) is is_name
    assert names_secret(value) is looks_like_one
    assert (refusal(value) is not None) is is_reserved
