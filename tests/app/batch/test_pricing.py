"""Prices of a batch before its rows run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rivya_flows.app.batch.pricing import PricedBatch, price_rows
from rivya_flows.app.batch.rows import batch_id_of, read_rows
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.language.load import load
from rivya_sandbox.service.startup import Sandbox
from support.batches import ROWS, SPEC, batch_options, bought, run
from support.engine_runs import Bomb, Studio, studio_at


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


def priced(studio: Studio, table: str) -> PricedBatch:
    workflow = load(SPEC, file="spec.yaml", catalogue=shipped())
    batch_id = batch_id_of(workflow, SPEC, studio.service.identity, "rows.csv")
    rows = read_rows(table, file="rows.csv", workflow=workflow, batch_id=batch_id)
    with studio.context(Bomb()) as context:
        return price_rows(context, batch_options(studio, table), shipped(), batch_id, rows)


def test_a_batch_is_priced_by_what_its_rows_still_need(studio: Studio) -> None:
    before = priced(studio, ROWS)
    asyncio.run(run(studio, "product\nLamp\nDesk\n"))
    after = priced(studio, ROWS)
    assert ((before.least, before.most), (after.least, after.most)) == ((7, 7), (3, 3))
    assert (before.batch.spent, after.batch.spent, len(after.fresh)) == (0, 4, 2)
    assert before.sentence(100) == "4 rows, 7 credits, balance 100"
    assert after.sentence(96) == "4 rows, 2 done, 3 credits to go, balance 96"


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
