"""Pictures and films of a contact sheet, shown large; a person with a keyboard, and one without JavaScript."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from rivya_flows.receipt.contact_sheet import contact_sheet
from support.browser import CHROMIUM, Tab, browsing
from support.contact_sheets import Page, Store, run_with_pick, run_with_spot
from support.receipts import parsed

POSITION = "document.querySelector('#lightbox .position').textContent"
SEEN = "document.querySelector('#lightbox .alt').textContent"
SHOWN = "document.querySelector('#lightbox img').naturalWidth"
OPEN = "document.getElementById('lightbox').open"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "assets").mkdir()
    return Store(tmp_path / "assets")


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with browsing(tmp_path / "profile") as tab:
        yield tab


def opened(tab: Tab, folder: Path, html: str) -> None:
    (folder / "sheet.html").write_text(html)
    tab.open((folder / "sheet.html").as_uri())


def test_keys_go_through_all_media_of_the_page_once_and_the_focus_returns(
    tab: Tab, store: Store, tmp_path: Path
) -> None:
    receipt = run_with_pick(store, ("a", "b", "c"))
    receipt["steps"] += run_with_spot(store, clean=False, poster=None, gif=None)["steps"]
    opened(tab, tmp_path, contact_sheet(parsed(receipt), store, beside=tmp_path))
    tab.value("document.querySelector('.card .zoom').focus()")
    tab.press("Enter")
    tab.wait_for("#lightbox")
    assert tab.value(SEEN) == "Picture of step stills, a: a lamp, a"
    assert tab.value(POSITION) == "1 of 5"
    for key, seen in {
        "ArrowRight": "Picture of step stills, b: a lamp, b",
        "End": "Film of step spot, 16:9",
        "ArrowLeft": "Film of step spot, 9:16",
        "Home": "Picture of step stills, a: a lamp, a",
    }.items():
        tab.press(key)
        assert tab.value(SEEN) == seen
    tab.click("#lightbox .previous")
    assert tab.value(POSITION) == "5 of 5"
    tab.press("Escape")
    tab.wait_gone("#lightbox")
    assert tab.value("document.activeElement.matches('.card .zoom')")


def test_the_original_is_shown_and_the_small_picture_where_it_is_gone(
    tab: Tab, store: Store, tmp_path: Path
) -> None:
    data = io.BytesIO()
    Image.effect_noise((900, 1200), 80).save(data, "png")
    large = store.put(data.getvalue(), "image", "image/png", width=900, height=1200)
    item = {"key": "neon", "credits": 2, "assets": [large]}
    receipt = {"steps": [{"id": "stills", "uses": "generate", "items": [item]}]}
    opened(tab, tmp_path, contact_sheet(parsed(receipt), store, beside=tmp_path))
    tab.click(".zoom")
    tab.until(f"{SHOWN} === 900", "the original")
    tab.wait_for_text("stills · neon · 2 credits · 900 × 1200", "#lightbox b")
    tab.click("#lightbox img")
    tab.wait_gone("#lightbox")
    store(large["sha256"]).unlink()
    tab.do("Network.clearBrowserCache")
    tab.open((tmp_path / "sheet.html").as_uri())
    tab.click(".zoom")
    tab.until(f"{SHOWN} === 480", "the small picture")


def test_a_swipe_goes_on(tab: Tab, store: Store, tmp_path: Path) -> None:
    opened(tab, tmp_path, contact_sheet(parsed(run_with_pick(store)), store, beside=tmp_path))
    tab.do("Emulation.setTouchEmulationEnabled", enabled=True)
    tab.click(".candidate .zoom")
    tab.wait_for_text("1 of 2", "#lightbox .position")
    for kind, x in (
        ("touchStart", 600),
        ("touchMove", 500),
        ("touchMove", 400),
        ("touchEnd", None),
    ):
        points = [] if x is None else [{"x": x, "y": 300}]
        tab.do("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    tab.wait_for_text("2 of 2", "#lightbox .position")


def test_a_page_loads_its_files_and_runs_no_other_script(
    tab: Tab, store: Store, tmp_path: Path
) -> None:
    html = contact_sheet(parsed(run_with_pick(store)), store, beside=tmp_path)
    evil = "<script>document.title = 'evil'</script><img src=x onerror=\"document.title = 'evil'\">"
    opened(tab, tmp_path, html.replace("</main>", f"{evil}</main>"))
    assert tab.value("document.documentElement.className") == "scripted"
    assert tab.value("document.title") == "spot · run-1"


def test_without_a_script_a_picture_and_a_film_lead_to_their_files(
    store: Store, tmp_path: Path
) -> None:
    receipt = run_with_spot(store, clean=False, poster=None, gif=None)
    page = Page(contact_sheet(parsed(receipt), store, beside=tmp_path))
    links = [str(one["href"]) for tag, one in page.found if "zoom" in str(one.get("class"))]
    assert links
    assert all((tmp_path / link).is_file() for link in links)
    assert not [name for _, one in page.found for name in one if name.startswith("on")]
