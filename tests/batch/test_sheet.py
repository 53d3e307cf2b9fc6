"""The page of a batch: what it says of each row, and how large it gets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.batch.pricing import Batch
from rivya_flows.batch.rows import Row
from rivya_flows.batch.summary import BatchResult, WalletChange, sheet_text
from rivya_flows.receipt import embedding
from support.contact_sheets import Page, Store
from support.receipts import parsed

FROM_NETWORK = re.compile(r'(src|srcset|poster|action)="https?:|@import|url\(')


def page_of(folder: Path, *rows: Row) -> str:
    batch = Batch(rows, 1_200, batch_id="batch-shop-1")
    return sheet_text(BatchResult(batch, folder, WalletChange(100, 97, 3), False), "Shop")


def pictures(folder: Path, *contents: bytes) -> list[dict[str, Any]]:
    """Pictures in the folder of a row."""
    store = Store(folder)
    made = [store.put(one, "image", "image/png") for one in contents]
    return [one | {"path": str(store(one["sha256"]))} for one in made]


def row_of(number: int, folder: Path, *assets: dict[str, Any], **outputs: Any) -> Row:
    steps = [{"id": "stills", "items": [{"assets": list(assets)}]}]
    run = parsed({"steps": steps, "outputs": outputs})
    return Row(
        f"run-{number}", f"Acme & {number}", number, status="completed", receipt=run, folder=folder
    )


def test_a_batch_has_a_page_with_each_row_and_links_to_its_own(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    batch.mkdir()
    folders = batch / "001-acme#1", tmp_path / "other"
    [picture], [same] = (pictures(folder, b"a picture") for folder in folders)
    elsewhere = pictures(tmp_path / "elsewhere", b"a secret")
    rows = (
        row_of(1, folders[0], picture, still=picture),
        row_of(2, folders[1], same, still=same, line="<script>1</script>", none=None),
        Row("run-3", "<b>", 3, status="over_budget", reason="needs 2 credits"),
        row_of(4, folders[1], *elsewhere, changed=elsewhere),
    )
    html = page_of(batch, *rows)
    page = Page(html)
    assert page.open == []
    for words in (
        "Shop", "batch-shop-1", "over budget", "3 of 4 rows completed", "1,200", "Acme & 1", "<script>1</script>",
        "<b> — needs 2 credits",
    ):  # fmt: skip
        assert words in page.text, words
    own = {"001-acme%231/contact-sheet.html", "../other/contact-sheet.html"}
    assert own <= {str(attrs.get("href")) for tag, attrs in page.found if tag == "a"}
    assert page.sources("img") == ["data:image/png;base64,YSBwaWN0dXJl"], "each picture once"
    assert len(re.findall(r"data-of=\"asset-[0-9a-f]{16}\"", html)) == 1
    assert not FROM_NETWORK.search(html)


def test_a_card_has_the_cells_that_tell_its_row_from_others(tmp_path: Path) -> None:
    rows = []
    for number, product in enumerate(("Lamp", "Desk"), 1):
        row = row_of(number, tmp_path)
        row.values = {"product": product, "price": f"€ {number}", "wood": "oak"}
        row.notes = {"x-sku": f"NL-{number}", "x-shelf": f"shelf {number}"}
        row.keys = {"x-sku": f"NL-{number}", "product": product}
        rows.append(row)
    text = Page(page_of(tmp_path, *rows)).text
    assert "NL-1 Lamp € 1 shelf 1" in text
    assert "NL-2 Desk € 2 shelf 2" in text
    assert "oak" not in text


def test_the_page_of_a_long_batch_holds_some_media_of_each_row_and_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "MAX_EMBEDDED_BYTES", 100)
    rows = []
    for number in range(1, 101):
        folder = tmp_path / f"{number}"
        media = pictures(folder, *(b"%d %d" % (number, n) for n in range(8)))
        rows.append(row_of(number, folder, *media, stills=media, text="x" * 9_000))
    html = page_of(tmp_path, *rows)
    page = Page(html)
    assert len(page.sources("img")) == 100 * 6
    assert page.text.count("and 2 more media") == 100
    assert "x" * 601 not in html
    assert len(html) < 100 * 6_500
