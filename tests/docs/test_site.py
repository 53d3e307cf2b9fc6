"""The documentation site: it builds without a warning, leads somewhere, and can be read by everybody."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from support.browser import CHROMIUM, Tab, browsing
from support.prefect_workers import eventually
from support.site import ROOT, BuiltPage, built_once, copy_sources, read, serving

pytestmark = pytest.mark.slow

DOCS = ROOT / "docs"
# One of each kind, and not the longest; the first three in the dark, too.
LOOKED_AT = [
    "index.html",
    "tutorial/first-clip.html",
    "concepts/architecture.html",
    "how-to/budget.html",
    "reference/settings.html",
    "performance.html",
]
# As a person would drag it: what a page holds beside its window.
_SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_PHONE = {"height": 844, "deviceScaleFactor": 1, "mobile": False}
_SEARCH = "[...document.body.children].find(one => one.shadowRoot)?.shadowRoot"
_FOUND = f"[...({_SEARCH}).querySelectorAll('a')].map(one => new URL(one.href).pathname.slice(1))"
# Types until there are results, or none: what is typed before the index is there may be lost. Results of the words before are shown
# until the new ones come, so what nothing is found for is typed in between.
_TYPED = """
(search, words, some) => {
  const input = search.querySelector("input");
  const status = search.querySelector("[role=status]").innerText;
  if (input.value !== words || status.startsWith("Loading")) {
    input.value = words;
    input.dispatchEvent(new Event("input", {bubbles: true}));
  }
  return some ? !!search.querySelector("a") : status === "No results";
}
"""
# What people type, and a page that must be among the first three that they see. The first is a guide, where a guide is sought.
SOUGHT = {
    "vertical video": "how-to/formats",
    "tiktok": "how-to/formats",
    "discord": "how-to/chat",
    "approval": "how-to/pick",
    "autocomplete": "reference/commands",
    "delete": "how-to/clean-up",
    "budget": "how-to/budget",
    "email": "how-to/notifications",
    "subtitle": "how-to/captions",
    "cron": "how-to/schedule",
    "which model": "how-to/models",
    "client": "how-to/share",
    "compare": "how-to/fork",
    "logo": "how-to/brand",
    "translate": "how-to/languages",
    "csv": "how-to/batch",
    "retry": "how-to/resume",
    "cancel": "how-to/resume",
    "api key": "tutorial/first-credit",
    "github": "how-to/ci",
    "kubernetes": "how-to/work-pools",
    "price": "how-to/quote",
    "photo": "how-to/reference-photo",
    "plugin": "how-to/own-step",
    "claude": "how-to/mcp",
    "backup": "how-to/operations",
    "quickstart": "tutorial/first-clip",
    "dry run": "how-to/testing",
    "prefect ui": "how-to/up",
    "receipt": "reference/receipt",
    "background music": "reference/spec",
    "slack message when finished": "how-to/chat",
    "stop spending monthly limit": "how-to/budget",
    "mistyped setting": "reference/settings",
    "typo": "how-to/ci",
    "how much will it cost": "how-to/quote",
    "it stopped halfway": "how-to/resume",
    "how do I make a video for TikTok?": "how-to/formats",
    "what happens if my computer crashes": "how-to/resume",
    "run it every Monday morning": "how-to/schedule",
    "let AI choose the best picture": "how-to/judge",
    "translate the voice to Hindi": "how-to/languages",
    "is my disk full": "how-to/clean-up",
    "where do I put the API key": "tutorial/first-credit",
    "text me when it fails": "how-to/chat",
    "many videos from a spreadsheet": "how-to/batch",
    "approve the price before I buy": "how-to/quote",
    "start the server": "how-to/up",
    "update to a new version": "how-to/upgrading",
    "call my Python function": "how-to/own-step",
    "put our company logo at the end": "how-to/brand",
    "download the video": "how-to/share",
    "redo one picture": "how-to/fork",
    "run stuck in pending": "how-to/on-call",
    "two runs at the same time": "how-to/limits",
    "use from python script": "how-to/own-flow",
    "error too many requests 429": "how-to/limits",
    "what does this error mean": "reference/errors",
    "how long does it take": "performance",
    "turn a photo into a video": "how-to/reference-photo",
    "refund": "how-to/resume",
    "windows": "tutorial/first-clip",
    "carousel": "how-to/formats",
}
chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
_ELSEWHERE = (
    "performance.getEntriesByType('resource').map(one => one.name)"
    ".filter(one => !one.startsWith(location.origin) && !one.startsWith('data:'))"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, BuiltPage]:
    return {page: read(page) for page in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def tab(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tab, str]]:
    with serving(site) as address, browsing(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab, address


def test_the_site_builds_without_a_warning(site: Path) -> None:
    output = (site.parents[1] / "output").read_text("utf-8")
    assert "No issues found" in output, output


def test_the_served_site_follows_its_pages(tmp_path: Path) -> None:
    copy_sources(tmp_path)
    for page in (tmp_path / "docs").rglob("*.md"):
        page.unlink()  # of one page it is built in a second
    page = tmp_path / "docs" / "index.md"
    page.write_text("# Aurora lamps\n", "utf-8")
    settings = (tmp_path / "zensical.toml").read_text("utf-8")
    one = re.sub(r"^nav = \[.*?^\]", 'nav = ["index.md"]', settings, flags=re.M | re.S)
    (tmp_path / "zensical.toml").write_text(one, "utf-8")
    command = ["scripts/docs", "--serve", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = re.search(r"Serving .*\((http:.*)/\)", "".join(_until_served(server)))
            assert address
            index = f"{address[1]}/search.json"
            assert "Aurora lamps" in _fetched(index)
            page.write_text("# Quaggas\n", "utf-8")
            eventually(lambda: "Quaggas" in _fetched(index) or None, "the changed page")
        finally:
            server.terminate()
    assert _fetched(index) == ""


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    there = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert sorted(_entries(nav)) == there


def test_every_link_leads_to_a_page_and_a_place_of_the_site(pages: dict[Path, BuiltPage]) -> None:
    lost = []
    for page, found in pages.items():
        for link in {*found.links, *found.resources}:
            target = urlsplit(link)
            if (
                not target.scheme
                and not target.netloc
                and not _is_there(page, unquote(link), pages)
            ):
                lost.append(f"{page.name}: {link}")
    assert lost == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, BuiltPage]) -> None:
    loaded = {one for found in pages.values() for one in found.resources}
    for style in site.rglob("*.css"):
        loaded |= set(re.findall(r"url\(['\"]?([^)'\"]+)", style.read_text("utf-8")))
    elsewhere = [one for one in loaded if not one.startswith("data:")]
    assert [one for one in elsewhere if urlsplit(one).scheme or urlsplit(one).netloc] == []


def test_a_page_has_a_description_its_language_and_no_markup_in_its_text(
    site: Path, pages: dict[Path, BuiltPage]
) -> None:
    # What GitHub takes for a list or a fence, and the builder of the site for text.
    left = re.compile(r"\*\*|\]\(|```|^ *(?:[*-]|\d\.) .*$|^\|.*\|$", re.M)
    for page, found in pages.items():
        described = found.attributes.get("meta description", {}).get("content", "")
        assert len(described) >= 20 or page.name == "404.html", page
        assert left.findall(found.text) == [], page
        hindi = page.is_relative_to(site / "hi")
        assert (found.attributes["html"]["lang"] == "hi") is hindi, page


@chromium
def test_every_page_fits_its_window_and_can_be_read_by_everybody(
    tab: tuple[Tab, str], site: Path, pages: dict[Path, BuiltPage]
) -> None:
    browser, address = tab
    # Half of the work of a page is to read the index of the search, which shows nothing before it is asked.
    browser.do("Network.enable")
    browser.do("Network.setBlockedURLs", urls=["*/search.json"])
    found = []
    for page in (page.relative_to(site) for page in pages):
        browser.show_at(f"{address}/{page}", width=1440)
        found += [(page, "too wide")] * (browser.value(_SIDEWAYS) > 0)
        if str(page) in LOOKED_AT:
            found += [
                (page, one) for one in (*browser.axe_violations(), *browser.value(_ELSEWHERE))
            ]
        browser.do("Emulation.setDeviceMetricsOverride", width=390, **_PHONE)
        found += [(page, "too wide for a phone")] * (browser.value(_SIDEWAYS) > 0)
    for name in LOOKED_AT[:3]:
        browser.show_at(f"{address}/{name}", width=1440, dark=True)
        found += [(Path(name), f"in the dark: {one}") for one in browser.axe_violations()]
    browser.do("Network.disable")
    assert found == []


@chromium
def test_the_search_knows_the_words_of_its_readers_and_guides_come_first(
    tab: tuple[Tab, str],
) -> None:
    browser, address = tab
    browser.show_at(f"{address}/index.html", width=1440)
    browser.click(".md-search__button")
    browser.until(f"!!({_SEARCH})?.querySelector('input')", "the search")
    lost = {}
    for words, page in SOUGHT.items():
        browser.until(f"({_TYPED})({_SEARCH}, 'zzzqqq', false)")
        browser.until(f"({_TYPED})({_SEARCH}, {json.dumps(words)}, true)", words)
        first = [one.removesuffix(".html") for one in browser.value(_FOUND)[:3]]
        guides = ("how-to/", "tutorial/")
        if page not in first or (page.startswith(guides) and not first[0].startswith(guides)):
            lost[words] = first
    assert lost == {}


@chromium
def test_what_is_copied_can_be_pasted_and_output_is_not_to_be_copied(tab: tuple[Tab, str]) -> None:
    browser, address = tab
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.do("Browser.grantPermissions", origin=address, permissions=permissions)
    copied = {}
    for page, kind in (("how-to/budget", "console"), ("tutorial/first-clip", "diff")):
        browser.show_at(f"{address}/{page}.html", width=1440)
        button = f".language-{kind} [data-md-type=copy]"
        browser.wait_for(button)
        browser.do("Page.bringToFront")
        browser.click(button)
        browser.wait_for_text("Copied to clipboard")
        copied[kind] = browser.value("navigator.clipboard.readText()")
    assert copied == {
        "console": """rivya-flows run stills.yaml || echo "exit code: $?"
rivya-flows run stills.yaml --budget 4""",
        "diff": "    default: Morning light, steam, copper and white tiles",
    }
    buttons = "[...document.querySelectorAll('.language-text [data-md-type=copy]')]"
    assert browser.value(f"{buttons}.filter(one => one.checkVisibility()).length") == 0


def _until_served(server: subprocess.Popen[str]) -> Iterator[str]:
    for line in server.stdout or ():
        yield line
        if line.startswith("Serving"):
            return


def _fetched(url: str) -> str:
    """What is there; "" for nothing, as while the site is built again."""
    try:
        with urllib.request.urlopen(url) as answer:
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


def _entries(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    within = nav.values() if isinstance(nav, dict) else nav
    return [page for one in within for page in _entries(one)]


def _is_there(page: Path, link: str, pages: dict[Path, BuiltPage]) -> bool:
    path, _, anchor = link.partition("#")
    path = path.partition("?")[0]
    root = next(iter(pages)).parent  # 404.html, whose links begin at the top
    to = root / path[1:] if path.startswith("/") else (page.parent / path) if path else page
    to = (to / "index.html" if to.is_dir() else to).resolve()
    if not to.is_file() or not to.is_relative_to(root.resolve()):
        return False
    return not anchor or to.suffix != ".html" or anchor in pages[to].ids
