"""Prices of a batch before its rows run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.batch.pricing import Batch, ReadBatch, price_batch, refusal, sentence, shortages
from rivya_flows.batch.rows import Row, batch_id_of, read_rows
from rivya_flows.errors import BudgetError, SpecError
from rivya_flows.preparation.prepare import Market
from rivya_flows.spec.load import load
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service.startup import Sandbox
from support.batches import ROWS, SPEC, Observer, batch_options, bought, run, statuses
from support.engine_runs import Bomb, Studio, studio_at


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path, small_pictures: None) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


def priced(studio: Studio, table: str) -> Batch:
    workflow = load(SPEC, file="spec.yaml", catalogue=shipped())
    batch_id = batch_id_of(workflow, SPEC, studio.service.identity, "rows.csv")
    rows = read_rows(table, file="rows.csv", workflow=workflow, batch_id=batch_id)
    options = batch_options(studio, table)
    market = Market(shipped(), studio.service.identity, 100)
    with studio.context(Bomb()) as context:
        return price_batch(context, ReadBatch(batch_id, options, workflow, market, rows))


def test_a_batch_is_priced_by_what_its_rows_still_need(studio: Studio) -> None:
    before = priced(studio, ROWS)
    asyncio.run(run(studio, "product\nLamp\nDesk\n"))
    after = priced(studio, ROWS)
    assert (before.to_buy, after.to_buy) == ((7, 7), (3, 3))
    assert (before.spent, after.spent, len(after.fresh)) == (0, 4, 2)
    assert sentence(before) == "4 rows, 7 credits, balance 100"
    assert sentence(after) == "4 rows, 2 done, 3 credits to go, balance 100"


def test_nothing_starts_when_the_inputs_of_any_row_are_wrong(
    studio: Studio, sandbox: Sandbox, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no picture")
    with pytest.raises(SpecError) as caught:
        asyncio.run(run(studio, f"product,photo\nLamp,\nDesk,{broken}\n"))
    [problem] = caught.value.diagnostics
    assert (problem.file, problem.line, problem.code) == ("rows.csv", 3, "media")
    assert bought(sandbox) == {}


@pytest.mark.parametrize(
    ("prices", "budget", "told"),
    [
        ([(6, 8)] * 14, 60, "84–112 credits; the budget is 60: about 7 of 14 rows will run"),
        ([(5, 5), (9, 9), (1, 1)], 7, "15 credits; the budget is 7: about 2 of 3 rows will run"),
        ([(5, None), (5, 8)], 9, "from 10 credits; the budget is 9: about 1 of 2 rows will run"),
        ([(5, None), (5, 8)], 20, "from 10 credits; the budget is 20: they may exceed it"),
        ([(6, 8)] * 2, 16, None),
        ([(6, 8)] * 2, None, None),
    ],
    ids=["a range", "a smaller row behind one that does not fit", "without an upper bound", "enough for the least", "enough", "no budget"],
)  # fmt: skip
def test_a_budget_that_the_rows_may_pass_is_told_with_how_many_it_covers(
    prices: list[tuple[int, int | None]], budget: int | None, told: str | None
) -> None:
    rows = [
        Row(f"run-{n}", f"row {n}", least=least, most=most)
        for n, (least, most) in enumerate(prices)
    ]
    lines = [*shortages(Batch(tuple(rows), budget))]
    assert lines == ([] if told is None else [f"the rows need {told}"])


def test_a_row_that_the_spec_s_own_budget_refuses_needs_no_credits_of_the_wallet() -> None:
    cheap = Row("run-1", "row 1", least=2, most=2, spec_cap=5)
    dear = Row("run-2", "row 2", least=9, most=9, spec_cap=5)
    assert refusal(Batch((cheap, dear), None, balance=2)) is None
    assert Batch((cheap, dear), 1).least_budget == 2
    failed = Row("run-1", "row 1", least=9, most=9, spec_cap=12, status="failed", spent=6)
    assert Batch((failed,), 6).least_budget == 9, "what it spent is not taken from it"


def test_a_row_has_the_budget_of_its_column_whatever_the_spec_says(
    studio: Studio, sandbox: Sandbox
) -> None:
    spec = SPEC.replace("name: shop", "name: shop\nbudget: {credits: 1}")
    ended = asyncio.run(run(studio, "product,budget\nLamp,2\nDesk,\nPen,1\n", spec=spec))
    assert statuses(ended) == ["completed", "over_budget", "over_budget"]
    reasons = [row.reason for row in ended.batch.rows]
    least = "needs at least 2 credits"
    assert reasons == [None, f"{least}; the spec's budget is 1", f"{least}; its budget is 1"]
    ended = asyncio.run(run(studio, "product,budget\nLamp,\nDesk,2\nPen,1\n", spec=spec))
    assert statuses(ended) == ["completed", "completed", "over_budget"]


def test_a_budget_that_covers_no_row_is_refused_before_anything(
    studio: Studio, sandbox: Sandbox
) -> None:
    with pytest.raises(BudgetError, match="Lamp needs at least 2 credits; 1 of 1 budget") as told:
        asyncio.run(run(studio, "product\nLamp\nDesk\n", budget=1))
    assert "nothing was bought" in str(told.value.hint)
    assert bought(sandbox) == {}
    assert not (studio.folder / "runs").exists()


def test_each_row_is_counted_in_the_pools_of_its_own_labels(
    studio: Studio, sandbox: Sandbox
) -> None:
    spec = SPEC.replace("name: shop", 'name: shop\nlabels: {client: "${{ inputs.product }}"}')
    with studio.context(Bomb()) as context:
        pools = Pools(context.journal.engine)
        pools.set(Pool("lamps", {"client": "Lamp"}, 3, period="total"))
        pools.set(Pool("all", {}, 100, soft=5, period="month"))
    table, observer = "product,views\nLamp,\nDesk,\nLamp,[top]\nLamp,[left]\n", Observer()
    ended = asyncio.run(run(studio, table, observer=observer, spec=spec))
    assert statuses(ended) == ["completed", "completed", "completed", "over_budget"]
    assert ended.batch.rows[3].reason == "needs at least 1 credit; the pool lamps has 0 left"
    assert observer.lines[1:3] == [
        "warning: the pool all will have spent 6 credits; its soft limit is 5",
        "warning: the rows need 4 credits; the pool lamps has 3 of 3 left:"
        " about 2 of 3 rows will run",
    ]
    assert sum(bought(sandbox).values()) == 5
    with pytest.raises(
        BudgetError, match=r"Lamp \(row 4\) needs at least 1 credit; the pool lamps has 0 left"
    ):
        asyncio.run(run(studio, table, spec=spec))
