"""What is known of a condition before a run."""

from __future__ import annotations

import pytest

from rivya_flows.plans.requests import known_condition


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("${{ steps.idea.json.good or inputs.force }}", None),
        ("${{ inputs.count > 2 or steps.idea.json.good }}", None),
        ("${{ steps.idea.json.good and inputs.force }}", False),
        ("${{ steps.idea.json.good or inputs.yes }}", True),
    ],
)
def test_a_side_of_a_condition_that_is_null_is_false_and_decides_no_other(
    written: str, known: bool | None
) -> None:
    scope = {"inputs": {"force": None, "count": None, "yes": True}, "steps": {}}
    assert known_condition(written, scope) is known
