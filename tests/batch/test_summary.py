"""The summary of a batch, its wallet, and the message of its end."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import SendNotification
from prefect.server.utilities.user_templates import render_user_template

from rivya_flows.batch.pricing import Batch
from rivya_flows.batch.rows import Row
from rivya_flows.batch.summary import BatchResult, WalletChange, end_payload
from rivya_flows.flows.recovery.automations import notification
from rivya_flows.queue.events import OtherRun
from rivya_sandbox.service.startup import Sandbox
from support.batches import run
from support.engine_runs import Studio, studio_at
from support.receipts import parsed


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path, small_pictures: None) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


def test_the_summary_has_every_row_with_its_outputs(studio: Studio) -> None:
    table = 'product,views,x-who;=1\n=1+1,[front],"Asha, M;=2+2"\nDesk,,\nChair,,\n'
    result = asyncio.run(run(studio, table, budget=4))
    assert [(one.status, one.spent) for one in result.batch.rows] == [
        ("completed", 1),
        ("completed", 2),
        ("over_budget", 0),
    ]
    assert result.as_json()["credits"] == {
        "spent": 3, "saved": 0, "budget": 4, "before": 1000, "after": 997,
        "unexplained": 0, "others": 0, "other_runs": [],
    }  # fmt: skip
    text = result.summary_path.read_text(encoding="utf-8-sig")
    first, second, third = csv.DictReader(io.StringIO(text))
    assert list(first)[:4] == ["x-who;'=1", "product", "views", "row"]
    assert first["product"] == "'=1+1"
    assert first["x-who;'=1"] == "Asha, M;'=2+2"
    assert Path(first["output: stills"]).is_file()
    assert len(second["output: stills"].split("\n")) == 2
    assert third["output: stills"] == ""
    assert Path(first["folder"]).name == "1-1"
    assert third["folder"] == ""
    page = result.sheet_path.read_text(encoding="utf-8")
    assert 'href="1-1/contact-sheet.html"' in page
    assert page.count('<img src="data:image/') == 3
    assert "2 of 3 rows completed" in page
    assert "<h1>shop · rows.csv</h1>" in page
    assert third["reason"] == "needs at least 2 credits; 1 of 4 budget credits left"


def test_the_page_of_a_batch_that_ran_twice_says_what_each_time_cost_and_no_balance(
    studio: Studio,
) -> None:

    def tiles(table: str) -> list[tuple[str, str]]:
        page = asyncio.run(run(studio, table)).sheet_path.read_text(encoding="utf-8")
        return re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page)

    spent = [("Credits spent", "2"), ("Saved", "0")]
    assert tiles("product\nLamp\n") == [
        *spent,
        ("Balance before", "1,000"),
        ("Balance after", "998"),
    ]
    assert tiles("product,views\nLamp,\nDesk,[front]\n") == [
        ("Credits spent", "3"),
        ("Saved", "0"),
        ("Spent before", "2"),
        ("Spent this time", "1"),
    ]


def test_a_row_that_a_sku_alone_tells_apart_shows_what_it_is_about(studio: Studio) -> None:
    table = "x-sku,product,views\nNL-1,Lamp,[front]\nNL-2,Lamp,[back]\n"
    page = asyncio.run(run(studio, table)).sheet_path.read_text(encoding="utf-8")
    assert re.findall('<span class="tag">(.*?)<', page) == ["NL-1", "NL-2"]
    assert re.findall('<h2 dir="auto">(.*?)</h2>', page) == ["Lamp", "Lamp"]


FILM = OtherRun(run_id="run-2", name="film", credits=3)


@pytest.mark.parametrize(
    ("after", "others", "unexplained", "words"),
    [
        (95, (), 0, None),
        (90, (), 5, "the rows spent 5, and something else spent 5 credits"),
        (99, (), -4, "the rows spent 5, and 4 credits were added"),
        (None, (), None, None),
        (92, (FILM,), 0, "the rows spent 5, other runs 3: run-2 (film) 3"),
        (90, (FILM,), 2, "the rows spent 5, other runs 3: run-2 (film) 3, and something else spent 2 credits"),
        (93, (FILM,), 0, "the rows spent 5, other runs 2 while others spent: run-2 (film) 3"),
        (95, (FILM,), 0, None),
    ],
)  # fmt: skip
def test_the_wallet_is_compared_once_for_all_rows_and_names_other_runs_that_moved_it(
    after: int | None, others: tuple[OtherRun, ...], unexplained: int | None, words: str | None
) -> None:
    wallet = WalletChange(before=100, after=after, spent=5, other_runs=others)
    assert wallet.unexplained == unexplained
    if words is None:
        assert wallet.warning is None
    else:
        assert str(wallet.warning).startswith(f"the wallet went from 100 to {after}; {words}")


def test_a_file_elsewhere_that_a_changed_receipt_names_is_not_embedded(
    studio: Studio, tmp_path: Path
) -> None:
    first = asyncio.run(run(studio, "product,views\nDesk,[front]\n"))
    (tmp_path / "secret").write_text("a key")
    document: Any = first.batch.rows[0].as_json()
    receipt = Path(document["folder"]) / "receipt.json"
    picture = document["outputs"]["stills"][0]["path"]
    receipt.write_text(receipt.read_text().replace(picture, str(tmp_path / "secret")))
    again = asyncio.run(run(studio, "product,views\nDesk,[front]\n"))
    assert "The file is not here any more" in again.sheet_path.read_text(encoding="utf-8")


async def test_the_message_of_a_batch_over_its_budget_names_a_budget_that_covers_the_rows() -> None:
    done = Row("run-1", "Lamp", least=1, most=1, status="completed", spent=2)
    codes = frozenset({"over_budget"})
    refused = Row("run-2", "Desk", least=3, most=3, status="over_budget", codes=codes)
    receipt = parsed({"name": "card", "sandbox": True})
    done.receipt = receipt
    batch = Batch((done, refused), 2, batch_id="b")
    result = BatchResult(batch, Path(), WalletChange(9, 7, 2), False)
    context: Any = SimpleNamespace(settings=SimpleNamespace(rivya_flows_public_url=None))
    payload: Any = end_payload(context, result)
    said = "1 of 2 completed, 1 over the budget; 2 credits (sandbox)"
    assert payload["markdown"].split("\n") == [
        f"**card**, batch failed: {said}",
        "* Desk: over the budget",
        "* Lamp: completed",
        "rerun the same command with --budget 5 or more to continue; its runs:"
        " `rivya-flows runs --label batch=b`",
    ]
    of = BlockDocument(
        id=UUID(int=1), name="team", block_schema_id=UUID(int=2), block_type_id=UUID(int=3)
    )
    [action] = notification("slack-webhook/team", of, ["failed"], None).actions
    subject = cast("SendNotification", action).subject
    event = SimpleNamespace(payload=payload)
    assert await render_user_template(subject, {"event": event}) == f"card over the budget: {said}"
