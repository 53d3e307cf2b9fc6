"""`batch`: a run for each row, under one Prefect server and one budget, and its progress."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import re
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rivya_flows.batch.pricing import Batch
from rivya_flows.batch.rows import Row
from rivya_flows.batch.summary import BatchResult, WalletChange
from rivya_flows.cli.batch import BatchProgress, next_of_batch, next_steps
from rivya_flows.cli.session import Interrupts
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_sandbox.service.admin import set_faults
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, bought, buy_from, started, stopped
from support.receipts import parsed

SPEC = """
version: 1
name: shop
inputs:
  product: {type: string}
  views: {type: list, of: string, default: [front, back]}
steps:
  stills:
    uses: generate
    matrix: {view: "${{ inputs.views }}"}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.view }}"}
outputs:
  stills: ${{ steps.stills.assets }}
"""
ROWS = "product,views,x-who\nLamp,,Asha\nDesk,,\nSofa,[front],\n"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox of plain media as the service, with 100 credits."""
    with running(tmp_path / "sandbox", credits=100) as sandbox:
        buy_from(sandbox, monkeypatch)
        yield sandbox


@pytest.fixture
def order(tmp_path: Path) -> tuple[object, ...]:
    """The command, with a spec and three rows that cost 5."""
    spec, rows = tmp_path / "shop.yaml", tmp_path / "rows.csv"
    spec.write_text(SPEC)
    rows.write_text(ROWS)
    return ("batch", spec, "--rows", rows)


@pytest.mark.prefect
def test_the_budget_covers_what_it_can_and_the_same_command_goes_on(
    call: Terminal, service: Sandbox, tmp_path: Path, order: tuple[object, ...]
) -> None:
    first = call(*order, "--budget", 3)
    assert first.code == 3
    assert ": 3 rows, 5 credits, balance 100, budget 3\n" in first.err
    assert "1 over the budget; 3 of 3 budget credits spent\n" in first.out
    assert re.search(r"^Sofa +completed +1 +0 +batch-shop-\w+-sofa-\w+$", first.out, re.MULTILINE)
    assert sum(bought(service).values()) == 3
    [folder] = (tmp_path / "runs").iterdir()
    with closing(Journal(read_settings().store_url)) as journal:
        lease = Leases(journal.engine).acquire(folder.name, "elsewhere:1:1")
        refused = call(*order)
        Leases(journal.engine).release(lease)
    assert refused.code == 2
    assert f"{folder.name} is being driven by process 1 on elsewhere" in refused.err
    second = call(*order, "--json")
    assert (second.code, second.document["status"]) == (0, "completed")
    assert second.document["credits"] == {
        "spent": 5,
        "saved": 0,
        "budget": None,
        "before": 97,
        "after": 95,
        "unexplained": 0,
        "others": 0,
        "other_runs": [],
    }
    again = call(*order)
    assert (again.code, "every row is already completed" in again.err) == (0, True)
    assert sum(bought(service).values()) == 5
    listed = call("runs").out
    assert "(3 runs)" in listed
    assert "3 completed" in listed
    assert len(call("runs", "--label", f"batch={folder.name}").out.split("\n")) == 5
    text = Path(second.document["summary"]).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["product"], row["status"], row["x-who"]) for row in rows] == [
        ("Lamp", "completed", "Asha"),
        ("Desk", "completed", ""),
        ("Sofa", "completed", ""),
    ]
    assert Path(rows[2]["output: stills"]).is_file()
    assert "completed: stills" in call("receipt", rows[2]["run_id"]).out


@pytest.mark.prefect
def test_failed_row_leaves_the_others_alone_and_is_bought_anew_when_told(
    call: Terminal, service: Sandbox, order: tuple[object, ...]
) -> None:
    set_faults(service.data, "faults: [{on: generation, do: fail, times: 1}]")
    said = call(*order, "--parallel", 1)
    assert said.code == 1
    assert "2 of 3 completed, 1 failed" in said.out
    line = next(line for line in said.err.splitlines() if line.startswith("  rivya-flows"))
    assert line.endswith(" --regenerate 'stills[front]'")
    assert call("resume", line.split()[2], "--regenerate").code == 0
    assert call(*order).code == 0
    assert bought(service) == {"z-image": 6}


@pytest.mark.prefect
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_batch_goes_on_and_buys_nothing_twice(
    number: signal.Signals, call: Terminal, service: Sandbox, order: tuple[object, ...]
) -> None:
    set_faults(service.data, "faults: [{on: generation, do: stall, times: 2}]")
    process = started(*order, "--parallel", 2)
    out, told = stopped(process, "Lamp: stills[back] bought", number)
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert "cancelled" in out
        assert told.endswith("to resume, rerun the same command\n")
    set_faults(service.data, "")
    assert call(*order).code == 0
    assert bought(service) == {"z-image": 5}


def test_a_plan_prices_each_row_and_writes_nothing(
    call: Terminal, service: Sandbox, tmp_path: Path, order: tuple[object, ...]
) -> None:
    said = call(*order, "--plan", "--budget", 3)
    assert said.code == 0
    assert re.search(r"^Sofa +1$", said.out, re.MULTILINE)
    assert ": 3 rows, 5 credits, balance 100, budget 3; nothing was bought\n" in said.out
    assert "about 2 of 3 rows will run" in said.err
    planned = call(*order, "--plan", "--json").document
    assert planned["credits"] == {"min": 5, "max": 5, "spent": 0, "budget": None, "balance": 100}
    assert [row["credits"]["max"] for row in planned["rows"]] == [2, 2, 1]
    refused = call(*order, "--plan", "--budget", 0)
    assert (refused.code, "error: no row can run" in refused.err) == (3, True)
    assert not (tmp_path / "runs").exists()
    assert call("runs", "--json").document == []
    assert not bought(service)


@pytest.mark.usefixtures("service")
def test_wrong_rows_are_told_and_garbage_is_collected_again(
    call: Terminal, tmp_path: Path, order: tuple[object, ...]
) -> None:
    rows = tmp_path / "rows.csv"
    gc.enable()
    for content, words in (
        (b"product,colour\nLamp,red\n", "rows.csv:1:9: unknown input 'colour'"),
        (b"product\nB\xfcste\n", "rows.csv: is not UTF-8 text"),
        (None, "rows.csv: No such file or directory"),
    ):
        if content is None:
            rows.unlink()
        else:
            rows.write_bytes(content)
        said = call(*order)
        assert said.code == 2
        assert words in said.err
        assert gc.isenabled()
    assert not (tmp_path / "runs").exists()


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
        result = BatchResult(Batch(rows, 4), Path(), wallet, False)
        followings.append(next_of_batch(result, ("batch", "shop.yaml", "--budget", "4")))
        return [*next_steps(result)]

    followings: list[str | None] = []

    raised = "raise the pool acme, or wait for its next period if it has one: rivya-flows budgets set acme --credits N"
    assert advice("acme", "acme") == [raised, "to resume, rerun the same command"]
    more = "to resume, rerun the same command with --budget 8 or more"
    assert advice(None) == [more]
    assert advice("acme", None) == [raised, more]
    assert followings == [None, *["rivya-flows batch shop.yaml --budget 8"] * 2]


def test_a_completed_row_whose_paid_picture_could_not_be_fetched_tells_how_to_have_it() -> None:
    failed = {"id": "stills", "items": [{"status": "failed"}]}
    receipt = parsed({"steps": [failed], "ledger": [{"step": "stills", "status": "succeeded"}]})
    row = Row("run-1", "Lamp", least=2, most=2, status="completed", receipt=receipt)
    result = BatchResult(Batch((row,), None), Path(), WalletChange(9, 7, 2), False)
    assert [*next_steps(result)] == ["resume single rows with:", "  rivya-flows resume run-1"]
    assert next_of_batch(result, ("batch", "shop.yaml")) == "rivya-flows resume run-1"
    cancelled = replace(result, cancelled=True)
    assert next_of_batch(cancelled, ("batch", "shop.yaml")) == "rivya-flows batch shop.yaml"


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
    progress.update(batch)
    progress.update(batch)
    waiting.status, waiting.spent = "completed", 1
    progress.update(batch)
    progress.update(batch)
    assert capsys.readouterr().err == (
        "NL-7 Desk over the budget: needs at least 5 credits\nLamp completed (1 credit)\n"
    )
