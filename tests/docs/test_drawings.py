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


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_a_drawing_says_what_is_seen_is_readable_on_a_phone_and_asks_no_other_address(
    path: Path,
) -> None:
    drawing = ElementTree.parse(path).getroot()
    assert [one.tag for one in drawing[:2]] == [f"{SVG}title", f"{SVG}desc"]
    assert [bool(one.text) for one in drawing[:2]] == [True, True]
    labels = drawing.attrib["aria-labelledby"].split()
    assert labels == [one.attrib["id"] for one in drawing[:2]]
    width = float(drawing.attrib["viewBox"].split()[2])
    style = drawing.findtext(f"{SVG}style") or ""
    assert min(float(size) for size in re.findall(r"(\d+)px", style)) * 350 / width >= SMALLEST
    assert "prefers-color-scheme: dark" in style
    text = ElementTree.tostring(drawing, encoding="unicode")
    assert re.findall(r"(?:href|url\()[^#)]*//|<script|@import", text) == []


def test_each_drawing_is_on_a_page_with_words_in_its_place() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in DOCS.rglob("*.md"))
    shown = re.findall(r"!\[([^\]]+)\]\([./]*images/concepts/(\w+)\.svg\)", pages)
    assert {name for _, name in shown} == {drawing.stem for drawing in DRAWINGS}
    assert min(len(words) for words, _ in shown) > 80
