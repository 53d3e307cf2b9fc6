"""Contact sheets and comparisons as everyone sees them: axe finds nothing, and all fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.batch.pricing import Batch
from rivya_flows.batch.rows import Row
from rivya_flows.batch.summary import BatchResult, WalletChange, sheet_text
from rivya_flows.queue.events import Stamped
from rivya_flows.receipt.comparison import comparison, comparison_page
from rivya_flows.receipt.contact_sheet import contact_sheet, share_page, shared_outputs
from rivya_flows.receipt.from_journal import receipt
from support.browser import Tab
from support.composed_media import film
from support.contact_sheets import Store, run_with_pick, whole_run
from support.judged_picks import Judging, judged_spec
from support.naive_service import Rehearsal, frozen
from support.receipts import parsed, stamped

pytestmark = pytest.mark.slow

# Cards below the window are not drawn until somebody scrolls there.
ALL_DRAWN = "document.head.insertAdjacentHTML('beforeend', '<style>* { content-visibility: visible !important }</style>')"
ALL_OPEN = "document.querySelectorAll('details').forEach(one => { one.open = true; })"
BEYOND = """[...document.querySelectorAll('.card *, .candidate *, .side *, .answer *, .falls *, .origin *')].filter(one => {
  const around = one.parentElement.closest('.card, .candidate, .side, .answer, .falls, .output, main');
  const box = one.getBoundingClientRect(), room = around.getBoundingClientRect();
  return box.width && !one.closest('pre') && (box.right > room.right + 1 || box.left < room.left - 1);
}).map(one => one.outerHTML.slice(0, 80))"""
COVERING = """[...document.querySelectorAll('.card figure')].filter(one => {
  const box = one.getBoundingClientRect(), text = one.closest('.card').querySelector('.body').getBoundingClientRect();
  return box.right > text.left + 1 && box.bottom > text.top + 1;
}).map(one => one.outerHTML.slice(0, 80))"""
# A picture or film whose size is known has its shape before it loads, and keeps it.
MISSHAPEN = """[...document.querySelectorAll('img, video')].filter(one => {
  const {aspectRatio, objectFit} = getComputedStyle(one);
  return one.checkVisibility() && one.closest('.media').style.getPropertyValue('--ratio') && (!/\\d/.test(aspectRatio) || objectFit !== 'contain');
}).map(one => one.outerHTML.slice(0, 80))"""


def finished(store: Store) -> str:
    """The sheet of a run with media of all kinds and shapes, scripts, failures and a ledger."""
    run = whole_run(store)
    shapes = {"tall": (90, 160), "wide": (160, 90), "square": (100, 100)}
    looks = [
        {"key": key, "model": "z-image", "prompt": "केतली, " * 60, "assets": [store.draw(size, "teal")]}
        for key, size in shapes.items()
    ]  # fmt: skip
    voices = [
        {"key": str(n), "text": "صوت\n" * 40, "assets": [store.put(b"%d" % n, "audio", "audio/mpeg")]}
        for n in range(6)
    ]  # fmt: skip
    run["steps"] += [{"id": "looks", "items": looks}, {"id": "voices", "items": voices}]
    run["outputs"] |= {"looks": [one["assets"][0] for one in looks], "line": "שלום"}
    return contact_sheet(parsed(run), store, beside=store.folder)


def waiting(store: Store) -> str:
    keys = tuple(f"look {number}" for number in range(8))
    made = run_with_pick(store, keys, rounds_left=1, note_room=80, count=2)
    return contact_sheet(parsed(made), store, beside=store.folder)


def batch(store: Store) -> str:
    picture = store.draw((90, 160), "maroon")
    picture["path"] = str(store(picture["sha256"]))
    made = {
        "steps": [{"id": "stills", "items": [{"key": "a", "assets": [picture]}]}],
        "outputs": {"still": picture, "copy": "Warm light. " * 60},
    }
    acme = Row(
        "run-1",
        name="NL-7 Acme",
        values={"product": "Acme", "price": "€ 89", "detail": "brass"},
        notes={"x-sku": "NL-7"},
        keys={"x-sku": "NL-7", "product": "Acme"},
        status="completed",
        spent=1,
        receipt=parsed(made),
        folder=store.folder,
    )
    nord = Row("run-2", "Nord", 2, status="over_budget", reason="needs 2 credits")
    batch = Batch((acme, nord), 9, removed=1, batch_id="batch-1")
    result = BatchResult(batch, store.folder, WalletChange(10, 9, 1), cancelled=False)
    return sheet_text(result, "Shop")


def compared(store: Store) -> str:
    journals = [
        _judged("run-1", {"neon": 9}),
        _judged("run-2", {"noir": 9}, more="question: Which?"),
    ]
    picture = store(store.draw((90, 160), "navy")["sha256"])
    receipts = [receipt(entries) for entries in journals]
    return comparison_page(comparison(*journals), receipts, [lambda _: picture] * 2)


def _judged(run_id: str, scores: dict[str, int], **options: Any) -> list[Stamped]:
    start = frozen(judged_spec(**options)).model_copy(update={"run_id": run_id})
    run = Rehearsal(start, Judging(scores))
    run.take_up()
    run.run()
    return stamped(run.journal)


def shared(store: Store) -> str:
    """The page for a client: a film in three formats, stills, and a text."""
    shapes = {"9:16": (90, 160), "1:1": (100, 100), "16:9": (160, 90)}
    stills = {key: store.draw(size, "teal") for key, size in shapes.items()}
    films = []
    for size in shapes.values():
        data = film(store.folder / "film.mp4", size=size).read_bytes()
        films.append(store.put(data, "video", "video/mp4", width=size[0], height=size[1]))
    items = [{"key": key, "assets": [one]} for key, one in stills.items()]
    made = {
        "title": "Product launch, a branded spot in three formats",
        "subject": "केतली",
        "steps": [{"id": "stills", "items": items}],
        "outputs": {"spot": films, "stills": [*stills.values()], "line": "Warm light."},
    }
    return share_page(parsed(made), shared_outputs(parsed(made), store))


@pytest.fixture
def show(tab: Tab, tmp_path: Path) -> Callable[..., None]:
    """Shows a page in the tab."""

    def show(page: Callable[[Store], str], **view: Any) -> None:
        path = tmp_path / "page.html"
        path.write_text(page(Store(tmp_path)))
        tab.show_at(path.as_uri(), **view)
        tab.value(ALL_DRAWN)

    return show


@pytest.mark.parametrize("page", [finished, waiting, batch, compared, shared])
def test_axe_finds_nothing_and_all_fits(
    page: Callable[[Store], str], show: Callable[..., None], tab: Tab
) -> None:
    for width, dark in ((390, True), (1440, False)):
        show(page, width=width, dark=dark)
        tab.value(ALL_OPEN)
        assert tab.axe_violations() == []
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert tab.value(BEYOND) == []


@pytest.mark.parametrize("page", [finished, batch])
def test_pictures_and_films_keep_their_shape(
    page: Callable[[Store], str], show: Callable[..., None], tab: Tab
) -> None:
    show(page, width=390)
    assert tab.value("document.querySelectorAll('.media[style] :is(img, video)').length")
    assert tab.value(MISSHAPEN) == []


def test_no_picture_covers_the_text_of_its_card_however_short(
    show: Callable[..., None], tab: Tab
) -> None:
    def cards(store: Store) -> str:
        steps = [
            {"id": f"{size} {len(prompt)}", "items": [{"model": "z-image", "prompt": prompt, "assets": [store.draw(size, "teal")]}]}
            for size in ((90, 160), (100, 100), (160, 90))
            for prompt in ("Lamp", "A brass desk lamp on oak", "Warm light. " * 60)
        ]  # fmt: skip
        return contact_sheet(parsed({"steps": steps}), store, beside=store.folder)

    for width in (390, 768, 1440):
        show(cards, width=width)
        assert tab.value("document.querySelectorAll('.card figure').length") == 9
        assert tab.value(COVERING) == []
        assert tab.value(BEYOND) == []


def test_the_media_of_a_client_fill_their_row_and_films_show_a_frame(
    show: Callable[..., None], tab: Tab
) -> None:
    show(shared, width=1440)
    row = "document.querySelector('.shown').getBoundingClientRect()"
    boxes = "[...document.querySelectorAll('.shown')[0].querySelectorAll('video')].map(one => one.getBoundingClientRect())"
    assert tab.value(f"{row}.width - Math.max(...{boxes}.map(one => one.right - {row}.left))") < 2
    assert tab.value(f"new Set({boxes}.map(one => Math.round(one.height))).size") == 1
    posters = "[...document.querySelectorAll('video')].map(one => one.poster.slice(0, 15))"
    assert tab.value(posters) == ["data:image/webp"] * 3


def test_a_picture_shown_large_passes_too(show: Callable[..., None], tab: Tab) -> None:
    show(finished, width=390)
    tab.click(".large .zoom")
    tab.wait_for("#lightbox img")
    assert tab.axe_violations() == []


def test_a_page_prints_on_white_and_without_controls(show: Callable[..., None], tab: Tab) -> None:
    show(finished, width=1440, dark=True)
    tab.do("Emulation.setEmulatedMedia", media="print")
    controls = "[...document.querySelectorAll('.zoom.corner, audio, .switch')]"
    assert tab.value(f"{controls}.filter(one => one.checkVisibility()).length") == 0
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert tab.value("getComputedStyle(document.body).color") == "rgb(33, 29, 25)"
    tab.do("Emulation.setEmulatedMedia", media="")
