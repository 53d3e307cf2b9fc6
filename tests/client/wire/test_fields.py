"""Numbers of credits in any spelling, each within its bound."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.client.types import Credits, Generation

DONE = {
    "id": "task_1",
    "status": "succeeded",
    "model": "z-image",
    "reserved_credits": 1,
    "final_credits": 1,
    "created_at": "2026-05-11T00:00:00.000Z",
    "updated_at": "2026-05-11T00:00:09.000Z",
    "result": {"primary_url": "https://cdn.example/a.png", "urls": ["https://cdn.example/a.png"]},
    "error": None,
}


def test_a_cost_is_rounded_up_and_a_balance_down() -> None:
    generation = Generation.model_validate({**DONE, "final_credits": 1.2})
    assert generation.final_credits == 2
    assert Credits.model_validate({"current_credits": 9.9}).current_credits == 9


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        pytest.param("1.50", 2, id="decimal-text"),
        pytest.param("10", 10, id="text"),
        pytest.param(3.0000000000000004, 3, id="sum-of-fractions"),
        pytest.param(-5, None, id="negative"),
        pytest.param("some", None, id="words"),
        pytest.param({"amount": 1}, None, id="object"),
        pytest.param(True, None, id="truth"),
        pytest.param(1e300, None, id="absurd"),
    ],
)
def test_a_cost_in_another_spelling_is_read_and_an_invalid_one_is_unknown(
    told: Any, cost: int | None
) -> None:
    assert Generation.model_validate({**DONE, "final_credits": told}).final_credits == cost


@pytest.mark.parametrize(("told", "balance"), [("9.90", 9), (2.9999999999, 3), (-3, -3)])
def test_a_balance_in_another_spelling_is_read(told: Any, balance: int) -> None:
    assert Credits.model_validate({"current_credits": told}).current_credits == balance
