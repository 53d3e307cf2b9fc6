"""Choices on the contact sheet: where a waiting run is decided, and what a finished one says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.receipt.contact_sheet import contact_sheet
from support.browser import CHROMIUM, browsing
from support.contact_sheets import Page, Store, run_with_pick
from support.receipts import parsed

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'; rm -rf ~ #\n`$(id)`"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "assets").mkdir()
    return Store(tmp_path / "assets")


def hero_of(receipt: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = receipt["steps"][1]["items"][0]
    return item


def judged(receipt: dict[str, Any]) -> dict[str, Any]:
    first, second = hero_of(receipt)["choice"]["candidates"]
    first |= {"score": 4, "reason": "the base is cut off"}
    second |= {"score": 8.5, "reason": "whole, and well lit", "proposed": True}
    return receipt


def decided(receipt: dict[str, Any]) -> dict[str, Any]:
    item = hero_of(judged(receipt))
    choice = item["choice"]
    by = {"name": "Priya", "channel": "form", "at": "2026-11-25T12:04:00Z"}
    choice |= {"waiting": False, "picked": ["neon"], "by": by}
    choice["candidates"][1]["picked"] = True
    neon = receipt["steps"][0]["items"][1]["assets"][0]
    item |= {"status": "completed", "assets": [neon]}
    return receipt | {"status": "completed", "outputs": {"stills": [neon], "hero": neon}}


def test_a_waiting_run_begins_with_its_question_and_all_that_decides_it(store: Store) -> None:
    judge = {"model": "gemini-2-5-flash-chat", "least": 6, "criteria": ["it is whole", "sharp"]}
    receipt = judged(
        run_with_pick(store, deadline="2026-11-27T12:00:00.000Z", then="judge", judge=judge)
    )
    html = contact_sheet(parsed(receipt), store)
    page = Page(html)
    assert page.open == []
    for words in (
        "Which still becomes the film?", "1 studio 1 credit", "2 neon 1 credit", "8.5 of 10",
        "proposed by the judge", "whole, and well lit", "Open until 2026-11-27 12:00 UTC ; after"
        " that what the judge proposes is taken.", "Scores by gemini-2-5-flash-chat: it is whole; sharp",
        "rivya-flows resume run-1 --answer hero=NUMBER",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.text.index("Which still") < page.text.index("Step by step")
    # The first place in the page has the data, so that they are seen without a script.
    pictures = [one for tag, one in page.found if tag == "img" and "src" in one]
    assert [one["alt"] for one in pictures] == [
        "Picture of step stills, studio: a lamp, studio",
        "Picture of step stills, neon: a lamp, neon",
    ]
    assert html.index("data:image/png") < html.index("Step by step")


def test_fields_of_a_text_and_several_at_the_deadline_are_in_words(store: Store) -> None:
    receipt = run_with_pick(store, count=2, deadline="2026-11-27T12:00:00.000Z", then="first")
    first, _ = hero_of(receipt)["choice"]["candidates"]
    first |= {"sha256": None, "text": '{"slogan":"Light, quietly","score":7}'}
    page = Page(contact_sheet(parsed(receipt), store))
    assert "slogan: Light, quietly score: 7" in page.text
    assert "after that the first 2 are taken" in page.text


def test_the_least_of_a_judge_is_a_whole_number_where_it_can_be(store: Store) -> None:
    judge = {"model": "m", "least": 6.0, "criteria": ["sharp"]}
    page = Page(contact_sheet(parsed(decided(run_with_pick(store, judge=judge))), store))
    assert "Judge m, at least 6 " in page.text


def test_the_last_of_very_many_candidates_has_its_number(store: Store) -> None:
    receipt = run_with_pick(store)
    hero_of(receipt)["choice"]["candidates"][1]["n"] = 1_200
    assert "1200 neon" in Page(contact_sheet(parsed(receipt), store)).text


def test_a_later_round_shows_the_note_and_what_was_refused(store: Store) -> None:
    receipt = run_with_pick(store, round=1, notes=["warmer light"], rounds_left=2, note_room=80)
    old = store.put(b"old", "image", "image/png")
    first = {"key": "studio", "status": "completed", "assets": [old]}
    receipt["steps"].insert(0, {"id": "old", "uses": "generate", "items": [first]})
    choice = receipt["steps"][2]["items"][0]["choice"]
    choice["earlier"] = [{"round": 0, "key": "studio", "sha256": old["sha256"], "text": None}]
    page = Page(contact_sheet(parsed(receipt), store))
    assert "round 2, with the note: warmer light" in page.text
    assert "Round 1: none of these (warmer light)" in page.text
    assert '--answer "hero=none: what should be different"' in page.text
    assert "up to 2 times more" in page.text
    [note] = [one for tag, one in page.found if tag == "input"]
    assert note["maxlength"] == "80"


@pytest.mark.parametrize(("status", "shown"), [("skipped", False), ("completed", True)])
def test_a_round_that_was_not_needed_is_not_shown(store: Store, status: str, shown: bool) -> None:
    receipt = run_with_pick(store)
    again = [{"key": "studio", "status": status, "reason": "decided without another round"}]
    receipt["steps"].append({"id": "hero.stills.2", "uses": "generate", "items": again})
    page = Page(contact_sheet(parsed(receipt), store))
    assert ("hero.stills.2" in page.text) is shown


def test_a_pick_that_nobody_answered_in_time_can_still_be_answered(store: Store) -> None:
    receipt = run_with_pick(store, deadline="2026-11-27T12:00:00.000Z") | {"status": "failed"}
    hero_of(receipt)["status"] = "failed"
    page = Page(contact_sheet(parsed(receipt), store))
    assert "Nobody answered by 2026-11-27 12:00 UTC ; an answer still counts." in page.text


def test_texts_are_candidates_too(store: Store) -> None:
    receipt = run_with_pick(store)
    for one, text in zip(
        hero_of(receipt)["choice"]["candidates"], ("Wake up", '{"line":"Go"}'), strict=True
    ):
        one |= {"sha256": None, "text": text}
    page = Page(contact_sheet(parsed(receipt), store))
    assert "Wake up" in page.text
    assert "line: Go" in page.text


def test_a_finished_sheet_says_who_picked_what_and_marks_it(store: Store) -> None:
    page = Page(contact_sheet(parsed(decided(run_with_pick(store))), store))
    assert "Picked by Priya in Prefect's form, 2026-11-25 12:04 UTC" in page.text
    assert "neon picked 8.5 of 10 proposed whole, and well lit" in page.text
    assert page.text.count("picked for hero") == 3, "in both outputs, and on the card of the still"
    assert "rivya-flows resume" not in page.text
    assert len([one for _, one in page.found if (one.get("class") or "").endswith("chosen")]) == 1


def test_no_text_of_a_choice_becomes_markup(store: Store) -> None:
    judge = {"model": EVIL, "least": 6, "criteria": [EVIL]}
    facts: dict[str, Any] = {
        "question": EVIL, "notes": [EVIL], "round": 1, "judge": judge, "judge_error": EVIL,
        "rounds_left": 1, "note_room": 9, "earlier": [{"round": 0, "key": EVIL, "sha256": None, "text": EVIL}],
    }  # fmt: skip
    receipt = run_with_pick(store, (EVIL, "b"), **facts)
    receipt["run_id"] = EVIL
    receipt["steps"][1]["id"] = EVIL
    for one in hero_of(receipt)["choice"]["candidates"]:
        one |= {"reason": EVIL, "score": 7}
    for made in (receipt, decided(receipt)):
        page = Page(contact_sheet(parsed(made), store))
        assert page.open == []
        assert [tag for tag, _ in page.found].count("script") == 1
        assert not any("onerror" in attrs for _, attrs in page.found)


def test_what_a_terminal_acts_on_is_not_in_the_command(store: Store) -> None:
    receipt = run_with_pick(store, ("0", "1\x1b[201~\nreboot"))
    hero_of(receipt)["key"] = "a\x1b[201~\nreboot"
    page = Page(contact_sheet(parsed(receipt), store))
    copied = [
        str(one.get(name))
        for _, one in page.found
        for name in ("data-name", "data-answer")
        if name in one
    ]
    assert len(copied) == 3
    assert not any("\x1b" in one or "\n" in one for one in copied)


# --- In a browser --------------------------------------------------------------------------------

in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
COMMAND = "document.getElementById('command').textContent"


def written(store: Store, folder: Path, receipt: dict[str, Any]) -> str:
    path = folder / "sheet.html"
    path.write_text(contact_sheet(parsed(receipt), store, beside=folder))
    return path.as_uri()


@in_a_browser
def test_a_click_on_a_candidate_puts_it_into_the_command(store: Store, tmp_path: Path) -> None:
    receipt = run_with_pick(store, rounds_left=1, note_room=40)
    with browsing(tmp_path / "profile") as tab:
        tab.open(written(store, tmp_path, receipt))
        assert tab.value("document.querySelector('.copy').disabled") is True
        tab.click(".candidate:nth-child(2) .choose")
        assert tab.value(COMMAND) == "rivya-flows resume run-1 --answer hero=2"
        tab.type(".none input", "it's too cold")
        noted = "rivya-flows resume run-1 --answer 'hero=none: it'\"'\"'s too cold'"
        tab.until(f"{COMMAND} === {json.dumps(noted)}")
        assert tab.value("document.querySelectorAll('.candidate.chosen').length") == 0
        tab.click(".candidate:nth-child(1) .choose")
        assert tab.value(COMMAND) == "rivya-flows resume run-1 --answer hero=1"
        tab.click(".copy")
        tab.wait_for_text("Copied.")
        tab.click(".candidate:nth-child(1) .choose")
        assert tab.value(COMMAND) == "rivya-flows resume run-1 --answer hero=NUMBER"


@in_a_browser
def test_several_are_picked_in_the_order_of_the_clicks(store: Store, tmp_path: Path) -> None:
    receipt = run_with_pick(store, ("a", "b", "c"), count=2)
    with browsing(tmp_path / "profile") as tab:
        tab.open(written(store, tmp_path, receipt))
        assert tab.value(COMMAND).endswith(" hero=NUMBER,NUMBER")
        tab.click(".candidate:nth-child(3) .choose")
        tab.wait_for_text("hero: pick 1 more")
        assert tab.value("document.querySelector('.copy').disabled") is True
        tab.click(".candidate:nth-child(1) .choose")
        assert tab.value(COMMAND).endswith(" hero=3,1")
        tab.click(".candidate:nth-child(2) .choose")
        assert tab.value(COMMAND).endswith(" hero=1,2")


@in_a_browser
def test_a_candidate_that_gets_the_focus_is_not_under_the_command(
    store: Store, tmp_path: Path
) -> None:
    keys = tuple(f"k{number}" for number in range(40))
    with browsing(tmp_path / "profile", height=500) as tab:
        tab.open(written(store, tmp_path, run_with_pick(store, keys)))
        tab.value("document.documentElement.style.scrollBehavior = 'auto'")
        seen = """[...document.querySelectorAll('.candidate .choose')].every(one => {
          one.focus();
          const {left, width, bottom} = one.getBoundingClientRect();
          return one.contains(document.elementFromPoint(left + width / 2, bottom - 2));
        })"""
        assert tab.value(seen)


@in_a_browser
def test_a_candidate_whose_number_is_the_key_of_another_is_named_by_its_key(
    store: Store, tmp_path: Path
) -> None:
    with browsing(tmp_path / "profile") as tab:
        tab.open(written(store, tmp_path, run_with_pick(store, ("0", "1"))))
        assert tab.value(COMMAND).endswith(" hero=KEY")
        tab.click(".candidate:nth-child(1) .choose")
        assert tab.value(COMMAND).endswith(" hero=0")


@in_a_browser
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_sticks_out_of_the_page_or_a_card(store: Store, tmp_path: Path, width: int) -> None:
    receipt = run_with_pick(store)
    sounds = [store.put(b"s%d" % n, "audio", "audio/mpeg") for n in range(6)]
    items = [
        {"key": str(n), "status": "completed", "assets": [one]} for n, one in enumerate(sounds)
    ]
    receipt["steps"].append({"id": "voices", "uses": "generate", "items": items})
    beyond = """[...document.querySelectorAll('.candidate *, .card *, .answer *')].filter(one => {
      const box = one.getBoundingClientRect(), card = one.closest('.candidate, .card, .answer');
      return box.width && box.right > card.getBoundingClientRect().right + 1;
    }).map(one => one.outerHTML.slice(0, 80))"""
    with browsing(tmp_path / "profile", width=width) as tab:
        tab.open(written(store, tmp_path, receipt))
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert tab.value(beyond) == []


def test_where_no_note_is_taken_none_is_asked_for(store: Store) -> None:
    page = Page(contact_sheet(parsed(run_with_pick(store, rounds_left=1, note_room=0)), store))
    assert '--answer "hero=none"' in page.text
    assert "What should be different" not in page.text
    assert page.open == []


@in_a_browser
def test_without_a_note_none_of_these_is_the_whole_answer(store: Store, tmp_path: Path) -> None:
    with browsing(tmp_path / "profile") as tab:
        tab.open(written(store, tmp_path, run_with_pick(store, rounds_left=1, note_room=0)))
        tab.click(".none .refuse")
        assert tab.value(COMMAND) == "rivya-flows resume run-1 --answer hero=none"
        tab.click(".candidate:nth-child(1) .choose")
        assert tab.value(COMMAND) == "rivya-flows resume run-1 --answer hero=1"
