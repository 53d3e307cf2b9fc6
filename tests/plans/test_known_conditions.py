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
        ("${{ steps.idea.json.good and 1 / inputs.none_left > 0 }}", None),
        ("${{ not (steps.idea.json.good and inputs.force) }}", None),
        ("${{ not (steps.idea.json.good and inputs.force > 2) }}", None),
        ("${{ not (steps.idea.json.good or inputs.yes) }}", False),
    ],
)
def test_a_side_of_a_condition_that_is_null_or_wrong_decides_no_other(
    written: str, known: bool | None
) -> None:
    scope = {"inputs": {"force": None, "count": None, "yes": True, "none_left": 0}, "steps": {}}
    assert known_condition(written, scope) is known
