"""The line of the wallet: what the run spent, and who else took credits."""

from __future__ import annotations

from typing import Any

from rivya_flows.cli.runs import wallet
from support.receipts import parsed

_TWO = [
    {"run_id": "run-a", "name": "casting", "credits": 21},
    {"run_id": "run-b", "name": "stills", "credits": 12},
]
_MANY = [{"run_id": f"run-{n}", "name": "small", "credits": 1} for n in range(20)]


def test_what_moved_the_wallet_is_told_with_its_direction_and_who_took_credits() -> None:
    def shown(others: int, unexplained: int, runs: list[dict[str, Any]]) -> str:
        credits = {"before": 100, "after": 50, "spent": 3, "saved": 0, "unexplained": unexplained}
        more = {"others": others, "other_runs": runs}
        told = wallet(parsed({"credits": credits | more, "ledger": ()}))
        return told.removeprefix("100 → 50: 3 spent, 0 saved")

    assert shown(0, 0, []) == ""
    assert shown(0, 3, []) == "; 3 more spent by something else"
    assert shown(0, -50, []) == "; 50 were added"
    assert shown(0, -1, []) == "; 1 was added"
    named, lost = "run-a (casting) 21, run-b (stills) 12", "; the wallet lost"
    assert shown(33, 0, _TWO) == f"{lost} 33 credits more: {named}"
    assert shown(30, 0, _TWO) == f"{lost} 30 credits more while others spent: {named}"
    first = "run-0 (small) 1, run-1 (small) 1, run-2 (small) 1, 17 more runs"
    words = f"{lost} 20 credits more: {first}; 5 more spent by something else"
    assert shown(20, 5, _MANY) == words


def test_credits_that_may_come_back_are_no_spent_ones() -> None:
    credits = {"before": 100, "after": None, "spent": 11, "saved": 0, "unexplained": 0}
    ledger = [{"held": 1, "final": 1}, {"held": 10, "final": None}]
    shown = wallet(parsed({"credits": credits, "ledger": ledger}))
    assert shown == "100 before, 1 spent, 10 held, 0 saved"
