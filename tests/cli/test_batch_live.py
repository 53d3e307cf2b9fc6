"""Progress of a batch where stderr is not a terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rivya_flows.batch.pricing import Batch
from rivya_flows.batch.rows import Row
from rivya_flows.batch.summary import BatchResult, WalletChange
from rivya_flows.cli.batch import BatchProgress, next_steps
from rivya_flows.cli.session import Interrupts
from support.receipts import parsed


def test_a_batch_that_a_pool_ended_names_the_pool_and_the_command_that_raises_it() -> None:
    def advice(*pools: str | None) -> list[str]:
        codes = frozenset({"over_budget"})
        rows = tuple(
            Row(
                f"run-{n}",
                f"row {n}",
                least=8 // len(pools),
                most=8,
                status="over_budget",
                codes=codes,
                pool=pool,
            )
            for n, pool in enumerate(pools, 1)
        )
        wallet = WalletChange(9, 9, 0)
        return [*next_steps(BatchResult(Batch(rows, 4), Path(), wallet, False))]

    raised = "raise the pool acme, or wait for its next period if it has one: rivya-flows budgets set acme --credits N"
    assert advice("acme", "acme") == [raised, "to resume, rerun the same command"]
    more = "to resume, rerun the same command with --budget 8 or more"
    assert advice(None) == [more]
    assert advice("acme", None) == [raised, more]


def test_a_completed_row_whose_paid_picture_could_not_be_fetched_tells_how_to_have_it() -> None:
    failed = {"id": "stills", "items": [{"status": "failed"}]}
    receipt = parsed({"steps": [failed], "ledger": [{"step": "stills", "status": "succeeded"}]})
    row = Row("run-1", "Lamp", least=2, most=2, status="completed", receipt=receipt)
    result = BatchResult(Batch((row,), None), Path(), WalletChange(9, 7, 2), False)
    assert [*next_steps(result)] == ["resume single rows with:", "  rivya-flows resume run-1"]


async def test_the_end_of_each_row_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    task = asyncio.current_task()
    assert task is not None
    progress = BatchProgress(Interrupts(task))
    old = Row("run-0", "Sofa", least=0, most=0, status="completed", spent=9)
    waiting = Row("run-1", "Lamp", least=1, most=1)
    refused = Row(
        "run-2",
        "NL-7 Desk",
        least=5,
        most=5,
        status="over_budget",
        reason="needs at least 5 credits",
    )
    batch = Batch((old, waiting, refused), 4)
    progress.changed(batch)
    progress.changed(batch)
    waiting.status, waiting.spent = "completed", 1
    progress.changed(batch)
    progress.changed(batch)
    assert capsys.readouterr().err == (
        "NL-7 Desk over the budget: needs at least 5 credits\nLamp completed (1 credit)\n"
    )
