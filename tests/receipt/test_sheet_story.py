"""The story of a run on its contact sheet: timeline, credits, graph, sources, on a phone and a desktop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.receipt.contact_sheet import contact_sheet
from support.browser import CHROMIUM, browsing
from support.contact_sheets import Page, Store
from support.receipts import parsed

DAY = 86_400.0


def at(seconds: float) -> str:
    return datetime.fromtimestamp(1_800_000_000 + seconds, UTC).isoformat()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "assets").mkdir()
    return Store(tmp_path / "assets")


def receipt_of(store: Store) -> dict[str, Any]:
    """A run that waited two days for a pick among forty stills, and has long names."""
    media = [store.put(b"%d" % n, "image", "image/png", width=9, height=16) for n in range(40)]
    film = store.put(b"film", "video", "video/mp4", width=9, height=16)
    cards = [
        one | {"given_as": None, "made_by": {"step": "stills", "key": str(n), "parents": []}}
        for n, one in enumerate(media)
    ]
    maker = {"step": "film_of_the_chosen_still", "key": "", "parents": [media[3]["sha256"]]}
    stills = [
        {
            "key": str(n),
            "status": "completed",
            "assets": [one],
            "began_at": at(n),
            "ended_at": at(n + 9),
        }
        for n, one in enumerate(media)
    ]
    wait = {"asked_at": at(50), "answered_at": at(2 * DAY)}
    hero = {"key": "", "status": "completed", "began_at": at(50), "ended_at": at(2 * DAY + 1)}
    shot = {
        "key": "", "status": "failed", "reason": "no", "assets": [film],
        "began_at": at(2 * DAY + 1), "ended_at": at(2 * DAY + 80),
    }  # fmt: skip
    return {
        "run_id": "run-1",
        "execution_times": [
            {"began_at": at(0), "ended_at": at(50)},
            {"began_at": at(2 * DAY), "ended_at": at(2 * DAY + 81)},
        ],
        "outputs": {"film": film},
        "steps": [
            {"id": "stills", "uses": "generate", "status": "completed", "credits": 40, "needs": [],
             "items": stills},
            {"id": "hero", "uses": "pick", "status": "completed", "credits": 0, "needs": ["stills"],
             "items": [hero | {"waits": [wait]}]},
            {"id": "film_of_the_chosen_still", "uses": "generate", "status": "failed", "credits": 10,
             "needs": ["stills", "hero"], "items": [shot]},
            *({"id": f"step_{n}", "uses": "layout", "status": "skipped", "needs": ["hero"],
               "items": [{"status": "skipped"}]} for n in range(5)),
        ],
        "assets": [*cards, film | {"given_as": None, "made_by": maker}],
    }  # fmt: skip


def test_the_page_tells_time_and_credits_of_each_step_in_one_row(store: Store) -> None:
    page = Page(contact_sheet(parsed(receipt_of(store)), store))
    assert page.open == []
    for words in (
        "Where the time and the credits went", "stills 48 s", "hero 1 s + 1 d 23 h asked",
        "film_of_the_chosen_still 1 min 19 s", "1 d 23 h left out: a person was asked",
        "How the steps follow each other", "film_of_the_chosen_…", "3: 9 s, completed", "Total 50 credits",
    ):  # fmt: skip
        assert words in page.text, words
    rows = [
        attrs["aria-label"]
        for tag, attrs in page.found
        if tag == "svg" and attrs.get("role") == "img"
    ]
    assert rows[:2] == [
        "stills: worked for 48 s, 40 items",
        "hero: worked for 1 s, asked a person for 1 d 23 h",
    ]
    places = {attrs["id"] for _, attrs in page.found if attrs.get("id")}
    links = {str(attrs["href"]) for tag, attrs in page.found if tag == "a" and "href" in attrs}
    assert {one[1:] for one in links if one.startswith("#")} <= places


def test_a_run_that_cost_nothing_has_its_time(store: Store) -> None:
    receipt = receipt_of(store)
    for step in receipt["steps"]:
        step["credits"] = 0
    page = Page(contact_sheet(parsed(receipt), store))
    assert "Where the time went" in page.text
    assert "Total" not in page.text


def test_a_run_with_too_many_steps_says_that_it_is_not_drawn(store: Store) -> None:
    steps = [{"id": f"s{n}", "needs": [f"s{n - 1}"]} for n in range(70)]
    page = Page(contact_sheet(parsed({"steps": steps}), store))
    assert "This run has 70 steps" in page.text


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_of_the_story_sticks_out_sideways(store: Store, tmp_path: Path, width: int) -> None:
    path = tmp_path / "contact-sheet.html"
    path.write_text(contact_sheet(parsed(receipt_of(store)), store, beside=tmp_path))
    beyond = """[...document.querySelectorAll('.falls *, .legend *, .origin *, .graph')].filter(one => {
      const box = one.getBoundingClientRect();
      const around = one.closest('.falls, .output, .card, main').getBoundingClientRect();
      return box.width && (box.right > around.right + 1 || box.left < around.left - 1);
    }).map(one => one.outerHTML.slice(0, 120))"""
    with browsing(tmp_path / "profile", width=width) as tab:
        tab.open(path.as_uri())
        tab.value("for (const one of document.querySelectorAll('.origin')) one.open = true")
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert tab.value(beyond) == []
        tab.click(".graph a")
        tab.until("location.hash === '#step-stills'")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_graph_of_six_levels_fits_a_desktop_and_a_wider_one_has_a_shade(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "contact-sheet.html"
    graph = "document.querySelector('.graph')"
    with browsing(tmp_path / "profile", width=1440) as tab:
        for levels, scrolls in ((6, False), (7, True)):
            steps = [{"id": f"s{n}", "needs": [f"s{n - 1}"]} for n in range(levels)]
            path.write_text(contact_sheet(parsed({"steps": steps}), store))
            tab.open(path.as_uri())
            assert tab.value(f"{graph}.scrollWidth > {graph}.clientWidth") is scrolls
        assert "linear-gradient" in tab.value(f"getComputedStyle({graph}).backgroundImage")
