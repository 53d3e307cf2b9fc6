"""What a person does on a contact sheet: picks, and looks at media."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rivya_flows.receipt.contact_sheet import contact_sheet
from support.browser import Tab
from support.contact_sheets import Store, run_with_pick, run_with_spot
from support.receipts import parsed

pytestmark = pytest.mark.slow

COMMAND = "document.getElementById('command').textContent"
POSITION = "document.querySelector('#lightbox .position').textContent"
SEEN = "document.querySelector('#lightbox .alt').textContent"
SHOWN = "document.querySelector('#lightbox img').naturalWidth"


def opened(tab: Tab, store: Store, run: dict[str, Any], more: str = "", **view: Any) -> str:
    """Shows the sheet of a run, with more markup at its end; its address."""
    path = store.folder.parent / "sheet.html"
    html = contact_sheet(parsed(run), store, beside=path.parent)
    path.write_text(html.replace("</main>", f"{more}</main>"))
    tab.show_at(path.as_uri(), **{"width": 1280, **view})
    return path.as_uri()


def choose(tab: Tab, number: int) -> str:
    """The command after a click on a candidate."""
    tab.click(f".candidate:nth-child({number}) .choose")
    return str(tab.value(COMMAND)).removeprefix("rivya-flows resume run-1 --answer ")


def test_clicks_on_candidates_and_a_note_make_the_command(tab: Tab, store: Store) -> None:
    opened(tab, store, run_with_pick(store, rounds_left=1, note_room=40))
    assert tab.value("document.querySelector('.copy').disabled") is True
    assert choose(tab, 2) == "hero=2"
    tab.type(".none input", "it's too cold")
    noted = "rivya-flows resume run-1 --answer 'hero=none: it'\"'\"'s too cold'"
    tab.until(f"{COMMAND} === {json.dumps(noted)}")
    assert tab.value("document.querySelectorAll('.candidate.chosen').length") == 0
    assert choose(tab, 1) == "hero=1"
    tab.click(".copy")
    tab.wait_for_text("Copied.")
    assert choose(tab, 1) == "hero=NUMBER"


def test_without_a_note_none_of_these_is_the_whole_answer(tab: Tab, store: Store) -> None:
    opened(tab, store, run_with_pick(store, rounds_left=1, note_room=0))
    tab.click(".none .refuse")
    assert tab.value(COMMAND) == "rivya-flows resume run-1 --answer hero=none"
    assert choose(tab, 1) == "hero=1"


def test_several_are_picked_in_the_order_of_the_clicks(tab: Tab, store: Store) -> None:
    opened(tab, store, run_with_pick(store, ("a", "b", "c"), count=2))
    assert tab.value(COMMAND).endswith(" hero=NUMBER,NUMBER")
    choose(tab, 3)
    tab.wait_for_text("hero: pick 1 more")
    assert tab.value("document.querySelector('.copy').disabled") is True
    assert choose(tab, 1) == "hero=3,1"
    assert choose(tab, 2) == "hero=1,2"


def test_a_candidate_whose_number_is_the_key_of_another_is_named_by_its_key(
    tab: Tab, store: Store
) -> None:
    opened(tab, store, run_with_pick(store, ("0", "1")))
    assert tab.value(COMMAND).endswith(" hero=KEY")
    assert choose(tab, 1) == "hero=0"


def test_a_candidate_that_gets_the_focus_is_not_under_the_command(tab: Tab, store: Store) -> None:
    keys = tuple(f"k{number}" for number in range(40))
    opened(tab, store, run_with_pick(store, keys), height=500)
    tab.value("document.documentElement.style.scrollBehavior = 'auto'")
    assert tab.value("""[...document.querySelectorAll('.candidate .choose')].every(one => {
      one.focus();
      const {left, width, bottom} = one.getBoundingClientRect();
      return one.contains(document.elementFromPoint(left + width / 2, bottom - 2));
    })""")


def test_captions_are_switched_off_and_on_where_the_film_is(tab: Tab, store: Store) -> None:
    opened(tab, store, run_with_spot(store))
    shown = "[...document.querySelectorAll('.step .format .media')].map(one => one.hidden)"
    tab.wait_for(".switch")
    with_captions, without = (
        [False, True, False, True, False, False],
        [True, False] * 2 + [False] * 2,
    )
    assert tab.value(shown) == with_captions
    tab.click(".switch")
    assert tab.value(shown) == without
    tab.value("document.querySelector('track').track.mode = 'showing'")
    tab.until("document.querySelector('track').track.cues?.length === 2", "the captions")
    tab.click(".switch")
    assert tab.value(shown) == with_captions


def test_keys_and_swipes_go_through_all_media_once_and_the_focus_returns(
    tab: Tab, store: Store
) -> None:
    run = run_with_pick(store, ("a", "b", "c"))
    run["steps"] += run_with_spot(store, clean=False, poster=None, gif=None)["steps"]
    opened(tab, store, run)
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
    tab.press("Home")
    tab.do("Emulation.setTouchEmulationEnabled", enabled=True)
    for kind, at in {"touchStart": 600, "touchMove": 400, "touchEnd": None}.items():
        points = [] if at is None else [{"x": at, "y": 300}]
        tab.do("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    tab.wait_for_text("2 of 5", "#lightbox .position")
    tab.do("Emulation.setTouchEmulationEnabled", enabled=False)
    tab.press("Escape")
    tab.wait_gone("#lightbox")
    assert tab.value("document.activeElement.matches('.card .zoom')")


def test_the_original_is_shown_and_the_small_picture_where_it_is_gone(
    tab: Tab, store: Store
) -> None:
    large = store.noise((900, 1200))
    item = {"key": "neon", "credits": 2, "assets": [large]}
    address = opened(tab, store, {"steps": [{"id": "stills", "items": [item]}]})
    tab.click(".zoom")
    tab.until(f"{SHOWN} === 900", "the original")
    tab.wait_for_text("stills · neon · 2 credits · 900 × 1200", "#lightbox b")
    tab.click("#lightbox img")
    tab.wait_gone("#lightbox")
    store(large["sha256"]).unlink()
    tab.do("Network.clearBrowserCache")
    tab.open(address)
    tab.click(".zoom")
    tab.until(f"{SHOWN} === 480", "the small picture")


def test_a_page_runs_no_other_script(tab: Tab, store: Store) -> None:
    evil = "<script>document.title = 'evil'</script><img src=x onerror=\"document.title = 'evil'\">"
    opened(tab, store, run_with_pick(store), evil)
    assert tab.value("document.documentElement.className") == "scripted"
    assert tab.value("document.title") == "spot · run-1"
