"""A batch with the real engine, client, journal and sandbox: one budget, and nothing twice."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.app.batch.rows import BatchRow, read_rows
from rivya_flows.app.batch.rules import outcome
from rivya_flows.app.batch.scheduling import run_batch
from rivya_flows.app.batch.state import Batch, Start
from rivya_flows.app.batch.summary import summary, summary_csv, write_summary
from rivya_flows.app.batch.survey import Survey, settled, survey
from rivya_flows.app.prepare import Market, Prepared, RunRequest, prepare
from rivya_flows.app.run_context import RunContext
from rivya_flows.app.run_options import RunOptions
from rivya_flows.app.spec_file import SpecFile
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.language.load import load
from rivya_flows.ledger.receipt import receipt
from rivya_flows.planning.queue.events import RunFrozen
from rivya_sandbox.service.admin import add_credits, ledger
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, studio_at

SPEC = """
version: 1
name: shop
inputs:
  product: {type: string}
  views: {type: list, of: string, default: [front, back]}
  photo: {type: file, kind: image, required: false}
steps:
  stills:
    uses: generate
    matrix: {view: "${{ inputs.views }}"}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.view }}"}
outputs:
  stills: ${{ steps.stills.assets }}
"""
ROWS = "product,views\nLamp,\nDesk,\nChair,\nSofa,[front]\n"
COST = 2 + 2 + 2 + 1


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


def read(text: str) -> tuple[BatchRow, ...]:
    workflow = load(SPEC, file="spec.yaml", catalogue=shipped())
    return read_rows(text, file="rows.csv", workflow=workflow, batch_id="batch-1")


def prepare_row(context: RunContext, row: BatchRow) -> Prepared:
    return prepare(
        RunRequest(SpecFile(SPEC, "spec.yaml", None), lambda _: row.values),
        Market(shipped(), context.service.identity),
        run_id=row.run_id,
        assets=context.assets,
        look_up=context.look_up,
    )


def surveyed(
    context: RunContext, rows: tuple[BatchRow, ...], budget: int | None, parallel: int
) -> Survey:
    return survey(
        rows,
        lambda row: prepare_row(context, row),
        context.journal,
        context.look_up,
        batch_id="batch-1",
        file="rows.csv",
        budget=budget,
        parallel=parallel,
        now=datetime.now(UTC),
    )


async def run(
    studio: Studio,
    rows: tuple[BatchRow, ...],
    *,
    budget: int | None = None,
    parallel: int = 1,
    bombs: Mapping[int, Bomb] | None = None,
) -> Batch:
    """Starts the batch, or goes on with it; a bomb stops the execution of its row."""
    with studio.context(Bomb()) as context:
        found = surveyed(context, rows, budget, parallel)

        async def run_row(start: Start) -> None:
            frozen: RunFrozen | None = found.fresh.get(start.run_id)
            if frozen is not None and context.journal.run(start.run_id) is None:
                context.journal.create(frozen, studio.folder / "runs" / start.run_id)
            bomb = (bombs or {}).get(start.number)
            await studio.execute(start.run_id, RunOptions(budget=start.cap), bomb=bomb)

        return await run_batch(
            found.batch, run_row, lambda run_id: settled(context.journal, run_id)
        )


def bought(sandbox: Sandbox) -> Counter[str]:
    """Jobs at the service, by what they were bought for."""
    return Counter(str(job["client_request_id"]) for job in ledger(sandbox.data)["generations"])


def statuses(batch: Batch) -> list[str]:
    return [row.status for row in batch.rows]


def test_each_row_is_a_run_and_a_second_start_buys_nothing(
    studio: Studio, sandbox: Sandbox
) -> None:
    async def twice() -> tuple[Batch, Batch]:
        first = await run(studio, read(ROWS), budget=50, parallel=3)
        return first, await run(studio, read(ROWS), budget=50)

    first, second = asyncio.run(twice())
    assert statuses(first) == statuses(second) == ["completed"] * 4
    assert first.spent == second.spent == COST
    assert set(bought(sandbox).values()) == {1}
    assert ledger(sandbox.data)["balance"] == 1000 - COST


@pytest.mark.parametrize("parallel", [1, 4])
def test_the_budget_buys_what_it_covers_and_not_a_credit_more(
    studio: Studio, sandbox: Sandbox, parallel: int
) -> None:
    text = "product\n" + "\n".join(f"Lamp {n}" for n in range(4)) + "\n"
    ended = asyncio.run(run(studio, read(text), budget=5, parallel=parallel))
    assert Counter(statuses(ended)) == {"completed": 2, "over_budget": 2}
    assert ended.spent == sum(bought(sandbox).values()) == 4
    assert outcome(ended) == "over_budget"

    more = asyncio.run(run(studio, read(text), budget=8, parallel=parallel))
    assert (statuses(more), more.spent) == (["completed"] * 4, 8)
    assert set(bought(sandbox).values()) == {1}


@pytest.mark.parametrize("side", [1, -1], ids=["ahead of", "behind"])
def test_a_batch_stopped_anywhere_goes_on_and_buys_nothing_twice(
    studio: Studio, sandbox: Sandbox, side: int
) -> None:
    async def stopped_and_started_again() -> tuple[Batch, Batch]:
        bombs = {number: Bomb(write=side * (4 + 2 * number)) for number in (1, 2, 3)}
        first = await run(studio, read(ROWS), budget=COST, parallel=2, bombs=bombs)
        return first, await run(studio, read(ROWS), budget=COST, parallel=2)

    first, second = asyncio.run(stopped_and_started_again())
    assert statuses(first)[:3] == ["failed"] * 3
    assert first.spent <= COST
    assert (statuses(second), second.spent) == (["completed"] * 4, COST)
    assert set(bought(sandbox).values()) == {1}
    assert ledger(sandbox.data)["balance"] == 1000 - COST


def test_a_new_row_is_added_to_what_was_bought(studio: Studio, sandbox: Sandbox) -> None:
    asyncio.run(run(studio, read(ROWS), budget=50))
    ended = asyncio.run(run(studio, read("product\nShelf\n" + ROWS.split("\n")[1][:4] + "\n")))
    assert statuses(ended) == ["completed", "completed"]
    assert sum(bought(sandbox).values()) == COST + 2


def test_the_budget_also_counts_rows_that_were_changed_or_taken_out(
    studio: Studio, sandbox: Sandbox
) -> None:
    asyncio.run(run(studio, read(ROWS), budget=COST + 3))
    changed = read("product\nShelf\nStool\n")
    ended = asyncio.run(run(studio, changed, budget=COST + 3))
    assert statuses(ended) == ["completed", "over_budget"]
    assert ended.spent == sum(bought(sandbox).values()) == COST + 2
    assert asyncio.run(run(studio, changed)).spent == 4, "without a budget the file's rows alone"


def test_an_empty_wallet_stops_the_batch_until_credits_are_added(tmp_path: Path) -> None:
    with running(tmp_path / "poor", credits=3) as sandbox:
        studio = studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)
        ended = asyncio.run(run(studio, read(ROWS)))
        assert statuses(ended) == ["completed", "failed", "waiting", "waiting"]
        assert outcome(ended) == "over_budget"
        assert ended.stopped is not None
        add_credits(sandbox.data, COST - 3)
        ended = asyncio.run(run(studio, read(ROWS)))
        assert (statuses(ended), ended.spent) == (["completed"] * 4, COST)


def test_nothing_starts_when_the_inputs_of_any_row_are_wrong(
    studio: Studio, sandbox: Sandbox, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    with pytest.raises(SpecError) as caught:
        asyncio.run(run(studio, read(f"product,photo\nLamp,\nDesk,{broken}\n")))
    [problem] = caught.value.diagnostics
    assert (problem.file, problem.line, problem.code) == ("rows.csv", 3, "media")
    assert bought(sandbox) == {}


def test_a_survey_prices_what_is_left(studio: Studio) -> None:
    rows = read(ROWS)
    with studio.context(Bomb()) as context:
        before = surveyed(context, rows, None, 1)
    asyncio.run(run(studio, rows[:2]))
    with studio.context(Bomb()) as context:
        after = surveyed(context, rows, None, 1)
    assert ((before.least, before.most), (after.least, after.most)) == ((7, 7), (3, 3))
    assert (before.batch.spent, after.batch.spent, len(after.fresh)) == (0, 4, 2)


def test_the_summary_tells_of_every_row(studio: Studio, tmp_path: Path) -> None:
    rows = read('product,views,x-who\n=1+1,[front],"Asha, M"\nDesk,,\nChair,,\n')
    ended = asyncio.run(run(studio, rows, budget=4))
    with studio.context(Bomb()) as context:
        receipts: dict[str, dict[str, Any]] = {
            one.run_id: receipt(context.journal.entries(one.run_id))
            for one in context.journal.runs()
        }
    documents = summary(ended, rows, receipts)
    assert [(one["status"], one["credits"]) for one in documents] == [
        ("completed", 1),
        ("completed", 2),
        ("over_budget", 0),
    ]
    write_summary(tmp_path / "summary.csv", documents)
    text = (tmp_path / "summary.csv").read_text(encoding="utf-8-sig")
    assert text == summary_csv(documents).replace("\r\n", "\n")
    first, second, third = csv.DictReader(io.StringIO(text))
    assert first["product"] == "'=1+1"
    assert first["x-who"] == "Asha, M"
    assert Path(first["output: stills"]).is_file()
    assert len(second["output: stills"].split("\n")) == 2
    assert third["output: stills"] == ""
    assert third["reason"] == "needs at least 2 credits; 1 of the 4 are left"
