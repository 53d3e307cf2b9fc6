"""The line of the wallet: what the run spent, and who else took credits."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.cli.receipt import wallet
from support.receipts import parsed

_TWO = [
    {"run_id": "run-a", "name": "casting", "credits": 21},
    {"run_id": "run-b", "name": "stills", "credits": 12},
]
_MANY = [{"run_id": f"run-{n}", "name": "small", "credits": 1} for n in range(20)]


@pytest.mark.parametrize(
    ("others", "runs", "words"),
    [
        (33, _TWO, "33 credits more: run-a (casting) 21, run-b (stills) 12"),
        (30, _TWO, "30 credits more while others spent: run-a (casting) 21, run-b (stills) 12"),
        (
            20,
            _MANY,
            "20 credits more: run-0 (small) 1, run-1 (small) 1, run-2 (small) 1, 17 more runs",
        ),
    ],
)
def test_the_runs_that_took_credits_are_named(
    others: int, runs: list[dict[str, Any]], words: str
) -> None:
    credits = {"before": 100, "after": 50, "spent": 3, "saved": 0, "unexplained": 5}
    shown = wallet(
        parsed({"credits": credits | {"others": others, "other_runs": runs}, "ledger": ()})
    )
    assert shown == (
        f"100 → 50: 3 spent, 0 saved; the wallet lost {words}; 5 more spent by something else"
    )


def test_credits_that_may_come_back_are_no_spent_ones() -> None:
    credits = {"before": 100, "after": None, "spent": 11, "saved": 0, "unexplained": 0}
    ledger = [{"held": 1, "final": 1}, {"held": 10, "final": None}]
    shown = wallet(parsed({"credits": credits, "ledger": ledger}))
    assert shown == "100 before, 1 spent, 10 held, 0 saved"
