"""None of the candidates is good: on a real server and worker, in both versions of Prefect's page."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from uuid import UUID

import pytest

from rivya_flows.flows.questions import wake
from support.browser import CHROMIUM, Tab, browsing
from support.prefect_workers import Place, Server, deploy_specs, eventually

pytestmark = pytest.mark.prefect

TEXTS = "document.querySelectorAll('[role=dialog] textarea')"
SPEC = """\
version: 1
name: rounds
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon, "a|b <i>"]}
    with: {model: z-image, prompt: "A desk lamp on an oak table, ${{ matrix.style }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: human
      count: 2
      none: {rounds: 1}
      sign: true
      question: Which two become the film?
  film:
    uses: generate
    foreach: ${{ steps.hero.items }}
    with: {model: veo3-1-lite, prompt: Closer, references: ["${{ item.asset }}"]}
deploy:
  - {name: studio, work_pool: studio}
"""


@pytest.fixture(scope="module")
def place(server: Server, studio: Place) -> Place:
    """The studio with the spec."""
    deploy_specs(studio, server, [SPEC])
    return studio


def fill_in(tab: Tab, *texts: str) -> None:
    """Types into the text fields of the dialog, in their order."""
    tab.value(f"{TEXTS}.forEach((one, place) => one.dataset.place = place)")
    for place, text in enumerate(texts):
        tab.type(f"[data-place='{place}']", text)


def in_the_new_page(tab: Tab, server: Server, run: str, choice: str, *texts: str) -> None:
    tab.open(server.page(f"/v2/runs/flow-run/{run}"))
    tab.click("button", "Open menu")
    tab.click("[role=menuitem]", "Resume")
    tab.wait_for("[role=dialog] img")
    tab.click("[role=dialog] button[aria-haspopup=listbox]")
    tab.click("[role=option]", choice)
    tab.click("[role=dialog] h2")  # the list stays open for further choices
    fill_in(tab, *texts)
    tab.click_until_gone("[role=dialog] button", "Resume", "[role=dialog]")


def in_the_old_page(tab: Tab, server: Server, run: str, choices: list[str], name: str) -> None:
    tab.open(server.page(f"/runs/flow-run/{run}"))
    tab.click("button", "Resume")
    tab.wait_for("[role=dialog] img")
    check_dialog_of_the_old_page(tab)
    select = "[role=dialog] .p-select-button__control"
    tab.wait_for(select)
    tab.value(f"document.querySelector({select!r}).focus()")
    tab.press("ArrowDown")
    for choice in choices:
        tab.click(".p-select-option", choice)
    tab.click("[role=dialog] .p-modal__title")
    fill_in(tab, name)
    tab.click_until_gone("[role=dialog] button", "Submit", "[role=dialog]")


def check_dialog_of_the_old_page(tab: Tab) -> None:
    """It shows whole pictures and no character references."""
    pictures = "[...document.querySelectorAll('.p-modal img')]"
    tab.until(f"{pictures}.every(one => one.naturalWidth)")
    card = "document.querySelector('.p-modal article').getBoundingClientRect()"
    places = f"{pictures}.map(one => one.getBoundingClientRect().right <= {card}.right + 1)"
    assert set(tab.value(places)) == {True}
    told = tab.value("document.querySelector('.p-modal').innerText")
    for words in ("studio · 1 credit", "a|b <i> · 1 credit", "… a|b <i>"):
        assert words in told, words
    assert not re.search(r"&#?\w+;|\\[|<]|!\[", told)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_person_rejects_all_with_a_note_and_picks_two_of_the_next_round(
    server: Server, place: Place, tmp_path: Path
) -> None:
    run = server.start("rounds/studio")
    first = server.question(run)
    with browsing(tmp_path / "profile") as tab:
        in_the_new_page(tab, server, run, "none of these", "warmer light", "Ana")
        server.question(run, after=first)
        in_the_old_page(tab, server, run, ["neon", "a|b <i>"], "Ben")
        server.end(run, "COMPLETED")
    given = [one.event for one in place.entries(run) if one.event.kind == "answer.given"]
    assert [(one.none, one.note, one.picked, one.round, one.by.name) for one in given] == [
        (True, "warmer light", (), 0, "Ana"),
        (False, "", ("neon", "a|b <i>"), 1, "Ben"),
    ]
    assert {one.by.channel for one in given} == {"form"}
    steps = {step["id"]: step for step in place.receipt(run)["steps"]}
    made = {item["key"]: item["assets"][0]["sha256"] for item in steps["hero.stills.2"]["items"]}
    assert [one["parents"] for one in steps["film"]["items"]] == [[made["neon"]], [made["a|b <i>"]]]
    assert sorted(place.bought(run).values()) == [1] * 8
    choice = steps["hero"]["items"][0]["choice"]
    assert (choice["notes"], choice["picked"]) == (["warmer light"], ["neon", "a|b <i>"])
    assert choice["by"]["name"] == "Ben"
    after = server.graph(run)["after"]
    assert {"hero.stills.2[neon] collect", "hero.stills.2[a|b <i>] collect"} <= after["hero pick"]
    assert "stills[neon] collect" in after["hero.stills.2[neon] buy"]
    log = server.logged(run, "hero: neon, a|b <i>, by Ben in Prefect's form")
    assert "hero: none of these (warmer light), by Ana in Prefect's form" in log


def test_a_form_without_a_name_or_with_too_few_choices_is_refused(
    server: Server, place: Place
) -> None:
    run = server.start("rounds/studio")
    server.question(run)
    two = ["studio", "neon"]
    for wrong in (
        {"hero": two},
        {"hero": two, "signed_by": " "},
        {"hero": ["studio"], "signed_by": "Ana"},
        {"hero": ["studio", "studio"], "signed_by": "Ana"},
        {"hero": ["studio", "none of these"], "signed_by": "Ana"},
        {"hero": [], "signed_by": "Ana"},
        {"hero": ["none of these"], "signed_by": "Ana", "hero_note": "x" * 501},
    ):
        answer = {"run_input": wrong}
        assert server.ask("POST", f"/flow_runs/{run}/resume", answer)["status"] == "REJECT", wrong
    asyncio.run(wake(UUID(run)))  # nothing is chosen, though all fields are filled in
    server.question(run)
    right = {"run_input": {"hero": two, "signed_by": "Ana"}}
    eventually(
        lambda: server.ask("POST", f"/flow_runs/{run}/resume", right)["status"] == "ACCEPT",
        "resume",
    )
    server.end(run, "COMPLETED")
    assert place.ends(run) == ["suspended", "suspended", "completed"]
    assert sorted(place.bought(run).values()) == [1] * 5
