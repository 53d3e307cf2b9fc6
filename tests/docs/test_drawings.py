"""The drawings of the concept pages, which a screen reader and a narrow screen can read too."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[2] / "docs"
DRAWINGS = sorted((DOCS / "images" / "concepts").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"
SMALLEST = 9  # pixels of letters where 350 pixels of a phone are left for the drawing


@pytest.fixture(params=DRAWINGS, ids=[drawing.stem for drawing in DRAWINGS])
def drawing(request: pytest.FixtureRequest) -> ElementTree.Element:
    return ElementTree.parse(request.param).getroot()


def test_a_drawing_says_what_is_seen(drawing: ElementTree.Element) -> None:
    labels = drawing.attrib["aria-labelledby"].split()
    named = {one.attrib.get("id"): one.text or "" for one in drawing}
    assert [bool(named[label]) for label in labels] == [True, True]
    assert drawing[0].tag == f"{SVG}title"
    assert drawing[1].tag == f"{SVG}desc"


def test_a_drawing_is_readable_on_a_phone_and_in_the_dark(drawing: ElementTree.Element) -> None:
    width = float(drawing.attrib["viewBox"].split()[2])
    style = drawing.findtext(f"{SVG}style") or ""
    sizes = [float(size) for size in re.findall(r"(\d+)px", style)]
    assert min(sizes) * 350 / width >= SMALLEST
    assert "prefers-color-scheme: dark" in style


def test_a_drawing_asks_nothing_of_another_address(drawing: ElementTree.Element) -> None:
    text = ElementTree.tostring(drawing, encoding="unicode")
    assert re.findall(r"(?:href|url\()[^#)]*//|<script|@import", text) == []


def test_each_drawing_is_on_a_page_with_words_in_its_place() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in DOCS.rglob("*.md"))
    shown = re.findall(r"!\[([^\]]+)\]\([./]*images/concepts/(\w+)\.svg\)", pages)
    assert {name for _, name in shown} == {drawing.stem for drawing in DRAWINGS}
    assert min(len(words) for words, _ in shown) > 80
